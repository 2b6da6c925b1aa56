package receipt

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"schoolbell"
	"schoolbell/internal/channel/email/returnpath"
)

var bounces = returnpath.New("bounces.hill.example", "3c1d8e7f6a5b4c3d2e1f0a9b")

func senderOf(t testing.TB, k schoolbell.MessageKey) string {
	t.Helper()
	address, ok := bounces.Of(k.String())
	if !ok {
		t.Fatalf("%+v has no envelope sender", k)
	}
	return address
}

// mailOf returns an email of testdata, sent to or about the email with this envelope sender.
func mailOf(t testing.TB, name, sender string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	must(t, err)
	return strings.ReplaceAll(string(text), "SENDER", sender)
}

func decodeMail(text string) ([]schoolbell.Receipt, error) {
	m := &byMail{addresses: bounces, now: func() time.Time { return testTime }}
	return m.receipts(context.Background(), Request{Body: []byte(text), URI: "/v1/receipts/mail/secret"})
}

func TestMail(t *testing.T) {
	t.Parallel()
	t.Run("a notification becomes a receipt", testMailReceipts)
	t.Run("each notification has its kind", testMailKinds)
	t.Run("each complaint has its kind", testMailComplaints)
	t.Run("the address of the email names the message", testMailAddresses)
	t.Run("email of strangers is refused", testMailForged)
	t.Run("repetitions have the same id", testMailIDs)
	t.Run("a notification that is cut off counts", testMailCut)
}

func testMailReceipts(t *testing.T) {
	t.Parallel()
	base := schoolbell.Receipt{Provider: "mail", EventID: eventID, Wave: 1, Channel: schoolbell.ChannelEmail, User: 7}
	for name, change := range map[string]func(r *schoolbell.Receipt){
		"postfix.eml": func(r *schoolbell.Receipt) {
			r.Kind, r.Address, r.Reason = schoolbell.ReceiptBounced, "Ada@school.example", "5.1.1 550 5.1.1 <[address]>: Recipient address rejected: User unknown"
			r.At = time.Date(2026, 11, 25, 9, 30, 0, 0, time.UTC)
		},
		"exchange.eml": func(r *schoolbell.Receipt) {
			r.Kind, r.Address, r.Reason = schoolbell.ReceiptBounced, "ada@school.example", "5.0.0 550 5.2.1 mailbox disabled (error code: [address])"
			r.At = time.Date(2026, 11, 25, 9, 31, 0, 0, time.UTC)
		},
		"complaint.eml": func(r *schoolbell.Receipt) {
			r.Kind, r.Address, r.Reason = schoolbell.ReceiptComplained, "ada@school.example", "feedback report: abuse"
			r.At = time.Date(2026, 11, 25, 9, 45, 0, 0, time.UTC)
		},
	} {
		t.Run(name, func(t *testing.T) {
			receipts, err := decodeMail(mailOf(t, name, senderOf(t, key)))
			must(t, err)
			if len(receipts) != 1 {
				t.Fatalf("receipts %+v", receipts)
			}
			want := base
			change(&want)
			want.ID = receipts[0].ID
			if !strings.HasPrefix(want.ID, key.String()+"/"+string(want.Kind)+"/") {
				t.Errorf("id %q", want.ID)
			}
			if diff := cmp.Diff([]schoolbell.Receipt{want}, receipts); diff != "" {
				t.Error(diff)
			}
		})
	}
	if receipts, err := decodeMail(mailOf(t, "vacation.eml", senderOf(t, key))); err != nil || len(receipts) != 0 {
		t.Errorf("an automatic reply: %+v, %v", receipts, err)
	}
}

// dsn returns a notification with these fields about the recipient.
func dsn(sender, fields string) string {
	return "To: " + sender + "\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns;mx\r\n\r\n" + strings.ReplaceAll(fields, "\n", "\r\n") + "\r\n--b--\r\n"
}

func testMailKinds(t *testing.T) {
	t.Parallel()
	for fields, want := range map[string]schoolbell.ReceiptKind{
		"Action: failed\nStatus: 5.1.1 (no such user)\n":                                   schoolbell.ReceiptBounced,
		"ACTION: Failed\nstatus: 5.1.10\n":                                                 schoolbell.ReceiptBounced,
		"Action: failed\nStatus: 5.1.2\n":                                                  schoolbell.ReceiptBounced,
		"Action: failed\nStatus: 5.2.2\n":                                                  schoolbell.ReceiptSoftBounced,
		"Action: failed\nStatus: 4.2.2\n":                                                  schoolbell.ReceiptSoftBounced,
		"Action: failed\nStatus: 5.4.1\n":                                                  schoolbell.ReceiptSoftBounced,
		"Action: failed\nStatus: 4.4.7\n":                                                  schoolbell.ReceiptFailed,
		"Action: failed\nStatus: 5.7.1\nDiagnostic-Code: smtp; 550 5.1.1 not allowed\n":    schoolbell.ReceiptFailed,
		"Action: failed\nStatus: 5.7.26\n":                                                 schoolbell.ReceiptFailed,
		"Action: failed\nStatus: 5.3.4\n":                                                  schoolbell.ReceiptFailed,
		"Action: failed\nDiagnostic-Code: smtp; 550-5.1.1 unknown\n":                       schoolbell.ReceiptBounced,
		"Action: failed\n":                                                                 schoolbell.ReceiptFailed,
		"Action: delayed\nStatus: 4.4.1\n":                                                 schoolbell.ReceiptAccepted,
		"Action: relayed\nStatus: 2.0.0\n":                                                 schoolbell.ReceiptAccepted,
		"Action: delivered\nStatus: 2.0.0\n":                                               schoolbell.ReceiptDelivered,
		"Action: delivered\nStatus: 2.0.0\n\nAction: failed\nStatus: 5.1.1\n":              schoolbell.ReceiptBounced,
		"Action: invented\nStatus: 5.1.1\n":                                                "",
		"Status: 5.1.1\n":                                                                  "",
		"Action : failed\nStatus: 5.1.1\n not a field\nwithout a colon\n: empty\n\n\n\n\n": schoolbell.ReceiptBounced,
	} {
		receipts, err := decodeMail(dsn(senderOf(t, key), fields))
		must(t, err)
		checkReceipts(t, receipts)
		var got schoolbell.ReceiptKind
		if len(receipts) == 1 {
			got = receipts[0].Kind
		}
		if got != want {
			t.Errorf("%q is %q, want %q", fields, got, want)
		}
	}
}

func testMailComplaints(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]schoolbell.ReceiptKind{
		"abuse": schoolbell.ReceiptComplained, "Fraud": schoolbell.ReceiptComplained, "other": schoolbell.ReceiptComplained, "opt-out": schoolbell.ReceiptStopped,
		"not-spam": "", "auth-failure": "", "dmarc": "",
	} {
		receipts, err := decodeMail(strings.Replace(mailOf(t, "complaint.eml", senderOf(t, key)), "Feedback-Type: abuse", "Feedback-Type: "+kind, 1))
		must(t, err)
		if len(receipts) != 1 && want != "" || len(receipts) == 1 && receipts[0].Kind != want {
			t.Errorf("%s: %+v, want %q", kind, receipts, want)
		}
	}
}

func testMailAddresses(t *testing.T) {
	t.Parallel()
	m := &byMail{addresses: bounces, now: func() time.Time { return testTime }}
	sender := senderOf(t, key)
	for name, r := range map[string]Request{
		"in the envelope":                    {Recipient: strings.ToUpper(sender)},
		"in the address of the request":      {URI: "/v1/receipts/mail/s?to=" + url.QueryEscape(sender)},
		"in an address that is not escaped":  {URI: "/v1/receipts/mail/s?to=" + sender},
		"in a header of the last server":     {Body: []byte("Delivered-To: " + sender + "\r\n")},
		"as the recipient with a name":       {Body: []byte("To: \"Bell, Hill\" <" + sender + ">\r\n")},
		"as one of two fields":               {Body: []byte("Delivered-To: catchall@hill.example\r\nDelivered-To: <" + sender + ">\r\n")},
		"in the headers of the email itself": {Body: []byte("X-Original-To: " + sender + "\r\n")},
	} {
		t.Run(name, func(t *testing.T) {
			r.Body = append(r.Body, strings.Replace(dsn("office@hill.example", "Action: failed\nStatus: 5.1.1\n"), "To: office", "Cc: office", 1)...)
			receipts, err := m.receipts(t.Context(), r)
			if err != nil || len(receipts) != 1 || receipts[0].User != key.User {
				t.Errorf("receipts %+v, %v", receipts, err)
			}
		})
	}
}

func testMailForged(t *testing.T) {
	t.Parallel()
	other, ok := returnpath.New("bounces.hill.example", "another-secret-of-the-school").Of(key.String())
	if !ok {
		t.Fatal("no envelope sender")
	}
	for name, text := range map[string]string{
		"a token of another secret": mailOf(t, "postfix.eml", other),
		"no token":                  mailOf(t, "postfix.eml", "office@hill.example"),
		"a token in the text only":  mailOf(t, "vacation.eml", "office@hill.example") + senderOf(t, key),
	} {
		if receipts, err := decodeMail(text); schoolbell.CodeOf(err) != schoolbell.CodeForbidden || len(receipts) != 0 {
			t.Errorf("%s: %+v, %v", name, receipts, err)
		}
	}
	for name, text := range map[string]string{"nothing": "", "no header": "x", "a large email": strings.Repeat("a: b\r\n", maxReport/6+1), "a large header": "a: " + strings.Repeat("b", maxReportHeader) + "\r\n\r\n"} {
		if _, err := decodeMail(text); schoolbell.CodeOf(err) != schoolbell.CodeInvalid && schoolbell.CodeOf(err) != schoolbell.CodeForbidden {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func testMailIDs(t *testing.T) {
	t.Parallel()
	id := func(text string) string {
		receipts, err := decodeMail(text)
		must(t, err)
		return receipts[0].ID
	}
	text := mailOf(t, "postfix.eml", senderOf(t, key))
	if id(text) != id("Received: from another server\r\n"+text) {
		t.Error("the same notification over another server has another id")
	}
	if id(text) == id(strings.Replace(text, "4B1C280", "4B1C281", 1)) {
		t.Error("another notification has the same id")
	}
}

func testMailCut(t *testing.T) {
	t.Parallel()
	text := mailOf(t, "postfix.eml", senderOf(t, key))
	text = text[:strings.Index(text, "Subject: Sports day")]
	receipts, err := decodeMail(text)
	if err != nil || len(receipts) != 1 || receipts[0].Kind != schoolbell.ReceiptBounced {
		t.Errorf("receipts %+v, %v", receipts, err)
	}
}

func FuzzMail(f *testing.F) {
	sender := senderOf(f, key)
	for _, name := range []string{"postfix.eml", "exchange.eml", "complaint.eml", "vacation.eml"} {
		f.Add(mailOf(f, name, sender))
	}
	f.Add(dsn(sender, "Action: failed\n\nAction: delivered\n"))
	f.Fuzz(func(t *testing.T, text string) {
		receipts, _ := decodeMail(text)
		checkReceipts(t, receipts)
		if token, _, _ := strings.Cut(sender, "@"); len(receipts) > 0 && !strings.Contains(strings.ToLower(text), token) {
			t.Errorf("%+v without the token", receipts)
		}
	})
}

package receipt

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"schoolbell"
)

const eventID = "0193a1c0-5f2e-7c3d-8a4b-1234567890ab"

var key = schoolbell.MessageKey{EventID: eventID, Wave: 1, User: 7, Address: 2}

// event returns an event of SES about the message of key.
func event(kind, object string) string {
	return fmt.Sprintf(`{"eventType":%q,"mail":{"timestamp":"2026-11-25T09:00:00.000Z","messageId":"0102018f-000000","source":"bell@school.example",
		"destination":["ada@school.example"],"tags":{"schoolbell_message":[%q],"ses:configuration-set":["bell"]}},%s}`, kind, key.Tag(), object)
}

func TestSES(t *testing.T) {
	t.Parallel()
	t.Run("each event has its kind", testSESKinds)
	t.Run("a receipt names its delivery", testSESReceipt)
	t.Run("events about other email are left out", testSESOthers)
	t.Run("a notification names the message by its header", testSESHeader)
}

func testSESKinds(t *testing.T) {
	t.Parallel()
	bounce := func(kind, subtype string) string {
		return fmt.Sprintf(`"bounce":{"bounceType":%q,"bounceSubType":%q,"feedbackId":"f-1","timestamp":"2026-11-25T09:30:00.000Z",
			"bouncedRecipients":[{"emailAddress":"Ada <ada@school.example>","status":"5.1.1","diagnosticCode":"smtp; 550 5.1.1 <ada@school.example> unknown"}]}`, kind, subtype)
	}
	complaint := func(kind string) string {
		return fmt.Sprintf(`"complaint":{"complaintFeedbackType":%q,"feedbackId":"f-1","complainedRecipients":[{"emailAddress":"ada@school.example"}]}`, kind)
	}
	for _, c := range []struct {
		kind, object string
		want         schoolbell.ReceiptKind
	}{
		{"Send", `"send":{}`, schoolbell.ReceiptAccepted},
		{"DeliveryDelay", `"deliveryDelay":{"delayType":"TransientCommunicationFailure"}`, schoolbell.ReceiptAccepted},
		{"Delivery", `"delivery":{"timestamp":"2026-11-25T09:00:01.000Z","recipients":["ada@school.example"]}`, schoolbell.ReceiptDelivered},
		{"Bounce", bounce("Permanent", "General"), schoolbell.ReceiptBounced},
		{"Bounce", bounce("Permanent", "OnAccountSuppressionList"), schoolbell.ReceiptBounced},
		{"Bounce", bounce("Permanent", "Invented"), schoolbell.ReceiptBounced},
		{"Bounce", bounce("Transient", "General"), schoolbell.ReceiptSoftBounced},
		{"Bounce", bounce("Transient", "MailboxFull"), schoolbell.ReceiptSoftBounced},
		{"Bounce", bounce("Transient", "MessageTooLarge"), schoolbell.ReceiptFailed},
		{"Bounce", bounce("Transient", "ContentRejected"), schoolbell.ReceiptFailed},
		{"Bounce", bounce("Transient", "AttachmentRejected"), schoolbell.ReceiptFailed},
		{"Bounce", bounce("Undetermined", "Undetermined"), schoolbell.ReceiptSoftBounced},
		{"Complaint", complaint("abuse"), schoolbell.ReceiptComplained},
		{"Complaint", complaint(""), schoolbell.ReceiptComplained},
		{"Complaint", complaint("not-spam"), ""},
		{"Reject", `"reject":{"reason":"Bad content"}`, schoolbell.ReceiptFailed},
		{"Rendering Failure", `"failure":{"errorMessage":"no such attribute","templateName":"t"}`, schoolbell.ReceiptFailed},
		{"Open", `"open":{}`, ""},
		{"Click", `"click":{}`, ""},
	} {
		receipts, err := decodeSES([]byte(event(c.kind, c.object)), testTime)
		must(t, err)
		var got schoolbell.ReceiptKind
		if len(receipts) == 1 {
			got = receipts[0].Kind
		}
		if got != c.want {
			t.Errorf("%s %s is %q, want %q", c.kind, c.object, got, c.want)
		}
		if len(receipts) == 1 && strings.Contains(receipts[0].Reason, "ada") {
			t.Errorf("reason %q names the address", receipts[0].Reason)
		}
	}
}

func testSESReceipt(t *testing.T) {
	t.Parallel()
	receipts, err := decodeSES([]byte(event("Bounce", `"bounce":{"bounceType":"Permanent","bounceSubType":"NoEmail","feedbackId":"f-1","timestamp":"2026-11-25T09:30:00.000Z",
		"bouncedRecipients":[{"emailAddress":"Ada <ada@school.example>","diagnosticCode":"smtp; 550 5.1.1 <ada@school.example> unknown"}]}`)), testTime)
	must(t, err)
	want := []schoolbell.Receipt{{Provider: "ses", ID: "0102018f-000000/bounced/f-1", EventID: eventID, Wave: 1, Channel: schoolbell.ChannelEmail, User: 7,
		Kind: schoolbell.ReceiptBounced, Address: "ada@school.example", Reason: "Permanent NoEmail smtp; 550 5.1.1 <[address]> unknown",
		At: testTime.Add(-30 * time.Minute)}}
	if diff := cmp.Diff(want, receipts); diff != "" {
		t.Error(diff)
	}
}

func testSESOthers(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{}`, `{"eventType":"Send","mail":{"messageId":"1","tags":{"other":["x"]}}}`,
		`{"eventType":"Send","mail":{"messageId":"1","tags":{"schoolbell_message":["x"]}}}`} {
		if receipts, err := decodeSES([]byte(text), testTime); err != nil || len(receipts) != 0 {
			t.Errorf("%s: %v, %v", text, receipts, err)
		}
	}
	for _, text := range []string{"", "[]", `"x"`, "Successfully"} {
		if _, err := decodeSES([]byte(text), testTime); schoolbell.CodeOf(err) != schoolbell.CodeInvalid {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func testSESHeader(t *testing.T) {
	t.Parallel()
	receipts, err := decodeSES([]byte(`{"notificationType":"Delivery","mail":{"messageId":"1","headers":[{"name":"Message-ID","value":"<`+key.String()+`@school.example>"}]}}`), testTime)
	must(t, err)
	if len(receipts) != 1 || receipts[0].User != key.User || receipts[0].Kind != schoolbell.ReceiptDelivered || !receipts[0].At.Equal(testTime) {
		t.Errorf("receipts %+v", receipts)
	}
}

// What Amazon signed may still be anything: no text makes a receipt that the ledger cannot store.
func FuzzSES(f *testing.F) {
	f.Add(event("Send", `"send":{}`))
	f.Add(event("Bounce", `"bounce":{"bounceType":"Permanent","bouncedRecipients":[{"emailAddress":"a@b.example","diagnosticCode":"x\u0000y"}]}`))
	f.Add(event("Complaint", `"complaint":{"complainedRecipients":[{}]}`))
	f.Add(`{"mail":{"timestamp":"9999-12-31T23:59:59Z"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		receipts, _ := decodeSES([]byte(text), testTime)
		checkReceipts(t, receipts)
	})
}

// checkReceipts checks what must hold of all receipts that are decoded.
func checkReceipts(t *testing.T, receipts []schoolbell.Receipt) {
	t.Helper()
	for _, r := range receipts {
		if r.Kind == "" || r.ID == "" || r.Provider == "" || r.At.After(testTime) || r.At.Before(testTime.AddDate(-1, 0, -1)) || len(r.Reason) > 5*maxReason {
			t.Errorf("receipt %+v", r)
		}
		if r.EventID != "" && (r.User < 1 || r.Wave < 0 || r.Wave > schoolbell.MaxWaves) {
			t.Errorf("receipt %+v", r)
		}
		if strings.ContainsAny(r.Reason, "\r\n") {
			t.Errorf("reason %q", r.Reason)
		}
	}
}

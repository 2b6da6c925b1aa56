package receipt

import (
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"schoolbell"
)

// Requests that the libraries twilio-go and npm twilio accept.
const (
	vectorToken = "secret-token"
	vectorURL   = "https://bell.example.org"
	vectorForm  = "AccountSid=AC1&ErrorCode=30003&From=%2B15005550006&MessageSid=SM1&MessageStatus=undelivered&To=%2B31612345678"
	vectorJSON  = `{"MessageSid":"SM1","MessageStatus":"sent"}`
)

func twilioRequest(uri, body, signature string) Request {
	return Request{URI: uri, Body: []byte(body), Header: http.Header{twilioSignature: {signature}}}
}

func testTwilioAt(publicURL string) *twilio {
	return &twilio{token: []byte(vectorToken), publicURL: publicURL, now: func() time.Time { return testTime }}
}

// signed returns a request as Twilio signs it for a public URL.
func signed(publicURL, uri string, form url.Values) Request {
	return twilioRequest(uri, form.Encode(), base64.StdEncoding.EncodeToString(signTwilio([]byte(vectorToken), publicURL+uri, form)))
}

func TestTwilio(t *testing.T) {
	t.Parallel()
	t.Run("requests of Twilio are accepted", testTwilioVectors)
	t.Run("the default port may be signed or not", testTwilioPorts)
	t.Run("requests that Twilio did not sign are refused", testTwilioForged)
	t.Run("a repeated field is signed with each of its values", testTwilioRepeated)
	t.Run("each status has its kind", testTwilioKinds)
	t.Run("a receipt names its delivery", testTwilioReceipt)
	t.Run("words of recipients stop and start messages", testTwilioInbound)
}

func testTwilioVectors(t *testing.T) {
	t.Parallel()
	s := testTwilioAt(vectorURL + "/")
	form, query, err := s.verify(twilioRequest("/hooks/twilio/status?d=42", vectorForm, "CfJ79z0WTOMuA/n/q7+223MwQxc="))
	must(t, err)
	if form.Get("To") != "+31612345678" || query.Get("d") != "42" {
		t.Errorf("form %v, query %v", form, query)
	}
	const hash = "/hooks/twilio/status?bodySHA256=fc1a85c3da8e0304d7195ae2bea3fa391521a8060142a85dbfaf6a9db8025570"
	form, _, err = s.verify(twilioRequest(hash, vectorJSON, "oxO3WeW5vq3igpBf7MlMS6j2Kto="))
	must(t, err)
	if form.Get("MessageSid") != "SM1" || form.Get("MessageStatus") != "sent" {
		t.Errorf("form %v", form)
	}
}

func testTwilioPorts(t *testing.T) {
	t.Parallel()
	form := url.Values{"MessageSid": {"SM1"}}
	for _, c := range []struct {
		public, signed string
		ok             bool
	}{
		{"https://bell.example.org", "https://bell.example.org:443", true},
		{"https://bell.example.org:443", "https://bell.example.org", true},
		{"http://bell.example.org", "http://bell.example.org:80", true},
		{"https://bell.example.org:8443", "https://bell.example.org:8443", true},
		{"https://bell.example.org:8443", "https://bell.example.org", false},
		{"https://bell.example.org", "https://bell.example.org:80", false},
		{"https://bell.example.org/school", "https://bell.example.org/school", true},
	} {
		_, _, err := testTwilioAt(c.public).verify(signed(c.signed, "/x?d=1", form))
		if (err == nil) != c.ok {
			t.Errorf("%s at %s: %v", c.signed, c.public, err)
		}
	}
}

func testTwilioForged(t *testing.T) {
	t.Parallel()
	const uri = "/hooks/twilio/status?d=42"
	for _, c := range []struct {
		name string
		r    Request
	}{
		{"another field", twilioRequest(uri, vectorForm+"&New=1", "CfJ79z0WTOMuA/n/q7+223MwQxc=")},
		{"another query", twilioRequest("/hooks/twilio/status?d=43", vectorForm, "CfJ79z0WTOMuA/n/q7+223MwQxc=")},
		{"no signature", Request{URI: uri, Body: []byte(vectorForm), Header: http.Header{}}},
		{"a signature in another notation", twilioRequest(uri, vectorForm, "%")},
		{"another body of JSON", twilioRequest("/hooks/twilio/status?bodySHA256=fc1a85c3da8e0304d7195ae2bea3fa391521a8060142a85dbfaf6a9db8025570", "{}", "oxO3WeW5vq3igpBf7MlMS6j2Kto=")},
		{"a body that is no form", twilioRequest(uri, "%zz", "CfJ79z0WTOMuA/n/q7+223MwQxc=")},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ledger := &kept{}
			s := New(Config{Secret: "s", TwilioToken: vectorToken, PublicURL: vectorURL}, ledger, slog.New(slog.DiscardHandler))
			for _, source := range []Source{Twilio, TwilioInbound} {
				if err := s.Take(t.Context(), source, c.r); schoolbell.CodeOf(err) != schoolbell.CodeForbidden || len(ledger.receipts) > 0 {
					t.Errorf("%d receipts, error %v", len(ledger.receipts), err)
				}
			}
		})
	}
}

func testTwilioRepeated(t *testing.T) {
	t.Parallel()
	one := signTwilio([]byte(vectorToken), "u", url.Values{"a": {"2", "1", "2"}, "b": {""}})
	if string(one) != string(signTwilio([]byte(vectorToken), "ua1a2b", nil)) {
		t.Error("the values are not signed one after the other, in order and without repetitions")
	}
}

func testTwilioKinds(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]schoolbell.ReceiptKind{
		"queued": schoolbell.ReceiptAccepted, "accepted": schoolbell.ReceiptAccepted, "scheduled": schoolbell.ReceiptAccepted, "sending": schoolbell.ReceiptAccepted,
		"sent": schoolbell.ReceiptAccepted, "delivered": schoolbell.ReceiptDelivered, "read": schoolbell.ReceiptDelivered,
		"undelivered 30003": schoolbell.ReceiptSoftBounced, "undelivered 30005": schoolbell.ReceiptBounced, "undelivered 30006": schoolbell.ReceiptBounced,
		"failed 21211": schoolbell.ReceiptBounced, "failed 21614": schoolbell.ReceiptBounced, "failed 21635": schoolbell.ReceiptBounced,
		"failed 21610": schoolbell.ReceiptRefused, "failed 30007": schoolbell.ReceiptFailed, "undelivered": schoolbell.ReceiptFailed,
		"canceled": schoolbell.ReceiptFailed, "received": "", "": "", "invented": "",
	} {
		name, code, _ := strings.Cut(status, " ")
		form := url.Values{"MessageSid": {"SM1"}, "MessageStatus": {name}, "ErrorCode": {code}, "To": {"+31612345678"}}
		var got schoolbell.ReceiptKind
		if receipts := decodeTwilio(key.String(), form, testTime); len(receipts) == 1 {
			got = receipts[0].Kind
		}
		if got != want {
			t.Errorf("%q is %q, want %q", status, got, want)
		}
	}
}

func testTwilioReceipt(t *testing.T) {
	t.Parallel()
	form, err := url.ParseQuery(vectorForm)
	must(t, err)
	want := []schoolbell.Receipt{{Provider: "twilio", ID: "SM1/undelivered", EventID: eventID, Wave: 1, Channel: schoolbell.ChannelSMS, User: 7,
		Kind: schoolbell.ReceiptSoftBounced, Address: "+31612345678", Reason: "Twilio: undelivered 30003", At: testTime}}
	if diff := cmp.Diff(want, decodeTwilio(key.String(), form, testTime)); diff != "" {
		t.Error(diff)
	}
	if receipts := decodeTwilio("42", form, testTime); receipts != nil {
		t.Errorf("a receipt of another message: %+v", receipts)
	}
}

func testTwilioInbound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		body, optOut string
		want         schoolbell.ReceiptKind
	}{
		{"STOP", "", schoolbell.ReceiptStopped}, {" stop\n", "", schoolbell.ReceiptStopped}, {"StopAll", "", schoolbell.ReceiptStopped},
		{"optout", "", schoolbell.ReceiptStopped}, {"start", "", schoolbell.ReceiptStarted}, {"unstop", "", schoolbell.ReceiptStarted},
		{"HELP", "", ""}, {"please stop", "", ""}, {"", "", ""},
		{"arrêt", "STOP", schoolbell.ReceiptStopped}, {"ja", "START", schoolbell.ReceiptStarted}, {"stop?", "HELP", ""},
	} {
		form := url.Values{"MessageSid": {"SM2"}, "From": {"+31612345678"}, "Body": {c.body}, "OptOutType": {c.optOut}}
		receipts := decodeInbound(form, testTime)
		var got schoolbell.ReceiptKind
		if len(receipts) == 1 {
			got = receipts[0].Kind
		}
		if got != c.want {
			t.Errorf("%q with %q is %q, want %q", c.body, c.optOut, got, c.want)
		}
	}
	want := []schoolbell.Receipt{{Provider: "twilio", ID: "SM2/inbound", Channel: schoolbell.ChannelSMS, Kind: schoolbell.ReceiptStopped,
		Address: "+31612345678", Reason: "the recipient sent STOP", At: testTime}}
	if diff := cmp.Diff(want, decodeInbound(url.Values{"MessageSid": {"SM2"}, "From": {"+31612345678"}, "Body": {"QUIT"}}, testTime)); diff != "" {
		t.Error(diff)
	}
}

func FuzzTwilio(f *testing.F) {
	f.Add("/x?d="+key.String(), vectorForm)
	f.Add("/x?bodySHA256=00", vectorJSON)
	f.Add("/x?d=%zz", "a=1&a=2")
	f.Add("?", "MessageSid=SM1&Body=stop&From=%2B1")
	f.Fuzz(func(t *testing.T, uri, body string) {
		s := testTwilioAt(vectorURL)
		if _, _, err := s.verify(twilioRequest(uri, body, "AAAA")); schoolbell.CodeOf(err) != schoolbell.CodeForbidden {
			t.Errorf("%q with %q: %v", uri, body, err)
		}
		form, _ := url.ParseQuery(body)
		checkReceipts(t, decodeTwilio(key.String(), form, testTime))
		checkReceipts(t, decodeInbound(form, testTime))
		if form, query, err := s.verify(signed(vectorURL, "/x?d=1", form)); err != nil || query.Get("d") != "1" || len(form) > len(body)+1 {
			t.Errorf("a signed form %q: %v", body, err)
		}
	})
}

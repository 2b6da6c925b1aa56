package api_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/api"
	"schoolbell/internal/channel/email/returnpath"
	"schoolbell/internal/ledger"
	"schoolbell/internal/receipt"
	"schoolbell/internal/store"
	"schoolbell/internal/store/sqlite"
)

const (
	receiptSecret = "3c1d8e7f6a5b4c3d2e1f0a9b"
	receiptURL    = "https://bell.school.example"
	twilioToken   = "0a9b8c7d6e5f4a3b2c1d0e9f"
)

var receiptBounces = returnpath.New("bounces.hill.example", receiptSecret)

// receiver is a server that takes receipts, with the keys of the providers.
type receiver struct {
	*server
	sendGrid *ecdsa.PrivateKey
}

func newReceiver(t testing.TB) *receiver {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"), sqlite.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	must(t, db.Migrate(t.Context()))
	l := store.OnSQLite(db)
	return &receiver{newServerOn(t, l, func(c *api.Config) {
		c.Receipts = receipt.New(receipt.Config{Secret: receiptSecret, PublicURL: receiptURL, SESTopics: []string{"arn:aws:sns:eu-west-1:123456789012:bell"},
			SendGridKey: &key.PublicKey, TwilioToken: twilioToken, Bounces: receiptBounces}, l.Receipts, c.Logger)
	}), key}
}

// delivered sends an event to a user over a channel, and returns the id of its message.
func (s *receiver) delivered(user string, channel schoolbell.Channel) (eventID, messageID string) {
	s.t.Helper()
	ev := &schoolbell.Event{ID: uuid.Must(uuid.NewV7()).String(), Title: "A", Body: "B", Category: "announcement", Channels: []schoolbell.Channel{channel},
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{user}}}, CreatedAt: time.Now(), Status: schoolbell.EventQueued}
	_, _, err := s.ledger.Events.CreateEvent(s.t.Context(), ev, ev.Channels, ledger.Idempotency{})
	must(s.t, err)
	s.fanOut(ev.ID)
	lease, err := s.ledger.Leases.OpenLease(s.t.Context(), "test", time.Minute)
	must(s.t, err)
	step := ledger.Step{Lease: lease, Batch: ledger.Batch{EventID: ev.ID, Channel: channel, Seq: 1}, Claim: 1}
	grants, err := s.ledger.Deliveries.Advance(s.t.Context(), []ledger.Step{step})
	must(s.t, err)
	to := grants[0].Recipients[0].Seq
	step.Claim, step.Attempts = 0, []ledger.Attempt{{Seq: to, Status: schoolbell.DeliverySent, Spent: 1}}
	_, err = s.ledger.Deliveries.Advance(s.t.Context(), []ledger.Step{step})
	must(s.t, err)
	return ev.ID, schoolbell.MessageKey{EventID: ev.ID, User: to}.String()
}

func (s *receiver) outcome(eventID string) schoolbell.Outcome {
	s.t.Helper()
	page, err := s.Deliveries(s.t.Context(), eventID, schoolbell.DeliveryFilter{}, client.Page{})
	must(s.t, err)
	return page.Deliveries[0].Outcome
}

func (s *receiver) state(user string) schoolbell.AddressState {
	s.t.Helper()
	u, err := s.User(s.t.Context(), user)
	must(s.t, err)
	return u.Addresses[0].State
}

// bySendGrid posts events as SendGrid does.
func (s *receiver) bySendGrid(secret, events string) answer {
	s.t.Helper()
	stamp, body := strconv.FormatInt(time.Now().Unix(), 10), events+"\r\n"
	digest := sha256.Sum256([]byte(stamp + body))
	signature, err := ecdsa.SignASN1(rand.Reader, s.sendGrid, digest[:])
	must(s.t, err)
	return s.raw("POST", "/v1/receipts/sendgrid/"+secret, body, "Authorization", "",
		"X-Twilio-Email-Event-Webhook-Signature", base64.StdEncoding.EncodeToString(signature), "X-Twilio-Email-Event-Webhook-Timestamp", stamp)
}

// byTwilio posts a form as Twilio does.
func (s *receiver) byTwilio(path string, form url.Values) answer {
	s.t.Helper()
	h := hmac.New(sha1.New, []byte(twilioToken))
	h.Write([]byte(receiptURL + path))
	for _, name := range slices.Sorted(maps.Keys(form)) {
		h.Write([]byte(name + form.Get(name)))
	}
	return s.raw("POST", path, form.Encode(), "Authorization", "", "Content-Type", "application/x-www-form-urlencoded",
		"X-Twilio-Signature", base64.StdEncoding.EncodeToString(h.Sum(nil)))
}

func TestReceipts(t *testing.T) {
	t.Parallel()
	t.Run("SendGrid tells the outcome of an email", testReceiptsSendGrid)
	t.Run("Twilio tells the outcome of a text message", testReceiptsTwilio)
	t.Run("a recipient stops and starts text messages", testReceiptsInbound)
	t.Run("a mail server tells that an email came back", testReceiptsMail)
	t.Run("forged requests change nothing", testReceiptsForged)
	t.Run("the secret opens the path and is not logged", testReceiptsSecret)
	t.Run("a large body is refused", testReceiptsLarge)
	t.Run("an unavailable ledger asks for a repetition", testReceiptsUnavailable)
}

func testReceiptsSendGrid(t *testing.T) {
	t.Parallel()
	s := newReceiver(t)
	s.user("u1")
	id, message := s.delivered("u1", schoolbell.ChannelEmail)
	event := func(n int, fields string) string {
		return fmt.Sprintf(`{"email":"u1@example.org","timestamp":%d,"sg_event_id":"e%d","schoolbell_message":%q,%s}`, time.Now().Unix(), n, message, fields)
	}
	bounce := event(2, `"event":"bounce","type":"bounce","status":"5.1.1","reason":"550 unknown"`)
	for _, step := range []struct {
		events  string
		outcome schoolbell.Outcome
		state   schoolbell.AddressState
	}{
		{"[" + event(1, `"event":"processed"`) + "]", "", schoolbell.AddressUnverified},
		{"[" + bounce + "," + event(3, `"event":"delivered"`) + "]", schoolbell.OutcomeBounced, schoolbell.AddressBounced},
		{"[" + bounce + "]", schoolbell.OutcomeBounced, schoolbell.AddressBounced},
		{"[" + event(4, `"event":"spamreport"`) + "]", schoolbell.OutcomeComplained, schoolbell.AddressComplained},
		{"[" + event(5, `"event":"bounce","type":"bounce"`) + "]", schoolbell.OutcomeComplained, schoolbell.AddressComplained},
	} {
		if a := s.bySendGrid(receiptSecret, step.events); a.StatusCode != 200 || a.body != "" {
			t.Fatalf("%s: %d %s", step.events, a.StatusCode, a.body)
		}
		if outcome, state := s.outcome(id), s.state("u1"); outcome != step.outcome || state != step.state {
			t.Errorf("after %s: outcome %q, address %q", step.events, outcome, state)
		}
	}
}

func testReceiptsTwilio(t *testing.T) {
	t.Parallel()
	s := newReceiver(t)
	_, _, err := s.PutUser(t.Context(), schoolbell.User{ID: "u1", Name: "Ada", Phone: "+442079460018", Roles: []schoolbell.Role{schoolbell.RoleParent}})
	must(t, err)
	eventID, message := s.delivered("u1", schoolbell.ChannelSMS)
	path := "/v1/receipts/twilio/" + receiptSecret + "?d=" + message
	for _, step := range []struct {
		status  string
		outcome schoolbell.Outcome
	}{{"sent", ""}, {"delivered", schoolbell.OutcomeDelivered}, {"queued", schoolbell.OutcomeDelivered}, {"delivered", schoolbell.OutcomeDelivered}} {
		form := url.Values{"MessageSid": {"SM1"}, "MessageStatus": {step.status}, "To": {"+442079460018"}}
		if a := s.byTwilio(path, form); a.StatusCode != 200 {
			t.Fatalf("%s: %d %s", step.status, a.StatusCode, a.body)
		}
		if got := s.outcome(eventID); got != step.outcome {
			t.Errorf("after %s the outcome is %q", step.status, got)
		}
	}
	if got := s.state("u1"); got != schoolbell.AddressGood {
		t.Errorf("the number is %s", got)
	}
}

func testReceiptsInbound(t *testing.T) {
	t.Parallel()
	s := newReceiver(t)
	_, _, err := s.PutUser(t.Context(), schoolbell.User{ID: "u1", Name: "Ada", Phone: "+442079460018", Roles: []schoolbell.Role{schoolbell.RoleParent}})
	must(t, err)
	for i, step := range []struct {
		body string
		want schoolbell.AddressState
	}{{"STOP", schoolbell.AddressStopped}, {"HELP", schoolbell.AddressStopped}, {"start", schoolbell.AddressGood}} {
		a := s.byTwilio("/v1/receipts/twilio/"+receiptSecret+"/inbound", url.Values{"MessageSid": {fmt.Sprint("SM", i)}, "From": {"+442079460018"}, "Body": {step.body}})
		if a.StatusCode != 200 || a.body != "<Response></Response>" || a.Header.Get("Content-Type") != "text/xml" {
			t.Fatalf("%s: %d %s %s", step.body, a.StatusCode, a.Header.Get("Content-Type"), a.body)
		}
		if got := s.state("u1"); got != step.want {
			t.Errorf("after %s the number is %s", step.body, got)
		}
	}
}

// bounceTo is a notification that says that an email with an envelope sender came back.
func bounceTo(sender string) string {
	return strings.ReplaceAll("From: MAILER-DAEMON@mx.example\nTo: "+sender+"\nMessage-ID: <1@mx.example>\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"+
		"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns;mx.example\n\nFinal-Recipient: rfc822;u1@example.org\nAction: failed\nStatus: 5.1.1\n"+
		"Diagnostic-Code: smtp;550 5.1.1 u1@example.org is unknown\n--b--\n", "\n", "\r\n")
}

func testReceiptsMail(t *testing.T) {
	t.Parallel()
	s := newReceiver(t)
	s.user("u1")
	id, message := s.delivered("u1", schoolbell.ChannelEmail)
	sender, ok := receiptBounces.Of(message)
	if !ok {
		t.Fatal("the message has no envelope sender")
	}
	path := "/v1/receipts/mail/" + receiptSecret
	vacation := "From: u1@example.org\r\nTo: " + sender + "\r\nSubject: On holiday\r\n\r\nUntil Monday.\r\n"
	for _, step := range []struct {
		body    string
		outcome schoolbell.Outcome
		state   schoolbell.AddressState
	}{
		{vacation, "", schoolbell.AddressUnverified},
		{bounceTo(sender), schoolbell.OutcomeBounced, schoolbell.AddressBounced},
		{bounceTo(sender), schoolbell.OutcomeBounced, schoolbell.AddressBounced},
	} {
		if a := s.raw("POST", path, step.body, "Authorization", "", "Content-Type", "message/rfc822"); a.StatusCode != 200 {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		if got, state := s.outcome(id), s.state("u1"); got != step.outcome || state != step.state {
			t.Errorf("outcome %q, address %q, want %q and %q", got, state, step.outcome, step.state)
		}
	}
	if strings.Contains(s.log.String(), "u1@example.org") {
		t.Error("an address is in the log")
	}
}

func testReceiptsForged(t *testing.T) {
	t.Parallel()
	s := newReceiver(t)
	s.user("u1")
	id, message := s.delivered("u1", schoolbell.ChannelEmail)
	for path, body := range map[string]string{
		"ses/" + receiptSecret:                 `{"Type":"Notification","TopicArn":"arn:aws:sns:eu-west-1:123456789012:other","Message":"{}"}`,
		"sendgrid/" + receiptSecret:            `[{"event":"delivered","sg_event_id":"e1","schoolbell_message":"` + message + `"}]`,
		"mail/" + receiptSecret:                bounceTo("b+" + message + "@bounces.hill.example"),
		"twilio/" + receiptSecret:              "MessageSid=SM1&MessageStatus=delivered",
		"twilio/" + receiptSecret + "/inbound": "MessageSid=SM1&From=%2B442079460018&Body=STOP",
	} {
		if p := s.raw("POST", "/v1/receipts/"+path, body, "Authorization", "").problem(t); p.Status != 403 {
			t.Errorf("%s: %d %s", path, p.Status, p.Detail)
		}
	}
	if got := s.outcome(id); got != "" {
		t.Errorf("the outcome is %q", got)
	}
}

func testReceiptsSecret(t *testing.T) {
	t.Parallel()
	s := newReceiver(t)
	for _, secret := range []string{"x", receiptSecret[1:], receiptSecret + "x", strings.ToUpper(receiptSecret)} {
		if p := s.bySendGrid(secret, "[]").problem(t); p.Status != 404 {
			t.Errorf("%s: %d", secret, p.Status)
		}
	}
	for _, path := range []string{"/v1/receipts/sendgrid/" + receiptSecret, "/v1/receipts/invented/" + receiptSecret, "//v1/receipts/sendgrid/" + receiptSecret,
		"/v1/receipts/sendgrid/" + receiptSecret + "/more"} {
		s.raw("GET", path, "")
		s.raw("POST", path, "[]")
	}
	if a := s.bySendGrid(receiptSecret, "[]"); a.StatusCode != 200 {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	metrics := s.raw("GET", "/metrics", "").body
	if text := s.log.String() + metrics; strings.Contains(text, receiptSecret) || !strings.Contains(text, "/v1/receipts/…") {
		t.Errorf("the secret is in the log or the metrics, or nothing was logged")
	}
	closed := newServer(t)
	if p := closed.raw("POST", "/v1/receipts/sendgrid/"+receiptSecret, "[]").problem(t); p.Status != 404 {
		t.Errorf("without RECEIPT_SECRET: %d", p.Status)
	}
}

func testReceiptsLarge(t *testing.T) {
	t.Parallel()
	s := newReceiver(t)
	if p := s.bySendGrid(receiptSecret, "["+strings.Repeat(" ", 1<<20)+"]").problem(t); p.Status != 413 {
		t.Errorf("%d %s", p.Status, p.Detail)
	}
	if a := s.bySendGrid(receiptSecret, "["+strings.Repeat(" ", 1<<19)+"]"); a.StatusCode != 200 {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	form := url.Values{"MessageSid": {"SM1"}, "Body": {strings.Repeat("x", 40<<10)}}
	if p := s.byTwilio("/v1/receipts/twilio/"+receiptSecret+"/inbound", form).problem(t); p.Status != 413 {
		t.Errorf("%d %s", p.Status, p.Detail)
	}
}

// noLedger is a ledger that is unavailable.
type noLedger struct{}

func (noLedger) RecordReceipts(context.Context, []schoolbell.Receipt) (int, error) {
	return 0, &schoolbell.Error{Code: schoolbell.CodeUnavailable, Message: "the ledger is unavailable"}
}

func testReceiptsUnavailable(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	s := &receiver{newServer(t, func(c *api.Config) {
		c.Receipts = receipt.New(receipt.Config{Secret: receiptSecret, SendGridKey: &key.PublicKey}, noLedger{}, c.Logger)
	}), key}
	event := `[{"event":"delivered","sg_event_id":"e1","schoolbell_message":"e.1"}]`
	if p := s.bySendGrid(receiptSecret, event).problem(t); p.Status != 503 {
		t.Errorf("%d %s", p.Status, p.Detail)
	}
}

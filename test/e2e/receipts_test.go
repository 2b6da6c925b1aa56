package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/fake"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
	"schoolbell/wire"
)

const (
	receiptSecret = "Xk4-vR8mT2zQ6wL9-hC5nB3y"
	snsTopic      = "arn:aws:sns:eu-west-1:123456789012:bell"

	soon = 30 * time.Second
)

// reporter is a fake that reports what happens to messages.
type reporter interface {
	Report(token string, reports ...fake.Report) error
	Accepted(token string) int
}

// reported is a school whose provider sends receipts.
type reported struct {
	*system.School
	t        *testing.T
	channel  schoolbell.Channel
	provider reporter
	token    func(to string) string // of the newest message to an address
	to       map[string]string      // address of each user
}

func TestReceipts(t *testing.T) {
	t.Parallel()
	t.Run("Amazon SES on PostgreSQL and Redis with a worker", testReceiptsSES)
	t.Run("SendGrid on SQLite with the embedded queue", testReceiptsSendGrid)
	t.Run("Twilio on PostgreSQL and Redis with a worker", testReceiptsTwilio)
}

// addresses of email. The reply to each message to Eve is lost.
var emailAddresses = map[string]string{"ada": "ada@people.hill.example", "bob": "bob@people.hill.example", "eve": "reset.eve@people.hill.example"}

func newestEmail(emails func() []fake.Email) func(to string) string {
	return func(to string) (token string) {
		for _, m := range emails() {
			if m.To == to {
				token = m.Token
			}
		}
		return token
	}
}

func testReceiptsSES(t *testing.T) {
	t.Parallel()
	ses, err := fake.NewSES(fake.SESOptions{ConfigurationSets: []string{"bell"}, Topic: snsTopic, SNSVersion: "1"}) // as topics have it by default
	if err != nil {
		t.Fatal(err)
	}
	play(t, ses)
	s := system.New(t, system.Parts{Database: testenv.Postgres(t), Redis: testenv.Redis(t), Settings: append(sesSettings(ses), "EMAIL_PROVIDER=ses", "RECEIPT_SECRET="+receiptSecret)})
	ses.SetReports(fake.Reports{URL: s.URL + "/v1/receipts/ses/" + receiptSecret, Plan: fake.NoReports})
	serve, worker := s.Serve(), s.Worker("one")
	r := reported{School: s, t: t, channel: schoolbell.ChannelEmail, provider: ses, token: newestEmail(ses.Emails), to: emailAddresses}
	r.follow()
	r.complains()
	worker.Stop()
	serve.Stop()
}

func sesSettings(f *fake.SES) []string {
	return []string{"EMAIL_FROM=office@hill.example", "SES_ENDPOINT=" + f.URL(), "SNS_ENDPOINT=" + f.URL(), "SES_TOPIC_ARNS=" + snsTopic, "SES_CONFIGURATION_SET=bell",
		"AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=AKIAFAKE", "AWS_SECRET_ACCESS_KEY=fake-secret"}
}

func sendGridSettings(f *fake.SendGrid) []string {
	return []string{"EMAIL_FROM=office@hill.example", "SENDGRID_URL=" + f.URL(), "SENDGRID_API_KEY=SG.fake", "SENDGRID_WEBHOOK_KEY=" + f.WebhookKey()}
}

func testReceiptsSendGrid(t *testing.T) {
	t.Parallel()
	grid, err := fake.NewSendGrid(fake.SendGridOptions{})
	if err != nil {
		t.Fatal(err)
	}
	play(t, grid)
	s := system.New(t, system.Parts{Settings: append(sendGridSettings(grid), "EMAIL_PROVIDER=sendgrid", "RECEIPT_SECRET="+receiptSecret)})
	grid.SetReports(fake.Reports{URL: s.URL + "/v1/receipts/sendgrid/" + receiptSecret, Plan: fake.NoReports})
	serve := s.Serve()
	r := reported{School: s, t: t, channel: schoolbell.ChannelEmail, provider: grid, token: newestEmail(grid.Emails), to: emailAddresses}
	r.follow()
	r.complains()
	serve.Stop()
}

func testReceiptsTwilio(t *testing.T) {
	t.Parallel()
	to := map[string]string{"ada": "+31612345601", "bob": "+31612345602", "eve": "+31612345603"}
	var once sync.Once
	twilio, err := fake.NewTwilio(fake.TwilioOptions{Answer: func(m fake.TwilioMessage) (a fake.TwilioAnswer) {
		if m.To == to["eve"] {
			once.Do(func() { a = fake.TwilioAnswer{Reset: true, Unlisted: true} }) // a look-up does not find it
		}
		return a
	}})
	if err != nil {
		t.Fatal(err)
	}
	play(t, twilio)
	s := system.New(t, system.Parts{Database: testenv.Postgres(t), Redis: testenv.Redis(t), SMTP: system.NewMail(t).Addr(), Settings: append(twilio.Settings(), "RECEIPT_SECRET="+receiptSecret)})
	twilio.SetInboundURL(s.URL + "/v1/receipts/twilio/" + receiptSecret + "/inbound")
	public := []string{"PUBLIC_URL=" + s.URL}
	serve, worker := s.LaunchWith(public, "serve", "serve"), s.LaunchWith(public, "one", "worker")
	s.AwaitReady()
	r := reported{School: s, t: t, channel: schoolbell.ChannelSMS, provider: twilio, to: to, token: func(to string) (token string) {
		for _, m := range twilio.Messages() {
			if m.To == to {
				token = m.Token
			}
		}
		return token
	}}
	r.follow()
	r.stops(twilio)
	worker.Stop()
	serve.Stop()
}

// follow sends an event to three people and reports what happens to it: Ada's message arrives, Bob's comes back, and it
// is not known whether Eve's was accepted.
func (r reported) follow() {
	r.t.Helper()
	r.AwaitReady()
	r.importPeople()
	id := r.tell("ada", "bob", "eve")
	r.becomes(id, "ada", "sent")
	r.becomes(id, "bob", "sent")
	r.becomes(id, "eve", "pending awaiting_receipt")
	for _, user := range []string{"ada", "bob", "eve"} {
		refused := (*fake.RefusedError)(nil)
		if err := r.report(user, fake.ReportForged); !errors.As(err, &refused) || refused.Status != http.StatusForbidden {
			r.t.Errorf("a receipt that somebody else signed: %v", err)
		}
	}
	r.reports("eve", fake.ReportAccepted, fake.ReportAccepted)
	r.becomes(id, "eve", "sent")
	r.AwaitStatus(id, schoolbell.EventCompleted)
	if n := r.provider.Accepted(r.token(r.to["eve"])); n != 1 {
		r.t.Errorf("Eve's message was sent %d times", n)
	}
	r.becomes(id, "ada", "sent")                                                                        // nothing forged has changed it
	r.reports("ada", fake.ReportDelivered, fake.ReportAccepted, fake.ReportDelivered)                   // late, in another order, and twice
	r.reports("bob", fake.ReportAccepted, fake.ReportBounced, fake.ReportBounced, fake.ReportDelivered) // an outcome never goes back
	r.becomes(id, "ada", "sent delivered")
	r.becomes(id, "bob", "sent bounced")
	r.hasState("ada", schoolbell.AddressGood)
	r.hasState("bob", schoolbell.AddressBounced)

	id = r.tell("ada", "bob")
	r.AwaitStatus(id, schoolbell.EventCompleted)
	r.becomes(id, "ada", "sent")
	r.becomes(id, "bob", "suppressed bounced")
}

// complains lets Ada report an email as unwanted. She gets no more.
func (r reported) complains() {
	r.t.Helper()
	id := r.tell("ada")
	r.becomes(id, "ada", "sent")
	r.reports("ada", fake.ReportComplained, fake.ReportDelivered)
	r.becomes(id, "ada", "sent complained")
	r.hasState("ada", schoolbell.AddressComplained)
	id = r.tell("ada")
	r.becomes(id, "ada", "suppressed complained")
}

// stops lets Ada send STOP, and START later.
func (r reported) stops(f *fake.Twilio) {
	r.t.Helper()
	for _, step := range []struct {
		word, delivery string
		state          schoolbell.AddressState
	}{{"STOP", "suppressed stopped", schoolbell.AddressStopped}, {"START", "sent", schoolbell.AddressGood}} {
		for range 2 {
			if err := f.Inbound(r.to["ada"], "+15005550006", step.word, false); err != nil {
				r.t.Fatal(err)
			}
		}
		r.hasState("ada", step.state)
		r.becomes(r.tell("ada"), "ada", step.delivery)
	}
}

func (r reported) importPeople() {
	r.t.Helper()
	field := "email"
	if r.channel == schoolbell.ChannelSMS {
		field = "phone"
	}
	var people strings.Builder
	for user, address := range r.to {
		fmt.Fprintf(&people, `{"id":%q,"name":%q,%q:%q,"roles":["parent"]}`+"\n", user, user, field, address)
	}
	if report, err := r.Client.ImportUsers(r.t.Context(), strings.NewReader(people.String()), client.NDJSON); err != nil || report.Imported != len(r.to) {
		r.t.Fatalf("import: %+v (%v)", report, err)
	}
}

// tell creates an event for users on the channel.
func (r reported) tell(users ...string) (id string) {
	r.t.Helper()
	ev, err := r.Client.CreateEvent(r.t.Context(), wire.NewEvent{Title: "Sports day", Body: "It is on Friday.",
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Users: users}}, Channels: []schoolbell.Channel{r.channel}})
	if err != nil {
		r.t.Fatal(err)
	}
	return ev.ID
}

// becomes waits until the delivery of an event to a user has this status, and the outcome or reason after it.
func (r reported) becomes(id, user, want string) {
	r.t.Helper()
	testenv.Eventually(r.t, soon, func() error {
		page, err := r.Client.Deliveries(r.t.Context(), id, schoolbell.DeliveryFilter{}, client.Page{})
		if err != nil {
			return err
		}
		got := "missing"
		for _, d := range page.Deliveries {
			if d.UserID == user {
				got = strings.Join(strings.Fields(string(d.Status)+" "+string(d.Outcome)+" "+reasonOf(d)), " ")
			}
		}
		if got != want {
			return fmt.Errorf("it is %q", got)
		}
		return nil
	}, "the delivery to %s is %q", user, want)
}

// reasonOf is the reason of a delivery that has no outcome: with one, it is the provider's words.
func reasonOf(d wire.Delivery) string {
	if d.Outcome != "" {
		return ""
	}
	return d.Reason
}

func (r reported) report(user string, reports ...fake.Report) error {
	return r.provider.Report(r.token(r.to[user]), reports...)
}

// reports expects that receipts about the newest message to a user are taken.
func (r reported) reports(user string, reports ...fake.Report) {
	r.t.Helper()
	if err := r.report(user, reports...); err != nil {
		r.t.Fatalf("reports about %s: %v", user, err)
	}
}

func (r reported) hasState(user string, want schoolbell.AddressState) {
	r.t.Helper()
	u, err := r.Client.User(r.t.Context(), user)
	if err != nil || len(u.Addresses) != 1 || u.Addresses[0].State != want {
		r.t.Errorf("addresses of %s: %+v (%v), want state %s", user, u.Addresses, err, want)
	}
}

// The second provider sends while the first takes no email, and the first sends again afterwards.
func TestFailover(t *testing.T) {
	t.Parallel()
	ses, err := fake.NewSES(fake.SESOptions{ConfigurationSets: []string{"bell"}})
	if err != nil {
		t.Fatal(err)
	}
	play(t, ses)
	grid, err := fake.NewSendGrid(fake.SendGridOptions{})
	if err != nil {
		t.Fatal(err)
	}
	play(t, grid)
	s := system.New(t, system.Parts{Database: testenv.Postgres(t), Redis: testenv.Redis(t),
		Settings: append(append(sesSettings(ses), sendGridSettings(grid)...), "EMAIL_PROVIDER=ses", "EMAIL_FALLBACK=sendgrid", "RECEIPT_SECRET="+receiptSecret)})
	serve, worker := s.Serve(), s.Worker("one")
	r := reported{School: s, t: t, channel: schoolbell.ChannelEmail, to: emailAddresses}
	s.AwaitReady()
	r.importPeople()
	step := func(want string) {
		t.Helper()
		r.becomes(r.tell("ada"), "ada", "sent")
		if got := fmt.Sprintf("%d by SES, %d by SendGrid", len(ses.Emails()), len(grid.Emails())); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	step("1 by SES, 0 by SendGrid")
	addr := strings.TrimPrefix(ses.URL(), "http://")
	if err := ses.Close(); err != nil {
		t.Fatal(err)
	}
	step("1 by SES, 1 by SendGrid")
	again, err := fake.NewSES(fake.SESOptions{Addr: addr, ConfigurationSets: []string{"bell"}})
	if err != nil {
		t.Fatal(err)
	}
	play(t, again)
	testenv.Eventually(t, time.Minute, func() error {
		r.becomes(r.tell("ada"), "ada", "sent")
		if len(again.Emails()) == 0 {
			return fmt.Errorf("SendGrid has sent %d", len(grid.Emails()))
		}
		return nil
	}, "SES sends again")
	worker.Stop()
	serve.Stop()
}

package e2e

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/fake"
	"schoolbell/test/system"
	"schoolbell/wire"
)

const smsPeople = 40

// Numbers with which something is wrong. The others are good.
const (
	stoppedNumber  = "+15005550004" // sent STOP
	noNumber       = "+15005550001"
	lostNumber     = "+31600009001" // the reply to each message is lost
	rejectedNumber = "+31600009002" // the first message meets an error that may have sent it
)

// cutText ends with the link to the message page.
var cutText = regexp.MustCompile(`\w\.{3,4} http://127\.0\.0\.1:\d+/m/[A-Za-z0-9_-]{48}$`)

func TestSMS(t *testing.T) {
	t.Parallel()
	system.OnBothEngines(t, smsReaches)
}

// smsReaches sends an event by text message and expects what the ledger and Twilio have then.
func smsReaches(t *testing.T, parts system.Parts) {
	t.Helper()
	var mu sync.Mutex
	rejected := false
	twilio, err := fake.NewTwilio(fake.TwilioOptions{AuthToken: "planted-auth-token", Answer: func(m fake.TwilioMessage) fake.TwilioAnswer {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case m.To == lostNumber:
			return fake.TwilioAnswer{Reset: true}
		case m.To == rejectedNumber && !rejected:
			rejected = true
			return fake.TwilioAnswer{Status: 503}
		}
		return fake.TwilioAnswer{}
	}})
	if err != nil {
		t.Fatal(err)
	}
	play(t, twilio)
	mail := system.NewMail(t)
	parts.SMTP, parts.Settings = mail.Addr(), append(twilio.Settings(), "JOB_BACKOFF=100ms", "SMS_PRICE=0.075 EUR")
	s := system.New(t, parts)
	running := s.StartProcesses()
	importPhones(t, s)
	ev, err := s.Client.CreateEvent(t.Context(), wire.NewEvent{Title: "Sports day", Body: "It’s on Friday. " + strings.Repeat("Please bring water and a hat. ", 40),
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Roles: schoolbell.Roles()}}, Channels: []schoolbell.Channel{schoolbell.ChannelSMS}})
	if err != nil {
		t.Fatal(err)
	}
	done := s.AwaitStatus(ev.ID, schoolbell.EventCompleted)
	if c := done.Costs; c == nil || c.SMS == nil || *c.SMS != (wire.SMSCost{SegmentsEach: 3, Segments: 3 * smsPeople, Amount: 9, Currency: "EUR"}) {
		t.Errorf("costs %+v", c)
	}
	if text := s.Does("event", "show", ev.ID); !strings.Contains(text, "Text messages: 3 segments each, 120 in all, about 9.00 EUR") {
		t.Errorf("event show: %s", text)
	}
	got := done.Progress.Channels[schoolbell.ChannelSMS]
	if want := (schoolbell.ChannelProgress{Total: smsPeople, Sent: smsPeople - 3, Failed: 2, Uncertain: 1}); got != want {
		t.Errorf("progress %+v, want %+v", got, want)
	}
	sids := map[string]string{} // number of each message
	for _, m := range twilio.Messages() {
		if m.Segments != 3 || !strings.HasPrefix(m.Body, "Our school: Sports day - It's on Friday. Please") || !cutText.MatchString(m.Body) {
			t.Errorf("%d segments: %q", m.Segments, m.Body)
		}
		sids[m.SID] = m.To
	}
	if len(sids) != smsPeople-2 {
		t.Errorf("Twilio has %d messages, want %d", len(sids), smsPeople-2)
	}
	smsDeliveries(t, s, ev.ID, sids)
	smsAddresses(t, s)
	for _, p := range running {
		p.Stop()
		for _, private := range []string{"planted-auth-token", "+316", "+15005550004", "bring water"} {
			if strings.Contains(p.Output(), private) {
				t.Errorf("the log tells %s", private)
			}
		}
	}
}

// phone is the number of the nth person.
func phone(n int) string {
	special := []string{stoppedNumber, noNumber, lostNumber, rejectedNumber}
	if n < len(special) {
		return special[n]
	}
	return fmt.Sprintf("+3160000%04d", n)
}

func importPhones(t *testing.T, s *system.School) {
	t.Helper()
	var people strings.Builder
	for n := range smsPeople {
		fmt.Fprintf(&people, `{"id":%q,"name":"Person %d","phone":%q,"roles":["parent"]}`+"\n", system.Person(n), n, phone(n))
	}
	report, err := s.Client.ImportUsers(t.Context(), strings.NewReader(people.String()), client.NDJSON)
	if err != nil || report.Imported != smsPeople {
		t.Fatalf("import: %+v (%v)", report, err)
	}
}

// smsDeliveries checks that each delivery that was sent has the id of its own message.
func smsDeliveries(t *testing.T, s *system.School, id string, sids map[string]string) {
	t.Helper()
	page, err := s.Client.Deliveries(t.Context(), id, schoolbell.DeliveryFilter{}, client.Page{Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	for n, d := range page.Deliveries {
		number := phone(n)
		want := schoolbell.DeliverySent
		switch number {
		case stoppedNumber, noNumber:
			want = schoolbell.DeliveryFailed
		case rejectedNumber:
			want = schoolbell.DeliveryUncertain
		}
		if d.UserID != system.Person(n) || d.Status != want || want == schoolbell.DeliverySent && sids[d.ProviderID] != number {
			t.Errorf("delivery %+v of %s, want %s", d, number, want)
		}
		if strings.Contains(d.Reason, "+1500") {
			t.Errorf("the reason tells the number: %q", d.Reason)
		}
	}
}

// smsAddresses checks that numbers which cannot be reached are known as such.
func smsAddresses(t *testing.T, s *system.School) {
	t.Helper()
	for n, want := range []schoolbell.AddressState{schoolbell.AddressStopped, schoolbell.AddressBounced, schoolbell.AddressUnverified} {
		u, err := s.Client.User(t.Context(), system.Person(n))
		if err != nil || len(u.Addresses) != 1 || u.Addresses[0].State != want {
			t.Errorf("addresses of %s: %+v (%v), want state %s", phone(n), u.Addresses, err, want)
		}
	}
}

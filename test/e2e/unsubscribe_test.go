package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/mail"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
	"schoolbell/wire"
)

const publicURL = "https://bell.hill.example"

// Mail programs unsubscribe a person by one request. Who does so while an event is being sent is left out.
func TestUnsubscribe(t *testing.T) {
	t.Parallel()
	settings := []string{"PUBLIC_URL=" + publicURL, "WORKER_CONCURRENCY=1", "BATCH_SIZE=20", "OUTBOUND_ALLOW=127.0.0.1/32"}
	system.OnBothEngines(t, func(t *testing.T, parts system.Parts) {
		mail := system.NewMail(t)
		parts.SMTP, parts.Settings = mail.Addr(), settings
		s := system.New(t, parts)
		stop := s.Start()
		unsubscribes(t, s, mail)
		stop()
	})
}

func unsubscribes(t *testing.T, s *system.School, mail *system.Mail) {
	const people = 100
	s.AwaitReady()
	s.Import(people)
	receiver := system.NewReceiver(t)
	receiver.Subscribe(s, schoolbell.WebhookUserOptedOut)
	leaves := system.Person(people - 1) // the last, to whom nothing is sent for a while
	s.AwaitStatus(emails(t, s, schoolbell.CategoryUrgent, leaves), schoolbell.EventCompleted)
	if h := headersOf(t, mail); h.Get("List-Unsubscribe") != "" || h.Get("List-Unsubscribe-Post") != "" {
		t.Errorf("an urgent email has the headers %v", h)
	}
	s.AwaitStatus(emails(t, s, schoolbell.CategoryEvent, leaves), schoolbell.EventCompleted)
	link := unsubscribeLink(t, s, mail)
	if status := looks(t, link); status != http.StatusOK {
		t.Errorf("a program that looks at the link gets %d", status)
	}

	mail.HoldAfter(0)
	everybody := make([]string, people)
	for i := range everybody {
		everybody[i] = system.Person(i)
	}
	event := emails(t, s, schoolbell.CategoryEvent, everybody...)
	delivery := func() (schoolbell.DeliveryStatus, string) { return deliveryOf(t, s, event, leaves) }
	testenv.Eventually(t, time.Minute, func() bool { return mail.Held() > 0 }, "the event is being sent")
	testenv.Eventually(t, time.Minute, func() error {
		ev, err := s.Client.Event(t.Context(), event)
		must(t, err)
		if n := ev.Progress.Total; n != people {
			return fmt.Errorf("%d deliveries", n)
		}
		return nil
	}, "everybody has a delivery")
	if status, reason := delivery(); status != schoolbell.DeliveryPending {
		t.Fatalf("before the request the delivery is %s %s", status, reason)
	}
	for range 2 { // mail programs may repeat it
		if status := posts(t, link, "List-Unsubscribe=One-Click"); status != http.StatusOK {
			t.Fatalf("the request gets %d", status)
		}
	}
	mail.Release()
	s.AwaitStatus(event, schoolbell.EventCompleted)
	if status, reason := delivery(); status != schoolbell.DeliverySuppressed || reason != schoolbell.ReasonOptedOut {
		t.Errorf("after the request the delivery is %s %s", status, reason)
	}
	for _, l := range mail.Letters(event) {
		if l.User == leaves {
			t.Error("the person still got the email")
		}
	}
	if n := len(mail.Letters(event)); n != people-1 {
		t.Errorf("%d people got the email", n)
	}
	testenv.Eventually(t, time.Minute, func() bool { return len(receiver.Messages()) > 0 }, "the webhook is told")
	if m := receiver.Messages()[0]; len(m.Data.Preferences) != 1 || m.Data.Preferences[0].UserID != leaves || m.Data.Preferences[0].Category != schoolbell.CategoryEvent {
		t.Errorf("the webhook is told %+v", m)
	}
	if status := posts(t, link, "undo=instant"); status != http.StatusOK {
		t.Errorf("Undo gets %d", status)
	}
	again := emails(t, s, schoolbell.CategoryEvent, leaves)
	s.AwaitStatus(again, schoolbell.EventCompleted)
	if n := len(mail.Letters(again)); n != 1 {
		t.Errorf("after Undo the person got %d emails", n)
	}
	entries, err := s.Client.Audit(t.Context(), schoolbell.AuditFilter{Actor: schoolbell.Actor{Kind: schoolbell.ActorUser, ID: leaves}}, client.Page{})
	must(t, err)
	if len(entries.Items) != 2 {
		t.Errorf("the audit has %+v", entries.Items)
	}
}

// emails sends an event by email and returns its id.
func emails(t *testing.T, s *system.School, category schoolbell.Category, people ...string) string {
	t.Helper()
	ev, err := s.Client.CreateEvent(t.Context(), wire.NewEvent{Title: "Trip to Kew", Body: "Bring boots.", Category: category, Channels: []schoolbell.Channel{schoolbell.ChannelEmail},
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Users: people}}})
	must(t, err)
	return ev.ID
}

func headersOf(t *testing.T, m *system.Mail) mail.Header {
	t.Helper()
	msg, err := mail.ReadMessage(bytes.NewReader(m.NewestRaw()))
	must(t, err)
	return msg.Header
}

// unsubscribeLink returns the link in the headers of the newest email, on the server itself.
func unsubscribeLink(t *testing.T, s *system.School, m *system.Mail) string {
	t.Helper()
	h := headersOf(t, m)
	link := strings.Trim(h.Get("List-Unsubscribe"), "<>")
	token, ok := strings.CutPrefix(link, publicURL+"/unsubscribe/")
	if !ok || h.Get("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click" {
		t.Fatalf("the headers are %v", h)
	}
	text := m.Newest()
	if !strings.Contains(text, "Stop emails like this: "+link+"\n") || strings.Count(text, publicURL+"/preferences/") != 2 {
		t.Errorf("the email has other links than %s:\n%s", link, text)
	}
	return s.URL + "/unsubscribe/" + token
}

// looks requests a link as programs do that check links for malware.
func looks(t *testing.T, link string) (status int) {
	t.Helper()
	for _, method := range []string{http.MethodHead, http.MethodGet} {
		req, err := http.NewRequestWithContext(t.Context(), method, link, nil)
		must(t, err)
		resp, err := http.DefaultClient.Do(req)
		must(t, err)
		must(t, resp.Body.Close())
		status = resp.StatusCode
	}
	return status
}

// posts sends a form as a mail program does: without cookies, and it follows no redirect.
func posts(t *testing.T, link, form string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, link, strings.NewReader(form))
	must(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	plain := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := plain.Do(req)
	must(t, err)
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	must(t, err)
	return resp.StatusCode
}

func deliveryOf(t *testing.T, s *system.School, event, user string) (schoolbell.DeliveryStatus, string) {
	t.Helper()
	for page := (client.Page{Limit: 500}); ; {
		deliveries, err := s.Client.Deliveries(t.Context(), event, schoolbell.DeliveryFilter{Channel: schoolbell.ChannelEmail}, page)
		must(t, err)
		for _, d := range deliveries.Deliveries {
			if d.UserID == user {
				return d.Status, d.Reason
			}
		}
		if page.Cursor = deliveries.Next; page.Cursor == "" {
			t.Fatalf("no delivery of %s to %s", event, user)
		}
	}
}

package e2e

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
	"schoolbell/wire"
)

// visit requests a page without a key, as a browser does that disables JavaScript.
func visit(t *testing.T, method, link string, form url.Values) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, link, strings.NewReader(form.Encode()))
	must(t, err)
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp.StatusCode, string(text)
}

// linkIn returns the link of the message page in an email.
func linkIn(t *testing.T, s *system.School, email string) string {
	t.Helper()
	links := regexp.MustCompile(regexp.QuoteMeta(s.URL)+`/m/[A-Za-z0-9_-]{48}\b`).FindAllString(email, -1)
	if len(links) != 2 || links[0] != links[1] || !strings.Contains(email, "Open message: "+links[0]+"\n") {
		t.Fatalf("the email has the links %q, want the same in text and HTML:\n%s", links, email)
	}
	return links[0]
}

// inLondon sets the time zone of the school.
func inLondon(t *testing.T, s *system.School) {
	t.Helper()
	settings, err := s.Client.Settings(t.Context())
	must(t, err)
	settings.Timezone = "Europe/London"
	_, err = s.Client.PutSettings(t.Context(), settings)
	must(t, err)
}

// The link in an email leads to the message, whichever process sent it, and a click there is the outcome.
func TestMessagePage(t *testing.T) {
	t.Parallel()
	t.Run("in one process", func(t *testing.T) {
		t.Parallel()
		mail := system.NewMail(t)
		s := system.New(t, system.Parts{SMTP: mail.Addr()})
		serve := s.Serve()
		testMessagePage(t, s, mail, func() *system.Process { serve.Stop(); return s.Serve() })
	})
	t.Run("with workers of their own", func(t *testing.T) {
		t.Parallel()
		mail := system.NewMail(t)
		s := system.New(t, system.Parts{Database: testenv.Postgres(t), Redis: testenv.Redis(t), SMTP: mail.Addr()})
		serve, worker := s.Serve(), s.Worker("one")
		testMessagePage(t, s, mail, func() *system.Process { serve.Stop(); return s.Serve() })
		worker.Stop()
	})
}

func testMessagePage(t *testing.T, s *system.School, mail *system.Mail, restart func() *system.Process) {
	s.AwaitReady()
	s.Import(1)
	inLondon(t, s)
	created, err := s.Client.CreateEvent(t.Context(), wire.NewEvent{Title: "Trip to Kew", Body: "Bring boots.", Category: schoolbell.CategoryEvent, Location: "Main gate",
		StartsAt: wire.At(time.Date(2031, 7, 4, 8, 30, 0, 0, time.UTC)), Audience: schoolbell.Audience{Selector: schoolbell.Selector{Roles: schoolbell.Roles()}}})
	must(t, err)
	s.AwaitStatus(created.ID, schoolbell.EventCompleted)
	link := linkIn(t, s, mail.Newest())

	serve := restart()
	s.AwaitReady()
	status, page := visit(t, "GET", link, nil)
	for _, want := range []string{"Trip to Kew", "Bring boots.", "Main gate", "Friday, 4 July 2031", ">09:30<", "Europe/London", "I have read this"} {
		if status != 200 || !strings.Contains(page, want) {
			t.Errorf("%d, no %q in\n%s", status, want, page)
		}
	}
	outcomes := func() (got []schoolbell.Outcome) {
		t.Helper()
		deliveries, err := s.Client.Deliveries(t.Context(), created.ID, schoolbell.DeliveryFilter{}, client.Page{})
		must(t, err)
		for _, d := range deliveries.Deliveries {
			got = append(got, d.Outcome)
		}
		return got
	}
	if got := outcomes(); len(got) != 2 || got[0] != "" || got[1] != "" {
		t.Errorf("before the click the outcomes are %q", got)
	}
	if status, page := visit(t, "POST", link, url.Values{"mark": {"acknowledged"}}); status != 200 || !strings.Contains(page, "You have confirmed this message") {
		t.Errorf("after the click: %d\n%s", status, page)
	}
	if got := outcomes(); len(got) != 2 || got[0] != schoolbell.OutcomeAcknowledged || got[1] != schoolbell.OutcomeAcknowledged {
		t.Errorf("after the click the outcomes are %q", got)
	}
	must(t, s.Client.DeleteUser(t.Context(), system.Person(0)))
	if status, page := visit(t, "GET", link, nil); status != 410 || strings.Contains(page, "Kew") {
		t.Errorf("after the person was erased: %d\n%s", status, page)
	}
	serve.Stop()
}

// With MESSAGE_URL, links lead to the school's own application.
func TestMessageURL(t *testing.T) {
	t.Parallel()
	mail := system.NewMail(t)
	s := system.New(t, system.Parts{SMTP: mail.Addr(), Settings: []string{"MESSAGE_URL=https://app.example/messages/{event}?for={user}"}})
	serve := s.Serve()
	s.AwaitReady()
	s.Import(1)
	event := s.Create().ID
	s.AwaitStatus(event, schoolbell.EventCompleted)
	if email, want := mail.Newest(), "https://app.example/messages/"+event+"?for="+system.Person(0); strings.Count(email, want) != 2 {
		t.Errorf("no link %s in\n%s", want, email)
	}
	serve.Stop()
}

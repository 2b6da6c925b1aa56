package api_test

import (
	"context"
	"errors"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/api"
	"schoolbell/internal/auth"
	"schoolbell/internal/ledger"
	"schoolbell/wire"
)

// link returns the path of the message page of an event for a user.
func (s *server) link(eventID, user string) string {
	s.t.Helper()
	refs, err := s.ledger.Inboxes.UserRefs(s.t.Context(), []string{user})
	must(s.t, err)
	token, ok := s.links.Token(auth.MessageLink{EventID: eventID, User: refs[user].Number})
	if !ok {
		s.t.Fatalf("event %s has no link for %s", eventID, user)
	}
	return "/m/" + token
}

// visit opens a page as a browser does, without a key.
func (s *server) visit(path string, header ...string) answer {
	s.t.Helper()
	return s.raw("GET", path, "", append(header, "Authorization", "")...)
}

// press presses the button of a page and returns where it leads.
func (s *server) press(path, mark string) answer {
	s.t.Helper()
	return s.raw("POST", path, url.Values{"mark": {mark}}.Encode(), "Authorization", "", "Content-Type", "application/x-www-form-urlencoded")
}

// reachedBy creates an event and sends it to the users in-app and by email.
func (s *server) reachedBy(ev wire.NewEvent, users ...string) *wire.Event {
	s.t.Helper()
	ev.Audience = schoolbell.Audience{Selector: schoolbell.Selector{Users: users}}
	created, err := s.CreateEvent(s.t.Context(), ev)
	must(s.t, err)
	lease, err := s.ledger.Leases.OpenLease(s.t.Context(), "test", time.Hour)
	must(s.t, err)
	for done := false; !done; {
		step, err := s.ledger.FanOuts.FanOut(s.t.Context(), ledger.WaveRef{EventID: created.ID}, 1000, 100)
		must(s.t, err)
		for _, b := range step.Batches {
			s.deliver(lease, b)
		}
		done = step.Done
	}
	return created
}

// deliver sends the messages of a batch.
func (s *server) deliver(lease ledger.Lease, b ledger.Batch) {
	s.t.Helper()
	grants, err := s.ledger.Deliveries.Advance(s.t.Context(), []ledger.Step{{Lease: lease, Batch: b, Claim: 100}})
	must(s.t, err)
	var attempts []ledger.Attempt
	for _, r := range grants[0].Recipients {
		attempts = append(attempts, ledger.Attempt{Seq: r.Seq, Status: schoolbell.DeliverySent})
	}
	_, err = s.ledger.Deliveries.Advance(s.t.Context(), []ledger.Step{{Lease: lease, Batch: b, Attempts: attempts}})
	must(s.t, err)
}

// outcomes are those of the deliveries to a user, by channel.
func (s *server) outcomes(eventID, user string) map[schoolbell.Channel]schoolbell.Outcome {
	s.t.Helper()
	page, err := s.Deliveries(s.t.Context(), eventID, schoolbell.DeliveryFilter{}, client.Page{})
	must(s.t, err)
	got := map[schoolbell.Channel]schoolbell.Outcome{}
	for _, d := range page.Deliveries {
		if d.UserID == user {
			got[d.Channel] = d.Outcome
		}
	}
	return got
}

func trip() wire.NewEvent {
	return wire.NewEvent{Title: "Trip to <Kew> & back", Body: "Bring boots.\n\nSee https://kew.example/?a=1&b=2 for more.", Category: schoolbell.CategoryEvent,
		Location: "Main gate", StartsAt: wire.At(time.Date(2031, 7, 4, 8, 30, 0, 0, time.UTC)), EndsAt: wire.At(time.Date(2031, 7, 4, 15, 0, 0, 0, time.UTC))}
}

func TestMessagePage(t *testing.T) {
	t.Parallel()
	t.Run("it shows the message and changes nothing", testMessagePageShows)
	t.Run("its button confirms every message of the event", testMessagePageMarks)
	t.Run("announcements are marked as read", testMessagePageRead)
	t.Run("links that do not work reveal nothing", testMessagePageBadLinks)
	t.Run("a cancelled event says so", testMessagePageCancelled)
	t.Run("it speaks the reader's language", testMessagePageLanguage)
	t.Run("its token is in no log and no metric", testMessagePageLogs)
	t.Run("it may be unavailable for a while", testMessagePageUnavailable)
	t.Run("a click is in the audit", testMessagePageAudit)
}

func testMessagePageShows(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.setSchool(func(v *wire.Settings) { v.Name, v.Timezone = "Hill School", "Europe/London" })
	s.user("u1")
	ev := s.reachedBy(trip(), "u1")
	path := s.link(ev.ID, "u1")
	if len(path) > len("/m/")+60 {
		t.Errorf("the path %s is too long for a text message", path)
	}
	for range 2 {
		a := s.visit(path)
		for _, want := range []string{"<h1 lang=\"en\" dir=\"auto\">Trip to &lt;Kew&gt; &amp; back</h1>", "<title>Trip to &lt;Kew&gt; &amp; back · Hill School</title>", ">Bring boots.</p>",
			`<a href="https://kew.example/?a=1&amp;b=2" rel="noreferrer">`, "Friday, 4 July 2031", ">09:30<", ">16:00<", "Europe/London", ">Main gate<", "I have read this"} {
			if a.StatusCode != 200 || !strings.Contains(a.body, want) {
				t.Errorf("%d, no %q in\n%s", a.StatusCode, want, a.body)
			}
		}
		for name, want := range map[string]string{"Content-Type": "text/html; charset=utf-8", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
			"X-Robots-Tag": "noindex", "X-Content-Type-Options": "nosniff", "Content-Language": "en",
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		if found := regexp.MustCompile(`(?i)<script|<style|\sstyle=|\son[a-z]+=|(src|action)=`).FindString(a.body); found != "" {
			t.Errorf("the page has %q", found)
		}
	}
	for channel, outcome := range s.outcomes(ev.ID, "u1") {
		if outcome != "" {
			t.Errorf("opening the page made the outcome of %s %s", channel, outcome)
		}
	}
	sheet := regexp.MustCompile(`href="\.\./(static/schoolbell\.[0-9a-f]+\.css)"`).FindStringSubmatch(s.visit(path).body)
	if sheet == nil {
		t.Fatal("the page has no stylesheet")
	}
	a := s.visit("/" + sheet[1])
	if a.StatusCode != 200 || !strings.Contains(a.body, ".fam-main") || !strings.Contains(a.body, "--paper:") || a.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" {
		t.Errorf("the stylesheet: %d %v", a.StatusCode, a.Header)
	}
	if a := s.visit("/static/schoolbell.css"); a.StatusCode != 404 || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("a name without a hash: %d %v", a.StatusCode, a.Header)
	}
}

// setSchool changes the settings of the school.
func (s *server) setSchool(change func(*wire.Settings)) {
	s.t.Helper()
	now, err := s.Settings(s.t.Context())
	must(s.t, err)
	change(now)
	_, err = s.PutSettings(s.t.Context(), now)
	must(s.t, err)
}

func testMessagePageMarks(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	s.user("u2")
	both, mailed := s.reachedBy(trip(), "u1", "u2"), trip()
	mailed.Channels = []schoolbell.Channel{schoolbell.ChannelEmail}
	only := s.reachedBy(mailed, "u1")
	for _, ev := range []*wire.Event{both, only} {
		path := s.link(ev.ID, "u1")
		for range 2 {
			a := s.press(path, "acknowledged")
			if a.StatusCode != 303 || "/m/"+a.Header.Get("Location") != path || a.Header.Get("Cache-Control") != "no-store" {
				t.Fatalf("the button: %d %v %s", a.StatusCode, a.Header, a.body)
			}
		}
		for channel, outcome := range s.outcomes(ev.ID, "u1") {
			if outcome != schoolbell.OutcomeAcknowledged {
				t.Errorf("%s: outcome %q", channel, outcome)
			}
		}
		if a := s.visit(path); !strings.Contains(a.body, "You have confirmed this message") || strings.Contains(a.body, "<button") {
			t.Errorf("afterwards the page is\n%s", a.body)
		}
	}
	page, err := s.Inbox(t.Context(), "u1", client.Page{})
	must(t, err)
	if page.Unread != 0 || len(page.Items) != 1 || page.Items[0].AckedAt.IsZero() {
		t.Errorf("the inbox is %+v", page)
	}
	if got := s.outcomes(both.ID, "u2"); got[schoolbell.ChannelInApp] != "" || got[schoolbell.ChannelEmail] != "" {
		t.Errorf("the other recipient: %v", got)
	}
}

func testMessagePageRead(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	ev := s.reachedBy(wire.NewEvent{Title: "Term dates", Body: "See the calendar."}, "u1")
	path := s.link(ev.ID, "u1")
	if a := s.visit(path); !strings.Contains(a.body, `value="read">Mark as read</button>`) {
		t.Errorf("the page is\n%s", a.body)
	}
	for _, mark := range []string{"", "delivered", "complained", "Read"} {
		if a := s.press(path, mark); a.StatusCode != 400 {
			t.Errorf("%q: %d", mark, a.StatusCode)
		}
	}
	s.press(path, "read")
	if got := s.outcomes(ev.ID, "u1"); got[schoolbell.ChannelInApp] != schoolbell.OutcomeRead || got[schoolbell.ChannelEmail] != schoolbell.OutcomeRead {
		t.Errorf("outcomes %v", got)
	}
	if a := s.visit(path); !strings.Contains(a.body, "You have marked this message as read") || strings.Contains(a.body, "<button") {
		t.Errorf("afterwards the page is\n%s", a.body)
	}
}

func testMessagePageBadLinks(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	s.user("gone")
	ev := s.reachedBy(trip(), "u1", "gone")
	good, erased := s.link(ev.ID, "u1"), s.link(ev.ID, "gone")
	removed := s.link(uuid.NewString(), "u1")
	must(t, s.DeleteUser(t.Context(), "gone"))
	s.user("gone") // somebody else with the same id
	check := func(name, path string, want int) {
		t.Helper()
		for _, a := range []answer{s.visit(path), s.press(path, "read")} {
			if a.StatusCode != want || strings.Contains(a.body, "Kew") || strings.Contains(a.body, "<button") || a.Header.Get("X-Robots-Tag") != "noindex" {
				t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
			}
		}
	}
	check("a forged token", good[:10]+map[bool]string{true: "B", false: "A"}[good[10] == 'A']+good[11:], 404)
	check("no token at all", "/m/x", 404)
	check("a person who was erased", erased, 410)
	check("an event that was removed", removed, 410)
	s.later(auth.LinkTTL + 25*time.Hour)
	check("an expired token", good, 410)
	if got := s.outcomes(ev.ID, "u1"); got[schoolbell.ChannelEmail] != "" {
		t.Errorf("outcomes %v", got)
	}
}

func testMessagePageCancelled(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	ev := s.reachedBy(trip(), "u1")
	_, err := s.CancelEvent(t.Context(), ev.ID)
	must(t, err)
	if a := s.visit(s.link(ev.ID, "u1")); a.StatusCode != 200 || !strings.Contains(a.body, "The school has cancelled this message.") || strings.Contains(a.body, "<button") {
		t.Errorf("%d\n%s", a.StatusCode, a.body)
	}
}

func testMessagePageLanguage(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	_, _, err := s.PutUser(t.Context(), schoolbell.User{ID: "ar", Name: "A", Email: "a@example.org", Locale: "ar-EG", Timezone: "Asia/Tokyo", Roles: []schoolbell.Role{schoolbell.RoleParent}})
	must(t, err)
	ev := s.reachedBy(trip(), "u1", "ar")
	for header, want := range map[string]string{"": "I have read this", "de-AT, en;q=0.5": "Freitag, 4. Juli 2031", "xx, es;q=0.4, de;q=0.1": "Lo he leído", "fr-CA": "J’ai lu ce message"} {
		if a := s.visit(s.link(ev.ID, "u1"), "Accept-Language", header); !strings.Contains(a.body, want) {
			t.Errorf("%q: no %q in\n%s", header, want, a.body)
		}
	}
	a := s.visit(s.link(ev.ID, "ar"), "Accept-Language", "de")
	for _, want := range []string{`<html lang="ar" dir="rtl">`, "لقد قرأت هذا", `<h1 lang="en" dir="auto">`, ">17:30<", "Asia/Tokyo", "5 يوليو"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("no %q in\n%s", want, a.body)
		}
	}
	if a := s.visit("/m/x", "Accept-Language", "de"); !strings.Contains(a.body, "Dieser Link funktioniert nicht") {
		t.Errorf("a bad link: %s", a.body)
	}
}

func testMessagePageLogs(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *api.Config) { c.Messages = &unsteady{Messages: c.Messages, err: errors.New("broken")} })
	s.user("u1")
	ev := s.reachedBy(trip(), "u1")
	path := s.link(ev.ID, "u1")
	token := strings.TrimPrefix(path, "/m/")
	s.visit(path)
	s.press(path, "read")
	for _, other := range []string{path + "/", "//m/" + token, "/x" + path, path + "?" + "a=%zz", "/%6d/" + token} {
		s.visit(other)
	}
	s.raw("PUT", path, "{}")
	log, metrics := s.log.String(), s.raw("GET", "/metrics", "").body
	if strings.Contains(log, token) || strings.Contains(metrics, token) {
		t.Errorf("the token is in the log or the metrics:\n%s", log)
	}
	if !strings.Contains(log, "path=/m/…") || !strings.Contains(log, "request failed") || !strings.Contains(metrics, `route="POST /m/{token}"`) {
		t.Errorf("the requests are not in the log and the metrics:\n%s", log)
	}
}

// unsteady fails with err.
type unsteady struct {
	api.Messages
	err error
}

func (u *unsteady) Message(context.Context, string, int64) (ledger.PersonalMessage, error) {
	return ledger.PersonalMessage{}, u.err
}

func testMessagePageUnavailable(t *testing.T) {
	t.Parallel()
	down := &schoolbell.Error{Code: schoolbell.CodeUnavailable, Message: "the ledger is unavailable", Err: errors.New(secretText)}
	for status, err := range map[int]error{503: down, 500: errors.New(secretText)} {
		s := newServer(t, func(c *api.Config) { c.Messages = &unsteady{Messages: c.Messages, err: err} })
		s.user("u1")
		a := s.visit(s.link(s.reachedBy(trip(), "u1").ID, "u1"))
		if a.StatusCode != status || !strings.Contains(a.body, "This page cannot be shown now") || strings.Contains(a.body, "hunter2") {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		if retry := a.Header.Get("Retry-After"); (status == 503) != (retry != "") {
			t.Errorf("%d: Retry-After %q", status, retry)
		}
	}
}

func testMessagePageAudit(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	ev := s.reachedBy(trip(), "u1")
	for range 2 { // the second click changes nothing
		s.press(s.link(ev.ID, "u1"), "acknowledged")
	}
	page, err := s.Audit(t.Context(), schoolbell.AuditFilter{Actor: schoolbell.Actor{Kind: schoolbell.ActorUser, ID: "u1"}}, client.Page{})
	must(t, err)
	if len(page.Items) != 1 || page.Items[0].Action != "inbox.acknowledge" || page.Items[0].Target.ID != "u1" || page.Items[0].Changes["event"] != ev.ID || page.Items[0].Address == "" {
		t.Errorf("the audit has %+v", page.Items)
	}
}

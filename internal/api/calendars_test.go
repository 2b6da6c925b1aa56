package api_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/api"
	"schoolbell/internal/auth"
	"schoolbell/internal/ledger"
	"schoolbell/wire"
)

const feedOrigin = "https://bell.school.example"

func TestCalendars(t *testing.T) {
	t.Parallel()
	t.Run("a feed has the dated events of the inbox", testCalendarEvents)
	t.Run("an update and a cancellation raise the sequence", testCalendarChanges)
	t.Run("texts are in the language of the person and name nobody", testCalendarTexts)
	t.Run("programs ask whether something changed", testCalendarConditional)
	t.Run("a feed is created once and revoked at once", testCalendarLife)
	t.Run("links that do not work say nothing", testCalendarBadLinks)
	t.Run("the token is in no log and no metric", testCalendarLogs)
	t.Run("requests are limited by feed", testCalendarRate)
	t.Run("an unavailable ledger is told with 503", testCalendarUnavailable)
}

// subscribe returns the path of the feed of a user.
func (s *server) subscribe(user string) string {
	s.t.Helper()
	feed, err := s.CreateCalendar(s.t.Context(), user)
	must(s.t, err)
	path, ok := strings.CutPrefix(feed.URL, feedOrigin)
	if !ok || !strings.HasPrefix(path, "/calendar/") || !strings.HasSuffix(path, ".ics") {
		s.t.Fatalf("the feed is at %s", feed.URL)
	}
	return path
}

// happens creates an event for users and fans it out.
func (s *server) happens(ev wire.NewEvent, users ...string) *wire.Event {
	s.t.Helper()
	ev.Audience = schoolbell.Audience{Selector: schoolbell.Selector{Users: users}}
	if ev.Channels == nil {
		ev.Channels = []schoolbell.Channel{schoolbell.ChannelInApp}
	}
	ev.Body = "Body"
	made, err := s.CreateEvent(s.t.Context(), ev)
	must(s.t, err)
	s.fanOut(made.ID)
	return made
}

// feedLines are the lines of a feed without folds.
func (s *server) feedLines(path string) []string {
	s.t.Helper()
	a := s.visit(path)
	if a.StatusCode != 200 || a.Header.Get("Content-Type") != "text/calendar; charset=utf-8" || a.Header.Get("Cache-Control") != "private, no-cache" {
		s.t.Fatalf("%d %v\n%s", a.StatusCode, a.Header, a.body)
	}
	return strings.Split(strings.ReplaceAll(a.body, "\r\n ", ""), "\r\n")
}

// valuesOf are the values of a property, in order.
func valuesOf(lines []string, property string) (values []string) {
	for _, l := range lines {
		if name, value, _ := strings.Cut(l, ":"); name == property {
			values = append(values, value)
		}
	}
	return values
}

func (s *server) wantFeed(when, path, property string, want ...string) {
	s.t.Helper()
	if got := valuesOf(s.feedLines(path), property); strings.Join(got, ", ") != strings.Join(want, ", ") {
		s.t.Errorf("%s %s is %q, want %q", when, property, got, want)
	}
}

func testCalendarEvents(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.setSchool(func(v *wire.Settings) { v.Name = "Hill School" })
	s.user("u1")
	s.user("u2")
	day := func(n int) wire.Time { return wire.At(time.Now().AddDate(0, 0, n)) }
	s.happens(wire.NewEvent{Title: "In a month", StartsAt: day(30)}, "u1", "u2")
	s.happens(wire.NewEvent{Title: "Without a time"}, "u1")
	s.happens(wire.NewEvent{Title: "Long ago", StartsAt: day(-91)}, "u1")
	s.happens(wire.NewEvent{Title: "Last month", StartsAt: day(-89), EndsAt: day(-88)}, "u1")
	s.happens(wire.NewEvent{Title: "Of another", StartsAt: day(1)}, "u2")
	_, err := s.CreateEvent(t.Context(), wire.NewEvent{Title: "Not sent yet", Body: "B", StartsAt: day(2), SendAt: day(1),
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{"u1"}}}})
	must(t, err)
	path := s.subscribe("u1")
	s.wantFeed("in the feed", path, "SUMMARY", "Last month", "In a month")
	s.wantFeed("in the feed", path, "X-WR-CALNAME", "Hill School")
	s.wantFeed("in the feed", path, "REFRESH-INTERVAL;VALUE=DURATION", "PT60M")
	s.wantFeed("in the feed of another", s.subscribe("u2"), "SUMMARY", "Of another", "In a month")
	if text := strings.Join(s.feedLines(path), "\n"); strings.Contains(text, "METHOD") || strings.Contains(text, "u1@") || strings.Contains(text, "User u1") {
		t.Errorf("the feed is\n%s", text)
	}
}

func testCalendarChanges(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	start := wire.At(time.Now().AddDate(0, 0, 7))
	told, silent := s.happens(wire.NewEvent{Title: "Trip", StartsAt: start}, "u1"), s.happens(wire.NewEvent{Title: "Walk", StartsAt: start}, "u1")
	path := s.subscribe("u1")
	uid := valuesOf(s.feedLines(path), "UID")
	s.wantFeed("before", path, "SEQUENCE", "0", "0")
	title := "Trip to the sea"
	_, err := s.UpdateEvent(t.Context(), told.ID, wire.EventChange{Title: &title})
	must(t, err)
	s.wantFeed("after an update", path, "SEQUENCE", "0", "1")
	s.wantFeed("after an update", path, "SUMMARY", "Walk", "Trip to the sea")
	_, err = s.CancelEvent(t.Context(), silent.ID)
	must(t, err)
	s.wantFeed("after a cancellation", path, "STATUS", "CANCELLED", "CONFIRMED")
	s.wantFeed("after a cancellation", path, "SEQUENCE", "1", "1")
	_, err = s.RetractEvent(t.Context(), told.ID)
	must(t, err)
	s.wantFeed("after a cancellation that is told", path, "STATUS", "CANCELLED", "CANCELLED")
	s.wantFeed("at the end", path, "SEQUENCE", "1", "3")
	s.wantFeed("at the end", path, "UID", uid...)
}

func testCalendarTexts(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for id, locale := range map[string]string{"mum": "es-MX", "dad": ""} {
		student := id + "s-child"
		_, _, err := s.PutUser(t.Context(), schoolbell.User{ID: student, Name: "Child of " + id, Roles: []schoolbell.Role{schoolbell.RoleStudent}})
		must(t, err)
		_, _, err = s.PutUser(t.Context(), schoolbell.User{ID: id, Name: id, Locale: locale, Roles: []schoolbell.Role{schoolbell.RoleParent}, GuardianOf: []string{student}})
		must(t, err)
	}
	long := strings.Repeat("ß, ", 3_000)
	ev, err := s.CreateEvent(t.Context(), wire.NewEvent{Title: "Talk about {{students}}", Body: long, StartsAt: wire.At(time.Now()), Channels: []schoolbell.Channel{schoolbell.ChannelInApp},
		Audience: schoolbell.Audience{GuardiansOf: &schoolbell.Selector{Users: []string{"mums-child", "dads-child"}}}, ForEach: schoolbell.ForEachStudent,
		Texts: map[string]schoolbell.EventText{"es": {Title: "Charla sobre {{data.room|la clase}}", Body: "Hola.\n\nAdiós."}}})
	must(t, err)
	s.fanOut(ev.ID)
	mum, dad := s.subscribe("mum"), s.subscribe("dad")
	s.wantFeed("for mum", mum, "SUMMARY", "Charla sobre la clase")
	s.wantFeed("for mum", mum, "DESCRIPTION", `Hola.\n\nAdiós.`)
	s.wantFeed("for dad", dad, "SUMMARY", "Talk about")
	if text := valuesOf(s.feedLines(dad), "DESCRIPTION")[0]; !strings.HasSuffix(text, "…") || utf8.RuneCountInString(strings.ReplaceAll(text, `\`, "")) > 2_000 {
		t.Errorf("the text of %d characters ends in %q", utf8.RuneCountInString(text), text[len(text)-20:])
	}
}

func testCalendarConditional(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	s.happens(wire.NewEvent{Title: "Trip", StartsAt: wire.At(time.Now())}, "u1")
	path := s.subscribe("u1")
	first := s.visit(path)
	tag := first.Header.Get("ETag")
	head := s.raw("HEAD", path, "", "Authorization", "")
	if head.StatusCode != 200 || head.body != "" || head.Header.Get("ETag") != tag || head.ContentLength != int64(len(first.body)) || tag == "" {
		t.Errorf("HEAD: %d %v", head.StatusCode, head.Header)
	}
	for _, sent := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
		if a := s.raw("GET", path, "", "Authorization", "", "If-None-Match", sent); a.StatusCode != http.StatusNotModified || a.body != "" || a.Header.Get("ETag") != tag {
			t.Errorf("%s: %d %v", sent, a.StatusCode, a.Header)
		}
	}
	s.happens(wire.NewEvent{Title: "Walk", StartsAt: wire.At(time.Now())}, "u1")
	if a := s.raw("GET", path, "", "Authorization", "", "If-None-Match", tag); a.StatusCode != 200 || a.Header.Get("ETag") == tag {
		t.Errorf("after another event: %d %v", a.StatusCode, a.Header)
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH"} {
		if a := s.raw(method, path, "", "Authorization", ""); a.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, a.StatusCode)
		}
	}
}

func testCalendarLife(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	s.user("u2")
	if got := s.exported("u1"); got.Calendar {
		t.Error("the export has a feed")
	}
	token := s.token("u1")
	own := s.as(token)
	made := s.raw("POST", "/v1/users/u1/calendar", "")
	again := s.raw("POST", "/v1/users/u1/calendar", "")
	if made.StatusCode != 201 || again.StatusCode != 200 || made.body != again.body {
		t.Errorf("%d %s, then %d %s", made.StatusCode, made.body, again.StatusCode, again.body)
	}
	feed, err := own.CreateCalendar(t.Context(), "u1")
	must(t, err)
	if a := s.raw("POST", "/v1/users/u2/calendar", "", "Authorization", "Bearer "+token); a.StatusCode != 403 {
		t.Errorf("the feed of another: %d", a.StatusCode)
	}
	path, text := strings.TrimPrefix(feed.URL, feedOrigin), s.exported("u1")
	if !text.Calendar {
		t.Error("the export has no feed")
	}
	s.feedLines(path)
	must(t, s.RevokeTokens(t.Context(), "u1"))
	s.feedLines(path) // is no token
	must(t, s.RevokeCalendar(t.Context(), "u1"))
	must(t, s.RevokeCalendar(t.Context(), "u1"))
	if a := s.visit(path); a.StatusCode != 404 {
		t.Errorf("after the end: %d", a.StatusCode)
	}
	next := s.subscribe("u1")
	if next == path {
		t.Error("the next feed has the same link")
	}
	must(t, s.DeleteUser(t.Context(), "u1"))
	s.user("u1") // somebody else with the same id
	if a := s.visit(next); a.StatusCode != 404 {
		t.Errorf("after the user was erased: %d", a.StatusCode)
	}
	page, err := s.Audit(t.Context(), schoolbell.AuditFilter{Target: schoolbell.Target{Kind: "user", ID: "u1"}}, client.Page{})
	must(t, err)
	var actions []string
	for _, e := range page.Items {
		if strings.HasSuffix(e.Action, "_calendar") {
			actions = append(actions, e.Action)
		}
	}
	want := "user.create_calendar user.revoke_calendar user.revoke_calendar user.create_calendar user.create_calendar user.create_calendar"
	if got := strings.Join(actions, " "); got != want {
		t.Errorf("the audit has %s", got)
	}
}

func testCalendarBadLinks(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	s.user("gone")
	good, gone, revoked := s.subscribe("u1"), s.subscribe("gone"), ""
	must(t, s.DeleteUser(t.Context(), "gone"))
	s.user("u2")
	revoked = s.subscribe("u2")
	must(t, s.RevokeCalendar(t.Context(), "u2"))
	token := strings.TrimSuffix(strings.TrimPrefix(good, "/calendar/"), ".ics")
	never, ok := s.links.CalendarToken(ledger.CalendarFeed{User: 1 << 40, ID: 7})
	page := strings.TrimPrefix(s.leave("u1", "event", "email"), "/unsubscribe/")
	if !ok {
		t.Fatal("no token")
	}
	var first string
	for name, path := range map[string]string{
		"a forged token": "/calendar/" + token[:9] + map[bool]string{true: "B", false: "A"}[token[9] == 'A'] + token[10:] + ".ics",
		"no ending":      "/calendar/" + token, "no token": "/calendar/.ics", "another ending": "/calendar/" + token + ".ICS", "too long": "/calendar/" + strings.Repeat("A", 5_000) + ".ics",
		"a token of another kind": "/calendar/" + page + ".ics", "a user that there is not": "/calendar/" + never + ".ics",
		"an erased user": gone, "a revoked feed": revoked,
	} {
		a := s.visit(path)
		if first == "" {
			first = a.body
		}
		if a.StatusCode != 404 || a.body != first || a.Header.Get("ETag") != "" || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v %s", name, a.StatusCode, a.Header, a.body)
		}
	}
	s.later(auth.ChoiceLinkTTL * 10)
	s.feedLines(good) // links of feeds do not expire
}

func testCalendarLogs(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	path := s.subscribe("u1")
	token := strings.TrimSuffix(strings.TrimPrefix(path, "/calendar/"), ".ics")
	s.visit(path)
	for _, other := range []string{path + "/", "//calendar/" + token, "/x" + path, path + "?a=%zz", "/%63alendar/" + token + ".ics"} {
		s.visit(other)
	}
	log, metrics, entries := s.log.String(), s.raw("GET", "/metrics", "").body, s.raw("GET", "/v1/audit", "").body
	if strings.Contains(log, token) || strings.Contains(metrics, token) || strings.Contains(entries, token) {
		t.Errorf("the token is in the log, the metrics or the audit:\n%s", log)
	}
	if !strings.Contains(log, "path=/calendar/…") || !strings.Contains(metrics, `route="GET /calendar/{file}"`) {
		t.Errorf("the requests are not in the log and the metrics:\n%s", log)
	}
}

func testCalendarRate(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *api.Config) { c.Rates.PerKey = 1 })
	s.user("u1")
	s.user("u2")
	path, other := s.subscribe("u1"), s.subscribe("u2")
	limited := false
	for range 30 {
		a := s.visit(path)
		if limited = a.StatusCode == http.StatusTooManyRequests; limited {
			if a.Header.Get("Retry-After") == "" || a.Header.Get("RateLimit-Limit") == "" {
				t.Errorf("headers %v", a.Header)
			}
			break
		}
	}
	if !limited {
		t.Error("thirty requests at once are answered")
	}
	s.feedLines(other)
}

// brokenCalendars cannot read feeds.
type brokenCalendars struct{ api.Calendars }

func (brokenCalendars) Events(context.Context, ledger.CalendarFeed) (ledger.CalendarEvents, error) {
	return ledger.CalendarEvents{}, &schoolbell.Error{Code: schoolbell.CodeUnavailable, Message: "the ledger is unavailable", Err: errors.New(secretText)}
}

func testCalendarUnavailable(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *api.Config) { c.Calendars = brokenCalendars{c.Calendars} })
	s.user("u1")
	a := s.visit(s.subscribe("u1"))
	if a.StatusCode != 503 || strings.Contains(a.body, "hunter2") || a.Header.Get("Retry-After") == "" {
		t.Errorf("%d %v %s", a.StatusCode, a.Header, a.body)
	}
}

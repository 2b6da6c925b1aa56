package api_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/api"
	"schoolbell/internal/auth"
	"schoolbell/wire"
)

const (
	formType  = "application/x-www-form-urlencoded"
	oneClick  = "List-Unsubscribe=One-Click"
	multipart = "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n"
)

// leave returns the path that ends the messages of a category on a channel to a user.
func (s *server) leave(user string, category schoolbell.Category, channel schoolbell.Channel) string {
	s.t.Helper()
	refs, err := s.ledger.Inboxes.UserRefs(s.t.Context(), []string{user})
	must(s.t, err)
	token, ok := s.links.UnsubscribeToken(auth.UnsubscribeLink{PreferencesLink: auth.PreferencesLink{User: refs[user].Number}, Category: category, Channel: channel})
	if !ok {
		s.t.Fatalf("%s has no link", user)
	}
	return "/unsubscribe/" + token
}

// posts sends a body without a key, as a mail program does.
func (s *server) posts(path, contentType, body string) answer {
	s.t.Helper()
	return s.raw("POST", path, body, "Authorization", "", "Content-Type", contentType)
}

// modes are the wishes of a user, as "category channel mode".
func (s *server) modes(user string) (got []string) {
	s.t.Helper()
	wishes, err := s.Preferences(s.t.Context(), user)
	must(s.t, err)
	for _, w := range wishes {
		got = append(got, string(w.Category)+" "+string(w.Channel)+" "+string(w.Mode))
	}
	return got
}

func (s *server) wantModes(when, user string, want ...string) {
	s.t.Helper()
	if got := s.modes(user); strings.Join(got, ", ") != strings.Join(want, ", ") {
		s.t.Errorf("%s the preferences are %q, want %q", when, got, want)
	}
}

// entries are the changes that a user has made.
func (s *server) entries(user string) []wire.AuditEntry {
	s.t.Helper()
	page, err := s.Audit(s.t.Context(), schoolbell.AuditFilter{Actor: schoolbell.Actor{Kind: schoolbell.ActorUser, ID: user}}, client.Page{})
	must(s.t, err)
	return page.Items
}

func TestUnsubscribe(t *testing.T) {
	t.Parallel()
	t.Run("one request ends the messages, in any encoding", testOneClick)
	t.Run("looking changes nothing", testUnsubscribeLook)
	t.Run("the page ends them and takes it back", testUnsubscribePage)
	t.Run("what is mandatory stays", testUnsubscribeMandatory)
	t.Run("links that do not work reveal nothing", testUnsubscribeBadLinks)
	t.Run("a repetition changes nothing", testUnsubscribeAgain)
	t.Run("the token is in no log and no metric", testUnsubscribeLogs)
	t.Run("an unavailable ledger is told with 503", testUnsubscribeUnavailable)
}

func testOneClick(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for name, c := range map[string]struct{ contentType, body string }{
		"form":              {formType, oneClick},
		"form-with-charset": {formType + "; charset=UTF-8", oneClick},
		"multipart":         {`multipart/form-data; boundary=b`, multipart},
		"line-end":          {formType, oneClick + "\r\n"},
		"no-type":           {"", oneClick},
		"plain":             {"text/plain", oneClick},
		"other-case":        {formType, "List-Unsubscribe=one-click"},
		"more-fields":       {formType, "a=b&" + oneClick},
	} {
		s.user(name)
		a := s.posts(s.leave(name, "event", "email"), c.contentType, c.body)
		if a.StatusCode != 200 || !strings.Contains(a.body, "No more emails about events") || len(a.Cookies()) > 0 {
			t.Errorf("%s: %d %v\n%s", name, a.StatusCode, a.Header, a.body)
		}
		s.wantModes(name+":", name, "event email off")
	}
	s.user("u1")
	path := s.leave("u1", "event", "email")
	for name, c := range map[string]struct{ contentType, body string }{
		"nothing":    {formType, ""},
		"other":      {formType, "List-Unsubscribe=Maybe"},
		"JSON":       {"application/json", `{"List-Unsubscribe":"One-Click"}`},
		"broken":     {"multipart/form-data; boundary=b", "--b\r\n"},
		"too large":  {formType, "a=" + strings.Repeat("x", 64<<10) + "&" + oneClick},
		"undo off":   {formType, "undo=off"},
		"undo wrong": {formType, "undo=sometimes"},
	} {
		if a := s.posts(path, c.contentType, c.body); a.StatusCode != 400 {
			t.Errorf("%s: %d\n%s", name, a.StatusCode, a.body)
		}
	}
	if a := s.posts(path+"?"+oneClick, formType, ""); a.StatusCode != 400 {
		t.Errorf("in the query: %d", a.StatusCode)
	}
	s.wantModes("after bodies that ask for nothing", "u1")
}

func testUnsubscribeLook(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.setSchool(func(v *wire.Settings) { v.Name = "Hill School" })
	_, _, err := s.PutUser(t.Context(), schoolbell.User{ID: "u1", Name: "Yara", Email: "yara@mossfield.example", Roles: []schoolbell.Role{schoolbell.RoleParent}})
	must(t, err)
	path := s.leave("u1", "event", "email")
	for _, method := range []string{"GET", "HEAD", "GET"} {
		a := s.raw(method, path, "", "Authorization", "")
		if a.StatusCode != 200 {
			t.Errorf("%s: %d", method, a.StatusCode)
		}
		for name, want := range map[string]string{"Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Robots-Tag": "noindex", "Content-Language": "en",
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", method, name, got, want)
			}
		}
		for _, want := range []string{"Stop emails about events?", "yara@mossfield.example", "You will still get: Attendance and Urgent.", `method="post"`, "Hill School"} {
			if method == "GET" && !strings.Contains(a.body, want) {
				t.Errorf("no %q in\n%s", want, a.body)
			}
		}
	}
	for _, method := range []string{"PUT", "DELETE", "OPTIONS", "PATCH"} {
		if a := s.raw(method, path, oneClick, "Authorization", "", "Content-Type", formType); a.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, a.StatusCode)
		}
	}
	s.wantModes("after looking", "u1")
	if got := s.entries("u1"); len(got) > 0 {
		t.Errorf("the audit has %+v", got)
	}
}

func testUnsubscribePage(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	path := s.leave("u1", "announcement", "email")
	if a := s.posts(path, formType, oneClick); a.StatusCode != 200 || !strings.Contains(a.body, `name="undo" value="instant"`) {
		t.Errorf("after Stop: %d\n%s", a.StatusCode, a.body)
	}
	if a := s.visit(path); a.StatusCode != 200 || !strings.Contains(a.body, "No more emails about announcements") || !strings.Contains(a.body, `name="undo"`) {
		t.Errorf("opened again: %d\n%s", a.StatusCode, a.body)
	}
	if a := s.posts(path, formType, "undo=instant"); a.StatusCode != 200 || !strings.Contains(a.body, "You get these messages again") || !strings.Contains(a.body, "Stop these messages") {
		t.Errorf("after Undo: %d\n%s", a.StatusCode, a.body)
	}
	s.wantModes("after Undo", "u1", "announcement email instant")
	got := s.entries("u1")
	if len(got) != 2 {
		t.Fatalf("the audit has %+v", got)
	}
	for _, e := range got {
		if e.Action != "user.put_preferences" || e.Target.ID != "u1" || e.Changes["page"] != "unsubscribe" || e.Address == "" {
			t.Errorf("the audit has %+v", e)
		}
	}
}

func testUnsubscribeMandatory(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	path := s.leave("u1", "attendance", "email")
	if a := s.visit(path); a.StatusCode != 200 || !strings.Contains(a.body, "Messages about attendance cannot be stopped") || strings.Contains(a.body, "<form") {
		t.Errorf("%d\n%s", a.StatusCode, a.body)
	}
	for _, body := range []string{oneClick, "undo=instant"} {
		if a := s.posts(path, formType, body); a.StatusCode != http.StatusConflict {
			t.Errorf("%s: %d\n%s", body, a.StatusCode, a.body)
		}
	}
	s.wantModes("of what is mandatory", "u1")
}

func testUnsubscribeBadLinks(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	s.user("gone")
	_, _, err := s.PutCategory(t.Context(), schoolbell.CategoryInfo{ID: "trips", Name: "Trips"})
	must(t, err)
	good, erased, dropped := s.leave("u1", "event", "email"), s.leave("gone", "event", "email"), s.leave("u1", "trips", "email")
	must(t, s.DeleteUser(t.Context(), "gone"))
	s.user("gone") // somebody else with the same id
	must(t, s.DeleteCategory(t.Context(), "trips"))
	message := strings.TrimPrefix(s.link(s.reachedBy(trip(), "u1").ID, "u1"), "/m/")
	check := func(name, path string, want int) {
		t.Helper()
		for _, a := range []answer{s.visit(path), s.posts(path, formType, oneClick)} {
			if a.StatusCode != want || strings.Contains(a.body, "@") || strings.Contains(a.body, "<form") || a.Header.Get("X-Robots-Tag") != "noindex" {
				t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
			}
		}
	}
	check("a forged token", good[:20]+map[bool]string{true: "B", false: "A"}[good[20] == 'A']+good[21:], 404)
	check("no token at all", "/unsubscribe/x", 404)
	check("a token of a message", "/unsubscribe/"+message, 404)
	check("a person who was erased", erased, 410)
	check("a category that was deleted", dropped, 410)
	if a := s.visit("/m/" + strings.TrimPrefix(good, "/unsubscribe/")); a.StatusCode != 404 {
		t.Errorf("a token that unsubscribes opens a message: %d", a.StatusCode)
	}
	s.later(auth.ChoiceLinkTTL + 25*time.Hour)
	check("an expired token", good, 410)
	s.wantModes("after links that do not work", "u1")
	s.wantModes("of somebody else with the same id", "gone")
}

func testUnsubscribeAgain(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	path := s.leave("u1", "event", "email")
	for range 3 {
		if a := s.posts(path, formType, oneClick); a.StatusCode != 200 {
			t.Errorf("%d\n%s", a.StatusCode, a.body)
		}
	}
	s.wantModes("after three requests", "u1", "event email off")
	if got := s.entries("u1"); len(got) != 1 {
		t.Errorf("the audit has %+v", got)
	}
}

func testUnsubscribeLogs(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	path := s.leave("u1", "event", "email")
	token := strings.TrimPrefix(path, "/unsubscribe/")
	s.visit(path)
	s.posts(path, formType, oneClick)
	for _, other := range []string{path + "/", "//unsubscribe/" + token, "/x" + path, path + "?a=%zz", "/%75nsubscribe/" + token} {
		s.visit(other)
	}
	log, metrics := s.log.String(), s.raw("GET", "/metrics", "").body
	if strings.Contains(log, token) || strings.Contains(metrics, token) {
		t.Errorf("the token is in the log or the metrics:\n%s", log)
	}
	if !strings.Contains(log, "path=/unsubscribe/…") || !strings.Contains(metrics, `route="POST /unsubscribe/{token}"`) {
		t.Errorf("the requests are not in the log and the metrics:\n%s", log)
	}
}

func testUnsubscribeUnavailable(t *testing.T) {
	t.Parallel()
	down := &schoolbell.Error{Code: schoolbell.CodeUnavailable, Message: "the ledger is unavailable", Err: errors.New(secretText)}
	s := newServer(t, func(c *api.Config) { c.People = brokenPeople{c.People, down} })
	s.user("u1")
	path := s.leave("u1", "event", "email")
	for _, a := range []answer{s.visit(path), s.posts(path, formType, oneClick)} {
		if a.StatusCode != 503 || !strings.Contains(a.body, "This page cannot be shown now") || strings.Contains(a.body, "hunter2") || a.Header.Get("Retry-After") == "" {
			t.Errorf("%d %v %s", a.StatusCode, a.Header, a.body)
		}
	}
}

// brokenPeople fails when it looks for a person by number.
type brokenPeople struct {
	api.People
	err error
}

func (b brokenPeople) UserByNumber(context.Context, int64) (*schoolbell.User, error) {
	return nil, b.err
}

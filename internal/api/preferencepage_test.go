package api_test

import (
	"context"
	"errors"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/api"
	"schoolbell/internal/auth"
)

// choicesOf returns the path of the preference page of a user.
func (s *server) choicesOf(user string) string {
	s.t.Helper()
	refs, err := s.ledger.Inboxes.UserRefs(s.t.Context(), []string{user})
	must(s.t, err)
	token, ok := s.links.PreferencesToken(auth.PreferencesLink{User: refs[user].Number})
	if !ok {
		s.t.Fatalf("%s has no link", user)
	}
	return "/preferences/" + token
}

// saves presses Save on the preference page.
func (s *server) saves(path string, form url.Values) answer {
	s.t.Helper()
	return s.posts(path, formType, form.Encode())
}

// checked are the radio buttons of a page that are on.
func checked(page string) (on []string) {
	for _, m := range regexp.MustCompile(`name="([a-z_.-]+)" value="([a-z]+)" checked`).FindAllStringSubmatch(page, -1) {
		on = append(on, m[1]+"="+m[2])
	}
	return on
}

func TestPreferencePage(t *testing.T) {
	t.Parallel()
	t.Run("it shows every choice and changes nothing", testPreferencePageShows)
	t.Run("it stores what was changed", testPreferencePageSaves)
	t.Run("it refuses what cannot be chosen", testPreferencePageRefuses)
	t.Run("it tells how to start text messages again", testPreferencePageStopped)
	t.Run("links that do not work reveal nothing", testPreferencePageBadLinks)
	t.Run("choices stay where they cannot be stored", testPreferencePageUnavailable)
	t.Run("the page that unsubscribes leads to it", testPreferencePageFrom)
}

func testPreferencePageShows(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	_, _, err := s.PutUser(t.Context(), schoolbell.User{ID: "u1", Name: "Yara", Email: "yara@mossfield.example", Phone: "+447700900142", Locale: "de-AT", Roles: []schoolbell.Role{schoolbell.RoleParent}})
	must(t, err)
	_, _, err = s.PutCategory(t.Context(), schoolbell.CategoryInfo{ID: "trips", Name: "Trips <& more>"})
	must(t, err)
	_, err = s.PutPreferences(t.Context(), "u1", schoolbell.Preference{Category: "event", Channel: "email", Mode: schoolbell.ModeOff})
	must(t, err)
	path := s.choicesOf("u1")
	for range 2 {
		a := s.visit(path)
		for _, want := range []string{`<html lang="de" dir="ltr">`, "So erreichen wir Sie", "Immer an, auf jedem Weg", "Veranstaltung", "Ausflüge", "Trips &lt;&amp; more&gt;", "yara@mossfield.example", "&#43;44 … 142"} {
			if a.StatusCode != 200 || !strings.Contains(a.body, want) {
				t.Errorf("%d, no %q in\n%s", a.StatusCode, want, a.body)
			}
		}
		on := strings.Join(checked(a.body), " ")
		if !strings.Contains(on, "event.email=off") || !strings.Contains(on, "event.sms=instant") || !strings.Contains(on, "trips.push=instant") ||
			strings.Contains(on, "urgent") || strings.Contains(on, "in_app") || strings.Contains(a.body, "7700900") {
			t.Errorf("chosen is %s in\n%s", on, a.body)
		}
		for name, want := range map[string]string{"Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Robots-Tag": "noindex", "Content-Language": "de",
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		if found := regexp.MustCompile(`(?i)<script|<style|\sstyle=|\son[a-z]+=|(src|action)=`).FindString(a.body); found != "" {
			t.Errorf("the page has %q", found)
		}
	}
	s.raw("HEAD", path, "", "Authorization", "")
	s.wantModes("after looking", "u1", "event email off")
}

func testPreferencePageSaves(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	path := s.choicesOf("u1")
	for range 2 { // the second time changes nothing
		a := s.saves(path, url.Values{"event.email": {"off"}, "announcement.sms": {"off"}, "reminder.email": {"instant"}, "event.push": {"instant"}, "other": {"x"}})
		if a.StatusCode != 303 || "/preferences/"+a.Header.Get("Location") != path+"?saved" || a.Header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%d %v\n%s", a.StatusCode, a.Header, a.body)
		}
	}
	s.wantModes("after Save", "u1", "announcement sms off", "event email off")
	if a := s.visit(path + "?saved"); !strings.Contains(a.body, `role="status"`) || !strings.Contains(a.body, "Saved.") || !strings.Contains(strings.Join(checked(a.body), " "), "event.email=off") {
		t.Errorf("afterwards the page is\n%s", a.body)
	}
	if a := s.saves(path, url.Values{"event.email": {"instant"}}); a.StatusCode != 303 {
		t.Errorf("%d", a.StatusCode)
	}
	if a := s.saves(path, nil); a.StatusCode != 303 {
		t.Errorf("an empty form: %d", a.StatusCode)
	}
	s.wantModes("after another Save", "u1", "announcement sms off", "event email instant")
	got := s.entries("u1")
	if len(got) != 2 {
		t.Fatalf("the audit has %+v", got)
	}
	for _, e := range got {
		if e.Action != "user.put_preferences" || e.Target.ID != "u1" || e.Changes["page"] != "preferences" || e.Address == "" {
			t.Errorf("the audit has %+v", e)
		}
	}
}

func testPreferencePageRefuses(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	path := s.choicesOf("u1")
	for _, form := range []url.Values{{"urgent.email": {"off"}}, {"event.email": {"sometimes"}}, {"event.email": {""}}, {"event.email": {"off"}, "attendance.sms": {"off"}}} {
		if a := s.saves(path, form); a.StatusCode != 422 || !strings.Contains(a.Header.Get("Content-Type"), "text/html") {
			t.Errorf("%v: %d\n%s", form, a.StatusCode, a.body)
		}
	}
	s.wantModes("after forms that are refused", "u1")
}

func testPreferencePageStopped(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	const number = "+447700900142"
	_, _, err := s.PutUser(t.Context(), schoolbell.User{ID: "u1", Name: "Yara", Phone: number, Roles: []schoolbell.Role{schoolbell.RoleParent}})
	must(t, err)
	news := func(kind schoolbell.ReceiptKind) {
		t.Helper()
		_, err := s.ledger.Receipts.RecordReceipts(t.Context(), []schoolbell.Receipt{{Provider: "test", ID: string(kind), Channel: schoolbell.ChannelSMS, Kind: kind, Address: number, At: time.Now()}})
		must(t, err)
	}
	has := func(want bool) {
		t.Helper()
		if a := s.visit(s.choicesOf("u1")); strings.Contains(a.body, "because STOP was sent from there") != want || strings.Contains(a.body, "send START") != want {
			t.Errorf("stopped %v: %d\n%s", want, a.StatusCode, a.body)
		}
	}
	has(false)
	news(schoolbell.ReceiptStopped)
	has(true)
	news(schoolbell.ReceiptStarted)
	has(false)
}

func testPreferencePageBadLinks(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	s.user("gone")
	good, erased := s.choicesOf("u1"), s.choicesOf("gone")
	must(t, s.DeleteUser(t.Context(), "gone"))
	s.user("gone") // somebody else with the same id
	leave := strings.TrimPrefix(s.leave("u1", "event", "email"), "/unsubscribe/")
	check := func(name, path string, want int) {
		t.Helper()
		for _, a := range []answer{s.visit(path), s.saves(path, url.Values{"event.email": {"off"}})} {
			if a.StatusCode != want || strings.Contains(a.body, "@") || strings.Contains(a.body, "<form") || a.Header.Get("X-Robots-Tag") != "noindex" {
				t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
			}
		}
	}
	check("a forged token", good[:20]+map[bool]string{true: "B", false: "A"}[good[20] == 'A']+good[21:], 404)
	check("no token at all", "/preferences/x", 404)
	check("a token that unsubscribes", "/preferences/"+leave, 404)
	check("a person who was erased", erased, 410)
	s.later(auth.ChoiceLinkTTL + 25*time.Hour)
	check("an expired token", good, 410)
	s.wantModes("after links that do not work", "u1")
	s.wantModes("of somebody else with the same id", "gone")
}

// unsavedPeople keeps no preferences.
type unsavedPeople struct{ api.People }

func (unsavedPeople) PutPreferences(context.Context, string, []schoolbell.Preference) error {
	return &schoolbell.Error{Code: schoolbell.CodeUnavailable, Message: "the ledger is unavailable", Err: errors.New(secretText)}
}

func testPreferencePageUnavailable(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *api.Config) { c.People = unsavedPeople{c.People} })
	s.user("u1")
	a := s.saves(s.choicesOf("u1"), url.Values{"event.email": {"off"}})
	if a.StatusCode != 503 || a.Header.Get("Retry-After") == "" || !strings.Contains(a.body, "Not saved. Please try again.") || !strings.Contains(strings.Join(checked(a.body), " "), "event.email=off") || strings.Contains(a.body, "hunter2") {
		t.Errorf("%d %v\n%s", a.StatusCode, a.Header, a.body)
	}
}

func testPreferencePageFrom(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	from := s.leave("u1", "event", "email")
	for _, a := range []answer{s.visit(from), s.posts(from, formType, oneClick)} {
		link := regexp.MustCompile(`href="\.\.(/preferences/[A-Za-z0-9_-]+)"`).FindStringSubmatch(a.body)
		if link == nil {
			t.Fatalf("no link in\n%s", a.body)
		}
		if page := s.visit(link[1]); page.StatusCode != 200 || !strings.Contains(page.body, "How we reach you") {
			t.Errorf("%d\n%s", page.StatusCode, page.body)
		}
	}
}

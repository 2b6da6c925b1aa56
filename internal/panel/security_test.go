package panel

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/ledger"
	"schoolbell/internal/staff"
)

// guard knows the sessions "viewer", "sender" and "admin".
type guard struct {
	Staff
	ended []string
}

func (g *guard) Session(_ context.Context, secret string) (schoolbell.StaffAccount, error) {
	role := schoolbell.StaffRole(secret)
	if role.Scope() == "" {
		return schoolbell.StaffAccount{}, &schoolbell.Error{Code: schoolbell.CodeUnauthorized}
	}
	return schoolbell.StaffAccount{ID: "a-" + secret, Name: "<script>alert(1)</script>", Email: "ada@example.org", Role: role}, nil
}

func (g *guard) SignIn(_ context.Context, email, password string, _ staff.Visitor) (schoolbell.StaffAccount, string, error) {
	switch password {
	case "right":
		return schoolbell.StaffAccount{ID: "a-admin"}, "admin", nil
	case "often":
		return schoolbell.StaffAccount{}, "", &staff.Wait{For: 15 * time.Minute}
	}
	return schoolbell.StaffAccount{}, "", &schoolbell.Error{Code: schoolbell.CodeUnauthorized}
}

func (g *guard) SignOut(_ context.Context, secret string) error {
	g.ended = append(g.ended, secret)
	return nil
}
func (g *guard) DeviceToken(string) string   { return "device" }
func (g *guard) DeviceAccount(string) string { return "" }

// nothing is a store whose every use is counted as a call that got through.
type nothing struct {
	Store
	Pipeline
	School
	Previews
	calls int
}

func (n *nothing) Event(context.Context, string) (*schoolbell.Event, error) {
	n.calls++
	return nil, schoolbell.NotFound("event", "")
}
func (n *nothing) Cancel(context.Context, string) (*schoolbell.Event, error) {
	n.calls++
	return nil, schoolbell.NotFound("event", "")
}
func (n *nothing) PutAuditEntry(context.Context, schoolbell.AuditEntry) error { return nil }
func (n *nothing) All(context.Context) ([]*bullmq.Queue, error)               { n.calls++; return nil, nil }
func (n *nothing) Categories(context.Context) ([]schoolbell.CategoryInfo, error) {
	return schoolbell.BuiltInCategories(), nil
}
func (n *nothing) Create(context.Context, *schoolbell.Event, ledger.Idempotency) (*schoolbell.Event, bool, error) {
	n.calls++
	return nil, false, schoolbell.NotFound("event", "")
}
func (n *nothing) Groups(context.Context, string, int) ([]*schoolbell.Group, error) { return nil, nil }
func (n *nothing) Own(string) bool                                                  { return false }

// noPeople knows nobody.
type noPeople struct {
	People
	Directory
	Schedules
	n *nothing
}

func (p noPeople) User(context.Context, string) (*schoolbell.User, error) {
	p.n.calls++
	return nil, schoolbell.NotFound("user", "")
}

func newGuarded(t *testing.T, public string) (*Server, *guard, *nothing) {
	t.Helper()
	g, n := &guard{}, &nothing{}
	s, err := New(Config{Staff: g, Store: n, Pipeline: n, School: n, Queues: n, Previews: n, Groups: n, Channels: schoolbell.DefaultChannels(),
		People: noPeople{n: n}, Directory: noPeople{n: n}, Schedules: noPeople{n: n}, PublicURL: public,
		Settings: func() schoolbell.SchoolSettings {
			return schoolbell.SchoolSettings{Name: "Hill", Timezone: "Europe/London"}
		}})
	if err != nil {
		t.Fatal(err)
	}
	return s, g, n
}

// ask makes a request as a browser does that has a session.
func ask(s *Server, method, path, session string, form url.Values, headers map[string]string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://panel.example"+path, strings.NewReader(form.Encode()))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	if session != "" {
		r.AddCookie(&http.Cookie{Name: sessionCookie, Value: session})
	}
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// filled is the path of a route with a value for each parameter.
func (rt route) filled() string {
	path := strings.NewReplacer("{$}", "", "{id}", "x", "{queue}", "x", "{job}", "x", "{secret}", "x").Replace(rt.path)
	return Root + path
}

// openForms are those that every role may send: they are about the own session.
var openForms = map[string]bool{"sign-out": true, "sign-out-everywhere": true}

func TestRoutes(t *testing.T) {
	t.Run("each is refused to those who may not use it", func(t *testing.T) {
		s, _, n := newGuarded(t, "")
		for _, rt := range routes {
			if rt.public {
				continue
			}
			for _, session := range []string{"", "stolen", "viewer", "sender"} {
				role := schoolbell.StaffRole(session)
				if role.Scope().Allows(rt.need) {
					continue
				}
				w := ask(s, rt.method, rt.filled(), session, nil, nil)
				want := http.StatusForbidden
				switch {
				case role.Scope() == "" && strings.HasSuffix(rt.path, "live"):
					want = http.StatusUnauthorized
				case role.Scope() == "":
					want = http.StatusSeeOther
				}
				if w.Code != want || n.calls > 0 {
					t.Errorf("%s %s as %q: %d, want %d; %d calls", rt.method, rt.path, session, w.Code, want, n.calls)
				}
			}
		}
	})
	t.Run("urgent events need the right to send them", func(t *testing.T) {
		s, _, n := newGuarded(t, "")
		form := url.Values{"key": {"k"}, "title": {"T"}, "body": {"B"}, "category": {"urgent"}, "roles": {"parent"}, "channels": {"in_app"}, "confirm": {"SEND"}}
		for _, x := range []struct{ method, path string }{{http.MethodGet, "compose/urgent"}, {http.MethodPost, "compose"}, {http.MethodPost, "compose/count"}} {
			if w := ask(s, x.method, Root+x.path, "sender", form, nil); w.Code != http.StatusForbidden || n.calls > 0 {
				t.Errorf("%s %s: %d, %d calls", x.method, x.path, w.Code, n.calls)
			}
		}
		if ask(s, http.MethodPost, Root+"compose", "admin", form, nil); n.calls != 1 {
			t.Errorf("an admin: %d calls", n.calls)
		}
		form.Set("confirm", "send")
		if w := ask(s, http.MethodPost, Root+"compose", "admin", form, nil); w.Code != http.StatusUnprocessableEntity || n.calls != 1 {
			t.Errorf("without the word: %d, %d calls", w.Code, n.calls)
		}
	})
	t.Run("forms need the right to send at least", func(t *testing.T) {
		for _, rt := range routes {
			if rt.method == http.MethodPost && !rt.public && !openForms[rt.path] && schoolbell.ScopeRead.Allows(rt.need) {
				t.Errorf("viewers may %s", rt.action)
			}
		}
	})
	t.Run("queues, staff and the audit log are for admins", func(t *testing.T) {
		for _, rt := range routes {
			area, _, _ := strings.Cut(rt.path, "/")
			if (area == "queues" || area == "staff" || area == "audit") && rt.need != schoolbell.ScopeAdmin {
				t.Errorf("%s %s needs %q", rt.method, rt.path, rt.need)
			}
		}
	})
	t.Run("other sites cannot send forms", func(t *testing.T) {
		s, _, n := newGuarded(t, "https://school.example")
		for headers, want := range map[string]int{"Sec-Fetch-Site: cross-site": http.StatusForbidden, "Sec-Fetch-Site: same-site": http.StatusForbidden,
			"Origin: https://evil.example": http.StatusForbidden, "Origin: https://school.example": http.StatusSeeOther} {
			name, value, _ := strings.Cut(headers, ": ")
			set := map[string]string{"Sec-Fetch-Site": "", name: value}
			w := ask(s, http.MethodPost, Root+"sign-in", "", url.Values{"email": {"x"}, "password": {"right"}}, set)
			if w.Code != want || n.calls > 0 {
				t.Errorf("%s: %d, want %d", headers, w.Code, want)
			}
		}
	})
	t.Run("every answer is protected", func(t *testing.T) {
		s, _, _ := newGuarded(t, "")
		for _, path := range []string{"sign-in", "nothing", "account", "events/x"} {
			h := ask(s, http.MethodGet, Root+path, "viewer", nil, nil).Header()
			if csp := h.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || h.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %v", path, h)
			}
		}
	})
}

func TestSignIn(t *testing.T) {
	signIn := func(s *Server, session, password, next string) *httptest.ResponseRecorder {
		return ask(s, http.MethodPost, Root+"sign-in", session, url.Values{"email": {"ada@example.org"}, "password": {password}, "next": {next}}, nil)
	}
	t.Run("a session that was planted is ended and replaced", func(t *testing.T) {
		s, g, _ := newGuarded(t, "")
		w := signIn(s, "planted", "right", "")
		cookies := w.Result().Cookies()
		if len(g.ended) != 1 || g.ended[0] != "planted" || len(cookies) != 2 || cookies[0].Value != "admin" {
			t.Fatalf("ended %v, cookies %v", g.ended, cookies)
		}
		if c := cookies[0]; !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Secure || c.MaxAge != 0 {
			t.Errorf("cookie %+v", c)
		}
	})
	t.Run("cookies belong to the host where it uses TLS", func(t *testing.T) {
		s, _, _ := newGuarded(t, "https://panel.example")
		for _, c := range signIn(s, "", "right", "").Result().Cookies() {
			if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || c.Path != "/" || c.Domain != "" {
				t.Errorf("cookie %+v", c)
			}
		}
	})
	t.Run("nobody is sent to another site", func(t *testing.T) {
		s, _, _ := newGuarded(t, "")
		for next, want := range map[string]string{"": "./", "events?status=held": "./events?status=held", "https://evil.example": "./", "//evil.example": "./", "/\\evil.example": "./",
			"\\\\evil.example": "./", "javascript:alert(1)": "./", "../../m/x": "./", "a\r\nSet-Cookie: x=y": "./", "http:evil": "./", "events/1:2": "./"} {
			if got := signIn(s, "", "right", next).Header().Get("Location"); got != want {
				t.Errorf("%q leads to %q, want %q", next, got, want)
			}
		}
	})
	t.Run("wrong passwords and waiting are told", func(t *testing.T) {
		s, _, _ := newGuarded(t, "")
		if w := signIn(s, "", "wrong", ""); w.Code != http.StatusUnprocessableEntity || len(w.Result().Cookies()) > 0 {
			t.Errorf("wrong: %d %v", w.Code, w.Result().Cookies())
		}
		if w := signIn(s, "", "often", ""); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "901" || !strings.Contains(w.Body.String(), "15 minutes") {
			t.Errorf("often: %d %v", w.Code, w.Header())
		}
	})
	t.Run("names are text, not markup", func(t *testing.T) {
		s, _, _ := newGuarded(t, "")
		if body := ask(s, http.MethodGet, Root+"account", "viewer", nil, nil).Body.String(); strings.Contains(body, "<script>alert") || !strings.Contains(body, "&lt;script&gt;") {
			t.Error(body)
		}
	})
}

func TestCursors(t *testing.T) {
	for text, ok := range map[string]bool{"": true, "0.email.7": true, "1.in_app.0": true, "0.email": false, "-1.email.7": false, "0.email.-7": false, "0.EMAIL!.7": false, "999999.email.1": false, "0.email.99999999999999999999": false} {
		c, err := parseCursor(text)
		if (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
		if ok && text != "" && formatCursor(c) != text {
			t.Errorf("%q becomes %q", text, formatCursor(c))
		}
		if !ok && (c != ledger.DeliveryCursor{}) {
			t.Errorf("%q: %+v", text, c)
		}
	}
}

func TestInertCells(t *testing.T) {
	for cell, want := range map[string]string{"": "", "ada": "ada", "=1+1": "'=1+1", "+44": "'+44", "-1": "'-1", "@x": "'@x", "\t=1": "'\t=1", "a=1": "a=1"} {
		if got := inert(cell); got != want {
			t.Errorf("%q becomes %q", cell, got)
		}
	}
}

func TestTimes(t *testing.T) {
	s, _, _ := newGuarded(t, "")
	now := time.Date(2026, 11, 24, 7, 12, 0, 0, time.UTC) // a Tuesday
	s.now = func() time.Time { return now }
	for text, at := range map[string]time.Time{"–": {}, "07:11": now.Add(-time.Minute), "Mon 14:32": time.Date(2026, 11, 23, 14, 32, 0, 0, time.UTC), "Tomorrow 07:30": time.Date(2026, 11, 25, 7, 30, 0, 0, time.UTC),
		"Fri 16:00": time.Date(2026, 11, 27, 16, 0, 0, 0, time.UTC), "Sun 20 Dec": time.Date(2026, 12, 20, 10, 0, 0, 0, time.UTC), "1 Jul 2025": time.Date(2025, 6, 30, 23, 30, 0, 0, time.UTC)} {
		if got := s.when(at).Text; got != text {
			t.Errorf("%v is %q, want %q", at, got, text)
		}
	}
}

func TestBars(t *testing.T) {
	b := newBar(schoolbell.ChannelProgress{Total: 10_000, Sent: 9_000, Uncertain: 2, Read: 1_000, Delivered: 500, Bounced: 3, Suppressed: 997, Failed: 1})
	if want := "1,000 read, 500 delivered, 7,497 sent, 2 uncertain, 997 suppressed, 4 failed"; b.Label != want {
		t.Errorf("%q, want %q", b.Label, want)
	}
	for _, s := range b.Segments {
		if s.W == "0.02%" {
			t.Errorf("%s is too narrow to see", s.Status)
		}
	}
	if empty := newBar(schoolbell.ChannelProgress{}); len(empty.Segments) > 0 {
		t.Errorf("%+v", empty)
	}
}

package panel

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/ledger"
	"schoolbell/internal/panel/mail"
	"schoolbell/internal/panel/people"
	"schoolbell/internal/panel/settings"
	"schoolbell/internal/panel/site"
	"schoolbell/internal/panel/templateeditor"
	"schoolbell/internal/staff"
)

// guard knows the sessions "viewer", "sender" and "admin", and "viewer in 7a" and so on of accounts that are limited to groups.
type guard struct {
	Staff
	ended []string
}

func (g *guard) Session(_ context.Context, secret string) (schoolbell.StaffAccount, error) {
	name, groups, limited := strings.Cut(secret, " in ")
	a := schoolbell.StaffAccount{ID: "a-" + secret, Name: "<script>alert(1)</script>", Email: "ada@example.org", Role: schoolbell.StaffRole(name)}
	if a.Role.Scope() == "" {
		return schoolbell.StaffAccount{}, &schoolbell.Error{Code: schoolbell.CodeUnauthorized}
	}
	if limited {
		a.Groups = strings.Split(groups, ",")
	}
	return a, nil
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
	ledger.Overviews
	ledger.EventReports
	Pipeline
	settings.CategoryService
	Previews
	calls   int
	created *schoolbell.Event // the last one
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
func (n *nothing) Create(_ context.Context, ev *schoolbell.Event, _ ledger.Idempotency) (*schoolbell.Event, bool, error) {
	n.calls++
	n.created = ev
	return nil, false, schoolbell.NotFound("event", "")
}
func (n *nothing) Groups(context.Context, string, int) ([]*schoolbell.Group, error) { return nil, nil }
func (n *nothing) Own(string) bool                                                  { return false }

// suppressed has another name than its method.
type suppressed = ledger.Suppressions

// noSettings are settings that nobody may see here.
type noSettings struct {
	settings.SchoolSettings
	settings.APIKeys
}

// noPeople knows nobody.
type noPeople struct {
	people.Service
	people.Directory
	ledger.PersonDeliveries
	n *nothing
}

func (p noPeople) User(context.Context, string) (*schoolbell.User, error) {
	p.n.calls++
	return nil, schoolbell.NotFound("user", "")
}

// noDrafts has no drafts.
type noDrafts struct {
	Drafts
	n *nothing
}

func (d noDrafts) Save(_ context.Context, draft staff.Draft) (staff.Draft, error) {
	d.n.calls++
	return draft, nil
}
func (d noDrafts) Draft(context.Context, string, string) (staff.Draft, error) {
	d.n.calls++
	return staff.Draft{}, schoolbell.NotFound("draft", "")
}
func (noDrafts) Remove(context.Context, string, string) error { return nil }

// noTemplates knows no templates.
type noTemplates struct {
	templateeditor.Templates
	n *nothing
}

func (t noTemplates) Key(context.Context, schoolbell.Category, schoolbell.Channel, string) (schoolbell.TemplateKey, error) {
	t.n.calls++
	return schoolbell.TemplateKey{}, schoolbell.NotFound("template", "")
}

func newGuarded(t *testing.T, public string) (*Server, *guard, *nothing) {
	t.Helper()
	cfg, g, n := guardedConfig(public)
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s, g, n
}

// guardedConfig is that of a panel with a guard and nothing else.
func guardedConfig(public string) (Config, *guard, *nothing) {
	g, n := &guard{}, &nothing{}
	return Config{Staff: g, Store: n, Overview: n, Reports: n, Pipeline: n, Drafts: noDrafts{n: n}, School: n, Queues: n, Previews: n, Groups: n, Channels: schoolbell.DefaultChannels(),
		Areas: area{}, People: noPeople{n: n}, Directory: noPeople{n: n}, Schedules: struct{ people.Schedules }{}, PersonDeliveries: noPeople{n: n}, Templates: noTemplates{n: n}, PublicURL: public,
		SchoolSettings: noSettings{}, Keys: noSettings{}, Webhooks: struct{ settings.WebhookService }{}, Tests: struct{ settings.Tests }{}, Suppressions: struct{ suppressed }{}, Mail: struct{ mail.Catcher }{},
		Settings: func() schoolbell.SchoolSettings {
			return schoolbell.SchoolSettings{Name: "Hill", Timezone: "Europe/London"}
		}}, g, n
}

// ask makes a request as a browser does that has a session.
func ask(s *Server, method, path, session string, form url.Values, headers map[string]string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://panel.example"+path, strings.NewReader(form.Encode()))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	if session != "" {
		r.AddCookie(&http.Cookie{Name: site.SessionCookie, Value: session})
	}
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// filledWith is the path of a route with an id, and a value for each other parameter.
func filledWith(rt site.Route, id string) string {
	path := strings.NewReplacer("{$}", "", "{id}", id, "{queue}", "x", "{job}", "x", "{secret}", "x", "{category}", "x", "{channel}", "x", "{locale}", "x").Replace(rt.Path)
	return Root + path
}

// openForms are those that every role may send: they are about the own session.
var openForms = map[string]bool{"sign-out": true, "sign-out-everywhere": true}

func TestRoutes(t *testing.T) {
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
		for _, rt := range allRoutes(t) {
			if rt.Method == http.MethodPost && !rt.Public && !openForms[rt.Path] && schoolbell.ScopeRead.Allows(rt.Need) {
				t.Errorf("viewers may %s", rt.Action)
			}
		}
	})
	t.Run("what runs the school is for admins", func(t *testing.T) {
		for _, rt := range allRoutes(t) {
			area, _, _ := strings.Cut(rt.Path, "/")
			if slices.Contains([]string{"templates", "queues", "staff", "audit", "settings", "mail", "suppressions", "import"}, area) && rt.Need != schoolbell.ScopeAdmin {
				t.Errorf("%s %s needs %q", rt.Method, rt.Path, rt.Need)
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

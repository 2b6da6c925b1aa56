package browser

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/internal/testenv"
)

func TestPanelSessions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	email := s.account(t, "mara@hollowbrook.example", "Mara Tennick", schoolbell.RoleAdmin)
	t.Run("a stolen cookie ends with signing out everywhere", func(t *testing.T) { s.testStolen(t, email, s.signsOutEverywhere) })
	t.Run("a stolen cookie ends with a new password", func(t *testing.T) { s.testStolen(t, email, s.takesNewPassword) })
	t.Run("a planted cookie is replaced", func(t *testing.T) { s.testPlanted(t, email) })
	t.Run("sessions end without use, and by their age", func(t *testing.T) { s.testExpiry(t, email) })
	t.Run("an open page asks to sign in again, and leads back", func(t *testing.T) { s.testOpenPage(t, email) })
	t.Run("an open page says that the account has changed", s.testOtherRights)
}

// cookie is one as the browser has it.
type cookie struct {
	Name, Value, Path, Domain string
	HTTPOnly                  bool `json:"httpOnly"`
}

// sessionCookie returns the cookie of the session of a page; the empty cookie if it has none.
func (p *tab) sessionCookie(t *testing.T) cookie {
	t.Helper()
	var got struct{ Cookies []cookie }
	p.call("Network.getCookies", nil, &got)
	for _, c := range got.Cookies {
		if strings.HasSuffix(c.Name, "schoolbell-session") {
			return c
		}
	}
	return cookie{}
}

// has gives the browser of a page a cookie.
func (p *tab) has(c cookie, url string) {
	p.t.Helper()
	p.call("Network.setCookie", map[string]any{"name": c.Name, "value": c.Value, "url": url, "path": "/", "httpOnly": true}, nil)
}

// shows expects a text on a page of the panel.
func (s *site) shows(p *tab, page, text string) {
	p.t.Helper()
	p.visit(s.URL + "/panel/" + page)
	if got := p.text(); !strings.Contains(got, text) {
		p.t.Errorf("%s does not show %q:\n%s", page, text, got)
	}
}

func (s *site) signsOutEverywhere(t *testing.T, email string) {
	p := s.signsIn(t, device{width: 1440}, email, "account")
	p.goes(func() { p.submit("form[action$=sign-out-everywhere]") })
}

func (s *site) takesNewPassword(t *testing.T, email string) {
	p := s.signsIn(t, device{width: 1440}, email, "staff")
	p.clicks("a.lead")
	p.goes(func() { p.submit("form[action$=link]") })
	var link string
	p.eval("document.querySelector('input[readonly]').value", &link)
	p.visit(link)
	p.fill(map[string]string{"password": panelPassword, "again": panelPassword})
	p.goes(func() { p.submit("form") })
}

func (s *site) testStolen(t *testing.T, email string, end func(*testing.T, string)) {
	victim, thief := s.signsIn(t, device{width: 390}, email, "events"), s.browser.open(t, device{width: 1440})
	c := victim.sessionCookie(t)
	if !c.HTTPOnly || len(c.Value) < 40 {
		t.Fatalf("the cookie %+v", c)
	}
	thief.has(c, s.URL)
	s.shows(thief, "account", email)
	end(t, email)
	for _, p := range []*tab{victim, thief} {
		s.shows(p, "account", "Your session has ended")
		if c := p.sessionCookie(t); c.Value != "" {
			t.Errorf("the cookie stays: %+v", c)
		}
	}
	thief.has(c, s.URL)
	s.shows(thief, "people", "Your session has ended")
}

func (s *site) testPlanted(t *testing.T, email string) {
	thief := s.signsIn(t, device{width: 1440}, email, "")
	planted := thief.sessionCookie(t)
	for _, planted := range []cookie{planted, {Name: planted.Name, Value: strings.Repeat("A", 43)}} {
		victim := s.browser.open(t, device{width: 390})
		victim.visit(s.URL + "/panel/sign-in")
		victim.has(planted, s.URL)
		victim.fill(map[string]string{"email": email, "password": panelPassword})
		victim.goes(func() { victim.submit("form") })
		s.shows(victim, "account", email)
		if c := victim.sessionCookie(t); c.Value == planted.Value || c.Value == "" {
			t.Errorf("the planted cookie stays: %+v", c)
		}
		thief.has(planted, s.URL)
		s.shows(thief, "account", "Your session has ended")
	}
}

func (s *site) testExpiry(t *testing.T, email string) {
	const hour = 3_600_000
	older := func(column string, hours int) {
		s.Ledger.Change(fmt.Sprintf("UPDATE staff_sessions SET %s = %s - %d", column, column, hours*hour))
	}
	p := s.signsIn(t, device{width: 390}, email, "events?status=held")
	older("used_at", 11)
	s.shows(p, "account", email) // which is use
	older("used_at", 11)
	s.shows(p, "account", email)
	older("used_at", 12)
	s.shows(p, "events?status=held", "Your session has ended")
	p.fill(map[string]string{"email": email, "password": panelPassword})
	p.goes(func() { p.submit("form") })
	if at := p.at(); at != "/panel/events?status=held" {
		t.Errorf("signed in again, and at %s", at)
	}
	older("created_at", 7*24-1)
	s.shows(p, "account", email)
	older("created_at", 1)
	s.shows(p, "account", "Your session has ended") // although it was used just now
}

func (s *site) testOpenPage(t *testing.T, email string) {
	for _, d := range devices {
		p := s.signsIn(t, d, email, "?period=24h")
		p.awaitText("Live")
		s.signsOutEverywhere(t, email)
		p.awaitText("Your session has ended")
		testenv.Eventually(t, patience, func() error {
			if strings.Contains(p.text(), "Live") {
				return errors.New("it is marked as live")
			}
			return nil
		}, "the page is not live any more")
		s.axeFindsNothing(t, p, "panel-session-ended-"+d.String())
		p.goes(func() {
			p.eval("[...document.querySelectorAll('a')].find(a => a.innerText == 'Sign in again').click()", nil)
		})
		p.fill(map[string]string{"email": email, "password": panelPassword})
		p.goes(func() { p.submit("form") })
		if at := p.at(); at != "/panel/?period=24h" {
			t.Errorf("signed in again, and at %s", at)
		}
		if text := p.text(); strings.Contains(text, "session has ended") {
			t.Errorf("the page:\n%s", text)
		}
	}
}

func (s *site) testOtherRights(t *testing.T) {
	email := s.account(t, "tobin@hollowbrook.example", "Tobin Ashe", schoolbell.RoleAdmin)
	p := s.signsIn(t, device{width: 1440, script: true}, email, "queues")
	p.awaitText("Live")
	s.Does("staff", "change", email, "--role", "viewer")
	p.awaitText("What you may see has changed")
	p.goes(func() {
		p.eval("[...document.querySelectorAll('a')].find(a => a.innerText.startsWith('Load the page')).click()", nil)
	})
	if text := p.text(); !strings.Contains(text, "Your role does not allow this") {
		t.Errorf("loaded again:\n%s", text)
	}
}

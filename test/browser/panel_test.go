package browser

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
	"schoolbell/wire"
)

const panelPassword = "seven green bicycles"

// devices are those on which pages are looked at. axeFindsNothing looks at them in both schemes.
var devices = []device{{width: 390, script: true}, {width: 1440, script: true}}

func TestPanel(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	office := s.account(t, "office@hollowbrook.example", "Mara Tennick", schoolbell.RoleSender)
	t.Run("an admin chooses a password and signs in", s.testPanelSignIn)
	t.Run("an event is watched until it is complete", func(t *testing.T) { s.testPanelEvent(t, office) })
	t.Run("a viewer may not cancel", s.testPanelViewer)
	t.Run("axe-core finds nothing on any page", func(t *testing.T) { s.testPanelAccessible(t, office) })
}

// account makes a staff account with a password, and returns its email address.
func (s *site) account(t *testing.T, email, name string, role schoolbell.StaffRole) string {
	t.Helper()
	p := s.browser.open(t, device{width: 1440})
	p.visit(s.URL + s.staffLink(t, email, name, role))
	p.fill(map[string]string{"password": panelPassword, "again": panelPassword})
	p.goes(func() { p.submit("form") })
	if text := p.text(); !strings.Contains(text, "Overview") {
		t.Fatalf("after the password was chosen:\n%s", text)
	}
	return email
}

// staffLink adds an account and returns the path of the link with which its owner chooses a password.
func (s *site) staffLink(t *testing.T, email, name string, role schoolbell.StaffRole) string {
	t.Helper()
	var made struct{ Link string }
	must(t, json.Unmarshal([]byte(s.Does("staff", "add", email, "--name", name, "--role", string(role), "--json")), &made))
	u, err := url.Parse(made.Link)
	must(t, err)
	return u.Path
}

// signsIn opens a page of the panel on a device as somebody who has to sign in first.
func (s *site) signsIn(t *testing.T, d device, email, page string) *tab {
	t.Helper()
	p := s.browser.open(t, d)
	p.visit(s.URL + "/panel/" + page)
	p.fill(map[string]string{"email": email, "password": panelPassword})
	p.goes(func() { p.submit("form") })
	return p
}

// fill writes into the fields of a form, as people type.
func (p *tab) fill(fields map[string]string) {
	p.t.Helper()
	for name, value := range fields {
		p.eval(fmt.Sprintf("document.querySelector('[name=%s]').value = %q", name, value), nil)
	}
}

// submit presses the button of the form that a selector finds.
func (p *tab) submit(form string) {
	p.t.Helper()
	p.eval(fmt.Sprintf("document.querySelector(%q).querySelector('button').click()", form), nil)
}

// awaitText waits until the page, which follows the server, shows a text.
func (p *tab) awaitText(text string) {
	p.t.Helper()
	testenv.Eventually(p.t, patience, func() error {
		if got := p.text(); !strings.Contains(got, text) {
			return fmt.Errorf("the page shows\n%s", got)
		}
		return nil
	}, "%q is shown", text)
}

func (s *site) testPanelSignIn(t *testing.T) {
	email := s.account(t, "head@hollowbrook.example", "Oswin Hale", schoolbell.RoleAdmin)
	p := s.browser.open(t, device{width: 1440})
	p.visit(s.URL + "/panel/events?status=held")
	p.fill(map[string]string{"email": email, "password": "not the password"})
	p.goes(func() { p.submit("form") })
	if text := p.text(); !strings.Contains(text, "Email address or password is wrong") {
		t.Fatalf("a wrong password:\n%s", text)
	}
	p.fill(map[string]string{"email": email, "password": panelPassword})
	p.goes(func() { p.submit("form") })
	var at string
	p.eval("location.pathname + location.search", &at)
	if at != "/panel/events?status=held" {
		t.Errorf("signed in, and at %s", at)
	}
	p.visit(s.URL + "/panel/account")
	p.goes(func() { p.submit("form[action$=sign-out-everywhere]") })
	p.visit(s.URL + "/panel/events")
	if text := p.text(); !strings.Contains(text, "Sign in to") {
		t.Errorf("after signing out:\n%s", text)
	}
}

func (s *site) testPanelEvent(t *testing.T, office string) {
	taken := s.mail.Accepted()
	s.mail.HoldAfter(1)
	id := s.creates(t, gala(), system.Person(0), system.Person(1))
	p := s.signsIn(t, device{width: 1440, script: true}, office, "events/"+id)
	p.awaitText("Live")
	testenv.Eventually(t, patience, func() error {
		if n := s.mail.Accepted() - taken; n != 1 {
			return fmt.Errorf("%d of 1 were taken", n)
		}
		return nil
	}, "the first email is taken")
	p.picture("event-running")
	s.mail.Release()
	p.awaitText("All deliveries are done")
	p.awaitText("4 of 4 deliveries")
	if _, faults := p.noted(); len(faults) > 0 {
		t.Errorf("the page did what it may not: %v", faults)
	}
}

func (s *site) testPanelViewer(t *testing.T) {
	viewer := s.account(t, "viewer@hollowbrook.example", "Lene Abrook", schoolbell.RoleViewer)
	created, err := s.Client.CreateEvent(t.Context(), wire.NewEvent{Title: "Later", Body: "x", SendAt: wire.At(gala().StartsAt.Time),
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{system.Person(0)}}}})
	must(t, err)
	p := s.signsIn(t, device{width: 1440}, viewer, "events/"+created.ID)
	if text := p.text(); strings.Contains(text, "Cancel event") || !strings.Contains(text, "Later") {
		t.Errorf("a viewer sees\n%s", text)
	}
	p.visit(s.URL + "/panel/events/" + created.ID + "/cancel")
	if text := p.text(); !strings.Contains(text, "Your role does not allow this") {
		t.Errorf("a viewer who cancels sees\n%s", text)
	}
}

func (s *site) testPanelAccessible(t *testing.T, office string) {
	id := s.creates(t, gala(), system.Person(0), system.Person(1))
	s.AwaitStatus(id, schoolbell.EventCompleted)
	pages := map[string]string{"overview": "", "events": "events", "events-empty": "events?q=nothing+like+this", "event": "events/" + id, "account": "account", "more": "more", "not-found": "nothing"}
	for _, d := range devices {
		p := s.signsIn(t, d, office, "")
		for name, page := range pages {
			p.visit(s.URL + "/panel/" + page)
			s.axeFindsNothing(t, p, "panel-"+name+"-"+d.String())
		}
		solo := s.browser.open(t, d)
		solo.visit(s.URL + "/panel/sign-in")
		s.axeFindsNothing(t, solo, "panel-sign-in-"+d.String())
	}
}

// axeFindsNothing expects that a page breaks no rule of accessibility, light and dark, and does nothing that it may not.
func (s *site) axeFindsNothing(t *testing.T, p *tab, name string) {
	t.Helper()
	p.picture(name)
	violations := s.violations(p)
	p.scheme(true)
	p.picture(name + "-dark")
	for _, v := range s.violations(p) {
		violations = append(violations, "dark: "+v)
	}
	p.scheme(false)
	requests, faults := p.noted()
	for _, u := range requests {
		if !strings.HasPrefix(u, s.URL+"/") && !strings.HasPrefix(u, "data:") { // which are the browser's own icons: the policy allows pages none
			t.Errorf("%s: the page requests %s", name, u)
		}
	}
	if len(faults) > 0 {
		t.Errorf("%s: %q", name, faults)
	}
	if len(violations) > 0 {
		t.Errorf("%s:\n%s", name, strings.Join(violations, "\n"))
	}
}

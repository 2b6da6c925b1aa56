package browser

import (
	"fmt"
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/test/openid"
	"schoolbell/test/system"
)

// withProvider is a site whose staff sign in at an identity provider.
func withProvider(t *testing.T) (*site, *openid.Provider) {
	t.Helper()
	provider := openid.New(t)
	s := startSiteWith(t, system.Parts{}, nil, func(s *system.School) []string {
		return append(provider.Settings(), "PUBLIC_URL="+s.URL)
	})
	return s, provider
}

func TestPanelSignOn(t *testing.T) {
	t.Parallel()
	s, provider := withProvider(t)
	s.staffLink(t, "mara@hollowbrook.example", "Mara Tennick", schoolbell.RoleAdmin) // has no password
	for _, script := range []bool{true, false} {
		t.Run(fmt.Sprintf("the button leads there and back, with scripts: %v", script), func(t *testing.T) { s.testSignOn(t, provider, script) })
	}
	t.Run("it works with the keyboard", func(t *testing.T) { s.testSignOnKeys(t, provider) })
	t.Run("an admin removes a link", func(t *testing.T) { s.testUnlink(t, provider) })
	t.Run("axe-core finds nothing on any page", func(t *testing.T) { s.testSignOnAccessible(t, provider) })
}

// clicks clicks what a selector finds and waits for the page that follows.
func (p *tab) clicks(selector string) {
	p.t.Helper()
	p.goes(func() { p.eval(fmt.Sprintf("document.querySelector(%q).click()", selector), nil) })
}

// forget forgets the requests and faults so far, such as those of the pages of others.
func (p *tab) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests, p.faults = nil, nil
}

// at returns the path and the query of the page.
func (p *tab) at() (path string) {
	p.t.Helper()
	p.eval("location.pathname + location.search", &path)
	return path
}

const (
	toProvider   = "a[href*='oidc/start']"
	goOnButton   = "button[value=on]"
	cancelButton = "button[value=back]"
)

func (s *site) testSignOn(t *testing.T, provider *openid.Provider, script bool) {
	provider.Person("mara", "mara@hollowbrook.example")
	p := s.browser.open(t, device{width: 390, script: script})
	p.visit(s.URL + "/panel/events?status=held")
	p.clicks(toProvider)
	if text := p.text(); !strings.Contains(text, "Continue as mara@hollowbrook.example") {
		t.Fatalf("the button leads to\n%s", text)
	}
	p.clicks(cancelButton)
	if text := p.text(); !strings.Contains(text, "sign-in with Hollowbrook ID was cancelled") {
		t.Errorf("cancelled:\n%s", text)
	}
	p.clicks(toProvider)
	p.clicks(goOnButton)
	if at := p.at(); at != "/panel/events?status=held" {
		t.Errorf("signed in, and at %s:\n%s", at, p.text())
	}
	if _, faults := p.noted(); len(faults) > 0 {
		t.Errorf("faults: %q", faults)
	}
	p.visit(s.URL + "/panel/account")
	p.goes(func() { p.submit("form[action$=sign-out]") })
	p.visit(s.URL + "/panel/")
	if text := p.text(); !strings.Contains(text, "Sign in to Hollowbrook School") {
		t.Errorf("signed out:\n%s", text)
	}
}

func (s *site) testSignOnKeys(t *testing.T, provider *openid.Provider) {
	provider.Person("mara", "mara@hollowbrook.example")
	p := s.browser.open(t, device{width: 1440, script: true})
	p.visit(s.URL + "/panel/sign-in")
	var focused string
	for range 10 {
		if p.eval("document.activeElement.innerText ?? ''", &focused); strings.Contains(focused, "Hollowbrook ID") {
			break
		}
		p.press("Tab")
	}
	p.goes(func() { p.press("Enter") })
	p.eval("document.querySelector('"+goOnButton+"').focus()", nil)
	p.goes(func() { p.press("Enter") })
	if at := p.at(); at != "/panel/" {
		t.Errorf("signed in, and at %s", at)
	}
}

// signsOn opens a page of the panel on a device as the person of the identity provider.
func (s *site) signsOn(t *testing.T, d device, page string) *tab {
	t.Helper()
	p := s.browser.open(t, d)
	p.visit(s.URL + "/panel/" + page)
	p.clicks(toProvider)
	p.clicks(goOnButton)
	return p
}

func (s *site) testUnlink(t *testing.T, provider *openid.Provider) {
	s.staffLink(t, "oswin@hollowbrook.example", "Oswin Hale", schoolbell.RoleSender)
	provider.Person("oswin", "oswin@hollowbrook.example")
	oswin := s.signsOn(t, device{width: 390}, "")
	provider.Person("another oswin", "oswin@hollowbrook.example")
	other := s.signsOn(t, device{width: 390}, "")
	if text := other.text(); !strings.Contains(text, "belongs to another sign-in") {
		t.Fatalf("another person with the address:\n%s", text)
	}
	provider.Person("mara", "mara@hollowbrook.example")
	p := s.signsOn(t, device{width: 1440}, "staff")
	p.goes(func() {
		p.eval("[...document.querySelectorAll('a.lead')].find(a => a.innerText.includes('Oswin')).click()", nil)
	})
	if text := p.text(); !strings.Contains(text, "Linked ") {
		t.Fatalf("the account:\n%s", text)
	}
	p.picture("panel-signon-account")
	if text := p.confirms("a[href$=unlink]", "Remove the link to ", "oswin@hollowbrook.example"); !strings.Contains(text, "The account is not linked any more") {
		t.Errorf("after the link was removed:\n%s", text)
	}
	oswin.visit(s.URL + "/panel/events")
	if text := oswin.text(); !strings.Contains(text, "Your session has ended") {
		t.Errorf("the session of before:\n%s", text)
	}
	provider.Person("another oswin", "oswin@hollowbrook.example")
	other.visit(s.URL + "/panel/sign-in")
	other.clicks(toProvider)
	other.clicks(goOnButton)
	if text := other.text(); !strings.Contains(text, "Overview") {
		t.Errorf("the next person with the address:\n%s", text)
	}
}

func (s *site) testSignOnAccessible(t *testing.T, provider *openid.Provider) {
	for _, d := range devices {
		p := s.browser.open(t, d)
		p.visit(s.URL + "/panel/sign-in")
		s.axeFindsNothing(t, p, "panel-signon-"+d.String())
		provider.Behave(openid.Manner{Deny: "server_error"})
		p.clicks(toProvider)
		p.clicks(goOnButton)
		p.forget()
		s.axeFindsNothing(t, p, "panel-signon-unavailable-"+d.String())
		provider.Behave(openid.Manner{})
		provider.Person("nobody", "somebody.with.a.long.name@hollowbrook.example")
		p.clicks(toProvider)
		p.clicks(goOnButton)
		if text := p.text(); !strings.Contains(text, "There is no staff account for somebody") {
			t.Errorf("nobody:\n%s", text)
		}
		p.forget()
		s.axeFindsNothing(t, p, "panel-signon-nobody-"+d.String())
	}
}

package browser

import (
	"strings"
	"testing"

	"schoolbell"
)

func TestPanelStaff(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	admin := s.account(t, "head@hollowbrook.example", "Oswin Hale", schoolbell.RoleAdmin)
	t.Run("an admin adds, changes and removes an account", func(t *testing.T) { s.testStaff(t, admin) })
	t.Run("there is always an admin", func(t *testing.T) { s.testLastAdmin(t, admin) })
	t.Run("axe-core finds nothing on any page", func(t *testing.T) { s.testStaffAccessible(t, admin) })
}

func (s *site) testStaff(t *testing.T, admin string) {
	p := s.signsIn(t, device{width: 1440}, admin, "staff")
	add := func(email string) string {
		p.visit(s.URL + "/panel/staff")
		p.fill(map[string]string{"name": "<b>Lene</b> Abrook", "email": email})
		p.eval("document.querySelector('[name=role]').value = 'sender'", nil)
		p.goes(func() { p.submit("form[action$=staff]") })
		return p.text()
	}
	if text := add(admin); !strings.Contains(text, "Another staff account has this email address") {
		t.Errorf("the address of another:\n%s", text)
	}
	if text := add("lene@hollowbrook.example"); !strings.Contains(text, "Link for <b>Lene</b> Abrook") {
		t.Fatalf("added:\n%s", text)
	}
	var link string
	p.eval("document.querySelector('input[readonly]').value", &link)
	lene := s.browser.open(t, device{width: 390})
	lene.visit(link)
	lene.fill(map[string]string{"password": panelPassword, "again": "another one"})
	lene.goes(func() { lene.submit("form") })
	if text := lene.text(); !strings.Contains(text, "Is not the same as the password") {
		t.Errorf("two passwords:\n%s", text)
	}
	lene.fill(map[string]string{"password": panelPassword, "again": panelPassword})
	lene.goes(func() { lene.submit("form") })
	if text := lene.text(); !strings.Contains(text, "Overview") {
		t.Fatalf("after choosing a password:\n%s", text)
	}
	again := s.browser.open(t, device{width: 390})
	again.visit(link)
	if text := again.text(); !strings.Contains(text, "This link is not good any more") {
		t.Errorf("the link again:\n%s", text)
	}
	p.visit(s.URL + "/panel/staff")
	p.goes(func() {
		p.eval("[...document.querySelectorAll('a.lead')].find(a => a.innerText.includes('Lene')).click()", nil)
	})
	p.goes(func() { p.submit("form[action$=remove]") })
	lene.visit(s.URL + "/panel/events")
	if text := lene.text(); !strings.Contains(text, "Your session has ended") {
		t.Errorf("after the account was removed:\n%s", text)
	}
	p.visit(s.URL + "/panel/audit?action=staff.remove")
	if text := p.text(); !strings.Contains(text, "Oswin Hale") || !strings.Contains(text, "staff.remove") {
		t.Errorf("the audit log:\n%s", text)
	}
}

func (s *site) testLastAdmin(t *testing.T, admin string) {
	p := s.signsIn(t, device{width: 1440}, admin, "staff")
	p.goes(func() {
		p.eval("[...document.querySelectorAll('a.lead')].find(a => a.innerText.includes('Oswin')).click()", nil)
	})
	p.eval("document.querySelector('[name=role]').value = 'viewer'", nil)
	p.goes(func() { p.submit("main form") })
	if text := p.text(); !strings.Contains(text, "This is the last admin") {
		t.Errorf("the last admin becomes a viewer:\n%s", text)
	}
}

func (s *site) testStaffAccessible(t *testing.T, admin string) {
	for _, d := range []device{{width: 390, script: true}, {width: 390, dark: true, script: true}, {width: 1440, script: true}, {width: 1440, dark: true, script: true}} {
		p := s.signsIn(t, d, admin, "staff")
		s.axeFindsNothing(t, p, "panel-staff-"+d.String())
		p.goes(func() { p.eval("document.querySelector('a.lead').click()", nil) })
		s.axeFindsNothing(t, p, "panel-staff-account-"+d.String())
		p.visit(s.URL + "/panel/audit")
		s.axeFindsNothing(t, p, "panel-audit-"+d.String())
	}
}

package browser

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
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
	p.confirms("a[href$=remove]", "Remove this account?", "<b>Lene</b> Abrook", "lene@hollowbrook.example", "Sender")
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
	for _, d := range devices {
		p := s.signsIn(t, d, admin, "staff")
		s.axeFindsNothing(t, p, "panel-staff-"+d.String())
		p.goes(func() { p.eval("document.querySelector('a.lead').click()", nil) })
		s.axeFindsNothing(t, p, "panel-staff-account-"+d.String())
		p.visit(s.URL + "/panel/audit")
		s.axeFindsNothing(t, p, "panel-audit-"+d.String())
	}
}

func TestPanelReset(t *testing.T) {
	t.Parallel()
	s := newSiteOn(t, system.Parts{Settings: []string{"PUBLIC_URL=http://school.example"}})
	email := s.account(t, "head@hollowbrook.example", "Oswin Hale", schoolbell.RoleAdmin)
	t.Run("a forgotten password is replaced by a link in an email", func(t *testing.T) { s.testReset(t, email) })
	t.Run("nobody learns which addresses have accounts", s.testResetUnknown)
	t.Run("axe-core finds nothing on the page", func(t *testing.T) {
		for _, d := range devices {
			p := s.browser.open(t, d)
			p.visit(s.URL + "/panel/reset")
			s.axeFindsNothing(t, p, "panel-reset-"+d.String())
		}
	})
}

var resetLink = regexp.MustCompile(`http://school\.example(/panel/password/[\w-]+)`)

func (s *site) testReset(t *testing.T, email string) {
	old := s.signsIn(t, device{width: 390}, email, "")
	p := s.browser.open(t, device{width: 390})
	p.visit(s.URL + "/panel/sign-in")
	p.goes(func() { p.eval("document.querySelector('a[href=reset]').click()", nil) })
	p.fill(map[string]string{"email": "Head@hollowbrook.example"})
	taken := s.mail.Accepted()
	p.goes(func() { p.submit("form") })
	if text := p.text(); !strings.Contains(text, "a link is on its way") {
		t.Fatalf("after asking:\n%s", text)
	}
	testenv.Eventually(t, patience, func() error {
		if n := s.mail.Accepted() - taken; n != 1 {
			return fmt.Errorf("%d emails were taken", n)
		}
		return nil
	}, "an email with a link")
	email = strings.ReplaceAll(s.mail.Newest(), "=\n", "") // lines of the encoded text are folded
	link := resetLink.FindStringSubmatch(email)
	if link == nil {
		t.Fatalf("the email:\n%s", email)
	}
	p.visit(s.URL + link[1])
	if text := p.text(); !strings.Contains(text, "Choose a password") {
		t.Fatalf("the link %s leads to\n%s\nThe email:\n%s", link[1], text, email)
	}
	p.fill(map[string]string{"password": "another green bicycle", "again": "another green bicycle"})
	p.goes(func() { p.submit("form") })
	if text := p.text(); !strings.Contains(text, "Overview") {
		t.Errorf("after the new password:\n%s", text)
	}
	old.visit(s.URL + "/panel/events")
	if text := old.text(); !strings.Contains(text, "Your session has ended") {
		t.Errorf("the session with the old password:\n%s", text)
	}
	p.visit(s.URL + link[1])
	if text := p.text(); !strings.Contains(text, "This link is not good any more") {
		t.Errorf("the link again:\n%s", text)
	}
	p.visit(s.URL + "/panel/audit?" + url.Values{"action": {"staff.reset"}}.Encode())
	if text := p.text(); !strings.Contains(text, "staff.reset") {
		t.Errorf("the audit log:\n%s", text)
	}
}

func (s *site) testResetUnknown(t *testing.T) {
	p := s.browser.open(t, device{width: 390})
	taken := s.mail.Accepted()
	for n := range 4 {
		p.visit(s.URL + "/panel/reset")
		p.fill(map[string]string{"email": "nobody@hollowbrook.example"})
		p.goes(func() { p.submit("form") })
		want := "a link is on its way"
		if n == 3 {
			want = "There were too many requests"
		}
		if text := p.text(); !strings.Contains(text, want) {
			t.Errorf("request %d:\n%s", n+1, text)
		}
	}
	if n := s.mail.Accepted() - taken; n != 0 {
		t.Errorf("%d emails were sent", n)
	}
}

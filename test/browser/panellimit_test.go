package browser

import (
	"fmt"
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/internal/testenv"
	"schoolbell/wire"
)

func TestPanelLimit(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.classes(t)
	admin := s.account(t, "head@hollowbrook.example", "Oswin Hale", schoolbell.RoleAdmin)
	a := s.limitedAccount(t, admin, "anna@hollowbrook.example", "Anna Dell", "7a")
	t.Run("a search finds what the account sees", func(t *testing.T) { s.testSearch(t, admin, a) })
	t.Run("the people are those of the groups", func(t *testing.T) { s.testLimitedPeople(t, a) })
	t.Run("events go to the groups only", func(t *testing.T) { s.testLimitedCompose(t, a) })
	t.Run("events are seen from the groups and above", func(t *testing.T) { s.testLimitedEvents(t, admin, a) })
	t.Run("an admin has no groups, and a limit can be lifted", func(t *testing.T) { s.testLiftLimit(t, admin) })
	t.Run("axe-core finds nothing on any page", func(t *testing.T) { s.testLimitAccessible(t, admin, a) })
}

// classes makes year 7 with two classes, each with a student and a guardian.
func (s *site) classes(t *testing.T) {
	t.Helper()
	for _, g := range []schoolbell.Group{{ID: "year-7", Name: "Year 7", Kind: schoolbell.GroupGrade}, {ID: "7a", Name: "Class 7a", Kind: schoolbell.GroupClass, Parent: "year-7"},
		{ID: "7b", Name: "Class 7b", Kind: schoolbell.GroupClass, Parent: "year-7"}} {
		_, _, err := s.Client.PutGroup(t.Context(), g)
		must(t, err)
	}
	for _, class := range []string{"7a", "7b"} {
		for _, u := range []schoolbell.User{
			{ID: "stu-" + class, Name: "Student of " + class, Roles: []schoolbell.Role{schoolbell.RoleStudent}, Groups: []string{class}},
			{ID: "par-" + class, Name: "Parent of " + class, Email: "par-" + class + "@mossfield.example", Roles: []schoolbell.Role{schoolbell.RoleParent}, GuardianOf: []string{"stu-" + class}},
		} {
			_, _, err := s.Client.PutUser(t.Context(), u)
			must(t, err)
		}
	}
}

// limitedAccount makes an account of a sender, which an admin then limits to groups on the page of the staff.
func (s *site) limitedAccount(t *testing.T, admin, email, name string, groups ...string) string {
	t.Helper()
	s.account(t, email, name, schoolbell.RoleSender)
	p := s.signsIn(t, device{width: 1440}, admin, "staff")
	p.goes(func() {
		p.eval(fmt.Sprintf("[...document.querySelectorAll('a.lead')].find(a => a.innerText === %q).click()", name), nil)
	})
	p.eval("document.querySelector('details').open = true", nil)
	for _, g := range groups {
		p.eval(fmt.Sprintf("document.querySelector('[name=groups][value=%q]').click()", g), nil)
	}
	p.picture("panel-staff-groups-1440")
	p.goes(func() { p.submit("main form") })
	if text := p.text(); !strings.Contains(text, "Saved.") || !strings.Contains(text, groups[0]) {
		t.Fatalf("after the account was limited:\n%s", text)
	}
	return email
}

func (s *site) testLimitedPeople(t *testing.T, a string) {
	p := s.signsIn(t, device{width: 1440}, a, "people")
	if text := p.text(); !strings.Contains(text, "Of Class 7a, and their guardians") || !strings.Contains(text, "Student of 7a") || !strings.Contains(text, "Parent of 7a") || strings.Contains(text, "7b") || !strings.Contains(text, "2 people") {
		t.Errorf("the list of people:\n%s", text)
	}
	p.visit(s.URL + "/panel/people?q=7b")
	if text := p.text(); !strings.Contains(text, "Nobody matches") {
		t.Errorf("a search beyond the groups:\n%s", text)
	}
	p.visit(s.URL + "/panel/people/par-7a/edit")
	p.fill(map[string]string{"name": "Petra of 7a"})
	p.goes(func() { p.submit("main form") })
	if text := p.text(); !strings.Contains(text, "Saved.") || !strings.Contains(text, "Petra of 7a") {
		t.Errorf("a guardian is edited:\n%s", text)
	}
	for _, page := range []string{"people/par-7b", "people/par-7b/edit", "people/par-7b/preferences", "people/nobody"} {
		p.visit(s.URL + "/panel/" + page)
		if text := p.text(); !strings.Contains(text, "There is no such page") {
			t.Errorf("%s:\n%s", page, text)
		}
	}
}

func (s *site) testLimitedCompose(t *testing.T, a string) {
	p := s.signsIn(t, device{width: 1440, script: true}, a, "compose")
	if text := p.text(); !strings.Contains(text, "Class 7a") || strings.Contains(text, "7b") || strings.Contains(text, "Everybody with a role") {
		t.Errorf("the form offers\n%s", text)
	}
	p.composes("Trip of 7a")
	p.awaitText("Send to 2 people")
	p.picture("panel-compose-limited-1440")
	// Somebody changes the form in their browser.
	p.eval("document.querySelector('[name=groups]').value = '7b'", nil)
	p.eval("document.querySelector('[name=groups]').dispatchEvent(new Event('input', {bubbles: true}))", nil)
	p.awaitText("is not one of the groups of your account")
	p.goes(func() { p.eval("document.getElementById('send').click()", nil) })
	if text := p.text(); !strings.Contains(text, "The event was not created") || !strings.Contains(text, `"7b" is not one of the groups of your account`) {
		t.Errorf("a group of others:\n%s", text)
	}
	p.visit(s.URL + "/panel/compose")
	p.looksFor("parent of 7b")
	p.awaitText("nobody matches")
	p.looksFor("of 7")
	p.awaitText("Student of 7a")
	p.picksOne("pick", "without_users:stu-7a")
	p.awaitText("Without Student of 7a")
	p.eval("document.querySelector('[name=without_users]').value = 'stu-7b'", nil)
	p.fill(map[string]string{"title": "x", "body": "x"})
	p.presses("Send")
	p.shows([]string{`"stu-7b" is not somebody in the groups of your account`}, "Student of 7b")
	p.visit(s.URL + "/panel/compose")
	p.composes("About a person of others")
	p.fill(map[string]string{"personal": "user,room\nstu-7b,1"})
	p.presses("Send")
	p.shows([]string{`Data of single people: Row 1: no user "stu-7b"`}, "Student of 7b")
	p.visit(s.URL + "/panel/compose")
	p.composes("Trip of 7a")
	p.awaitText("Send to 2 people")
	p.presses("Send to 2 people")
	if text := p.text(); !strings.Contains(text, "The event is created") {
		t.Errorf("the event of the groups:\n%s", text)
	}
}

// An event of an admin and one of a program are not seen from the groups; that of the groups is seen from above, not from beside.
func (s *site) testLimitedEvents(t *testing.T, admin, a string) {
	mine := s.titled(t, "Trip of 7a")[0].ID
	made, err := s.Client.CreateEvent(t.Context(), wire.NewEvent{Title: "Of a program", Body: "x", Audience: schoolbell.Audience{Selector: schoolbell.Selector{Groups: []string{"7a"}}}})
	must(t, err)
	s.AwaitStatus(mine, schoolbell.EventCompleted)
	s.AwaitStatus(made.ID, schoolbell.EventCompleted)
	b := s.limitedAccount(t, admin, "bo@hollowbrook.example", "Bo Ferris", "7b")
	year := s.limitedAccount(t, admin, "year@hollowbrook.example", "Yael Sand", "year-7")
	for account, sees := range map[string]bool{a: true, b: false, year: true} {
		p := s.signsIn(t, device{width: 1440}, account, "events")
		if text := p.text(); strings.Contains(text, "Trip of 7a") != sees || strings.Contains(text, "Of a program") {
			t.Errorf("%s lists\n%s", account, text)
		}
		testenv.Eventually(t, patience, func() bool { // the totals of the day are kept for some seconds
			p.visit(s.URL + "/panel/")
			return strings.Contains(p.text(), fmt.Sprintf("in %d event", map[bool]int{true: 1}[sees]))
		}, "%s has the overview of its events", account)
		for id, there := range map[string]bool{mine: sees, made.ID: false} {
			for _, page := range []string{"", "/deliveries.csv", "/cancel"} {
				if status := p.status(s.URL + "/panel/events/" + id + page); (status == 200) != there || !there && status != 404 {
					t.Errorf("%s asks for %s%s: %d", account, id, page, status)
				}
			}
		}
	}
	p := s.signsIn(t, device{width: 1440}, admin, "events")
	if text := p.text(); !strings.Contains(text, "Trip of 7a") || !strings.Contains(text, "Of a program") {
		t.Errorf("an admin lists\n%s", text)
	}
}

// status asks for a URL as the page would, and returns the HTTP status.
func (p *tab) status(url string) (status int) {
	p.t.Helper()
	p.eval(fmt.Sprintf("fetch(%q).then(a => a.status)", url), &status)
	return status
}

func (s *site) testLiftLimit(t *testing.T, admin string) {
	p := s.signsIn(t, device{width: 1440}, admin, "staff")
	p.goes(func() {
		p.eval("[...document.querySelectorAll('a.lead')].find(a => a.innerText === 'Bo Ferris').click()", nil)
	})
	p.eval("document.querySelector('[name=role]').value = 'admin'", nil)
	p.goes(func() { p.submit("main form") })
	if text := p.text(); !strings.Contains(text, "Must be empty for an admin") {
		t.Errorf("an admin with groups:\n%s", text)
	}
	p.eval("document.querySelectorAll('[name=groups]').forEach(g => g.checked = false)", nil)
	p.goes(func() { p.submit("main form") })
	if text := p.text(); !strings.Contains(text, "Saved.") {
		t.Errorf("an admin without groups:\n%s", text)
	}
}

func (s *site) testLimitAccessible(t *testing.T, admin, a string) {
	for _, d := range devices {
		p := s.signsIn(t, d, admin, "staff")
		p.goes(func() {
			p.eval("[...document.querySelectorAll('a.lead')].find(a => a.innerText === 'Anna Dell').click()", nil)
		})
		s.axeFindsNothing(t, p, "panel-staff-limited-"+d.String())
		p = s.signsIn(t, d, a, "")
		for name, page := range map[string]string{"people": "people", "compose": "compose", "account": "account"} {
			p.visit(s.URL + "/panel/" + page)
			s.axeFindsNothing(t, p, "panel-limited-"+name+"-"+d.String())
		}
	}
}

package browser

import (
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/test/system"
	"schoolbell/wire"
)

func TestPanelPeople(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.family(t)
	viewer := s.account(t, "viewer@hollowbrook.example", "Lene Abrook", schoolbell.RoleViewer)
	t.Run("people are found by name, id and address", func(t *testing.T) { s.testFindPeople(t, viewer) })
	t.Run("a person's page shows how they are reached", func(t *testing.T) { s.testPerson(t, viewer) })
	t.Run("deliveries name the people and lead to them", func(t *testing.T) { s.testNamedDeliveries(t, viewer) })
	t.Run("a person's page shows what was sent and read", func(t *testing.T) { s.testTold(t, viewer) })
	t.Run("the list is narrowed to a group", func(t *testing.T) { s.testPeopleOfGroup(t, viewer) })
	t.Run("more addresses are added and removed", s.testMoreAddresses)
	t.Run("a wrong address is corrected and the email resent", s.testFixAddress)
	t.Run("axe-core finds nothing on any page", func(t *testing.T) { s.testPeopleAccessible(t, viewer) })
}

// family puts a student and her mother, whose name would harm a page that does not escape it.
func (s *site) family(t *testing.T) {
	t.Helper()
	for _, u := range []schoolbell.User{
		{ID: "stu-1", Name: "Nia Mossfield", Roles: []schoolbell.Role{schoolbell.RoleStudent}, Groups: []string{"5b", "choir"}},
		{ID: "par-20418", Name: "Yara <b>Mossfield</b>", Email: "yara@mossfield.example", Phone: "+447700900142", Roles: []schoolbell.Role{schoolbell.RoleParent}, GuardianOf: []string{"stu-1"}},
	} {
		_, _, err := s.Client.PutUser(t.Context(), u)
		must(t, err)
	}
	_, err := s.Client.PutPreferences(t.Context(), "par-20418", schoolbell.Preference{Category: schoolbell.CategoryAnnouncement, Channel: schoolbell.ChannelEmail, Mode: schoolbell.ModeDigest})
	must(t, err)
	_, err = s.Client.PutSchedule(t.Context(), "par-20418", schoolbell.Schedule{QuietHours: schoolbell.QuietHours{From: "21:00", To: "07:00"}})
	must(t, err)
}

// Somebody in the office finds whom an email has not reached, corrects the address and sends it again.
func (s *site) testFixAddress(t *testing.T) {
	office := s.account(t, "office@hollowbrook.example", "Mara Tennick", schoolbell.RoleSender)
	s.mail.Refuse(1, 550)
	id := s.creates(t, gala(), system.Person(1))
	s.AwaitStatus(id, schoolbell.EventCompleted)
	s.mail.Refuse(1, 0)
	p := s.signsIn(t, device{width: 1440}, office, "events/"+id+"?status=failed")
	p.goes(func() { p.eval("document.querySelector('#people a.lead').click()", nil) })
	p.goes(func() { p.eval("document.querySelector('.actions a').click()", nil) })
	p.fill(map[string]string{"email": "not an address"})
	p.eval("document.querySelector('main form').noValidate = true", nil)
	p.goes(func() { p.submit("main form") })
	if got := p.text(); !strings.Contains(got, "Nothing is saved yet") || !strings.Contains(got, "Must be an address such as") {
		t.Errorf("a wrong address:\n%s", got)
	}
	p.picture("panel-person-edit-faults-1440")
	p.fill(map[string]string{"email": "new@mossfield.example"})
	p.goes(func() { p.submit("main form") })
	if got := p.text(); !strings.Contains(got, "Saved.") || !strings.Contains(got, "new@mossfield.example") {
		t.Errorf("saved:\n%s", got)
	}
	p.visit(s.URL + "/panel/events/" + id)
	p.goes(func() { p.submit("form[action$=retry]") })
	s.AwaitStatus(id, schoolbell.EventCompleted)
	if newest := string(s.mail.NewestRaw()); !strings.Contains(newest, "new@mossfield.example") {
		t.Errorf("the newest email is not to the new address:\n%s", newest)
	}
}

func (s *site) testFindPeople(t *testing.T, viewer string) {
	p := s.signsIn(t, device{width: 1440}, viewer, "people")
	for _, text := range []string{"mossfield", "par-2", "YARA@moss", "+447700"} {
		p.visit(s.URL + "/panel/people")
		p.fill(map[string]string{"q": text})
		p.goes(func() { p.submit("form[role=search]") })
		if got := p.text(); !strings.Contains(got, "Yara <b>Mossfield</b>") || strings.Contains(got, system.Address(0)) {
			t.Errorf("searching for %s:\n%s", text, got)
		}
	}
	p.goes(func() {
		p.eval("[...document.querySelectorAll('.tabs a')].find(a => a.innerText === 'Students').click()", nil)
	})
	if got := p.text(); !strings.Contains(got, "Nobody matches") {
		t.Errorf("students with this number:\n%s", got)
	}
}

func (s *site) testPerson(t *testing.T, viewer string) {
	p := s.signsIn(t, device{width: 1440}, viewer, "people?q=yara")
	p.goes(func() { p.eval("document.querySelector('a.lead').click()", nil) })
	for _, want := range []string{"Yara <b>Mossfield</b>", "Parent, guardian of Nia Mossfield", "yara@mossfield.example", "+447700900142", "Not known yet", "digest", "always", "Quiet from 21:00 to 07:00, Europe/London"} {
		if got := p.text(); !strings.Contains(got, want) {
			t.Errorf("%q is not on the page:\n%s", want, got)
		}
	}
	p.goes(func() { p.eval("document.querySelector('.list a').click()", nil) })
	if got := p.text(); !strings.Contains(got, "Student, in 5b and choir") || !strings.Contains(got, "In the app only") || !strings.Contains(got, "guardian") {
		t.Errorf("the student:\n%s", got)
	}
	p.visit(s.URL + "/panel/people/nobody")
	if got := p.text(); strings.Contains(got, "Mossfield") || !strings.Contains(strings.ToLower(got), "not found") && !strings.Contains(strings.ToLower(got), "there is no") {
		t.Errorf("somebody who is not there:\n%s", got)
	}
}

func (s *site) testNamedDeliveries(t *testing.T, viewer string) {
	id := s.creates(t, gala(), system.Person(0))
	s.AwaitStatus(id, schoolbell.EventCompleted)
	p := s.signsIn(t, device{width: 1440}, viewer, "events/"+id)
	p.goes(func() { p.eval("document.querySelector('#people a.lead').click()", nil) })
	var at string
	p.eval("location.pathname", &at)
	if at != "/panel/people/"+system.Person(0) {
		t.Errorf("the name leads to %s", at)
	}
}

func (s *site) testPeopleOfGroup(t *testing.T, viewer string) {
	p := s.signsIn(t, device{width: 1440}, viewer, "people")
	p.fill(map[string]string{"group": "choir"})
	p.goes(func() { p.submit("form[role=search]") })
	contains(t, p.text(), "Nia Mossfield", "Yara <b>Mossfield</b>", "2 people")
	contains(t, p.follows("Students"), "Nia Mossfield", "1 person")
}

func (s *site) testMoreAddresses(t *testing.T) {
	office := s.account(t, "secretary@hollowbrook.example", "Ana Lund", schoolbell.RoleSender)
	p := s.signsIn(t, device{width: 1440}, office, "people/par-20418/edit")
	contains(t, p.enters("main form", map[string]string{"more_email": "not an address"}), "Nothing is saved yet", "not an address: Must be an address such as")
	contains(t, p.enters("main form", map[string]string{"more_email": "second@mossfield.example", "more_sms": "+447700900199"}), "Saved.", "yara@mossfield.example", "second@mossfield.example", "+447700900199")
	p.visit(s.URL + "/panel/people/par-20418/edit")
	s.axeFindsNothing(t, s.signsIn(t, devices[0], office, "people/par-20418/edit"), "panel-person-edit-390")
	if got := p.enters("main form", map[string]string{"more_email": "", "more_sms": ""}); strings.Contains(got, "second@") || !strings.Contains(got, "yara@mossfield.example") {
		t.Errorf("after removing:\n%s", got)
	}
}

func (s *site) testTold(t *testing.T, viewer string) {
	_, err := s.Client.PutSchedule(t.Context(), "par-20418", schoolbell.Schedule{}) // her quiet hours may be now
	must(t, err)
	p := s.signsIn(t, device{width: 1440}, viewer, "people/stu-1")
	contains(t, p.text(), "Nothing was sent to this person")
	first := s.creates(t, wire.NewEvent{Title: "A first <i>event</i>", Body: "x"}, "par-20418")
	for range 10 {
		s.creates(t, wire.NewEvent{Title: "To somebody else, and to her", Body: "x", Channels: []schoolbell.Channel{schoolbell.ChannelInApp}}, "par-20418", system.Person(0))
	}
	last := s.creates(t, gala(), "par-20418")
	s.AwaitStatus(first, schoolbell.EventCompleted)
	s.AwaitStatus(last, schoolbell.EventCompleted)
	_, err = s.Client.ReadItem(t.Context(), "par-20418", last)
	must(t, err)
	p.visit(s.URL + "/panel/people/par-20418")
	contains(t, p.text(), gala().Title, "Read", "read ", "Sent", "In app", "Email")
	if strings.Contains(p.text(), "A first") {
		t.Error("the first event is among the newest 10")
	}
	contains(t, p.follows("Older"), "A first <i>event</i>", "Newest")
	contains(t, p.follows("A first"), "A first <i>event</i>")
}

func (s *site) testPeopleAccessible(t *testing.T, account string) {
	pages := map[string]string{"people": "people", "people-empty": "people?q=nothing+like+this", "person": "people/par-20418", "student": "people/stu-1"}
	for _, d := range devices {
		p := s.signsIn(t, d, account, "")
		for name, page := range pages {
			p.visit(s.URL + "/panel/" + page)
			s.axeFindsNothing(t, p, "panel-"+name+"-"+d.String())
		}
	}
}

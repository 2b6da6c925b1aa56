package browser

import (
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
	"schoolbell/wire"
)

func TestPanelChange(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.groupOfPeople(t)
	office := s.account(t, "office@hollowbrook.example", "Mara Tennick", schoolbell.RoleSender)
	t.Run("an event is changed before it is sent", func(t *testing.T) { s.testChangeUnsent(t, office) })
	t.Run("an event is previewed before it is sent", func(t *testing.T) { s.testPreviewUnsent(t, office) })
	t.Run("those who have an event are told of its change", func(t *testing.T) { s.testChangeSent(t, office) })
	t.Run("two people do not undo each other's change", func(t *testing.T) { s.testChangeTwice(t, office) })
	t.Run("an urgent event needs the right", func(t *testing.T) { s.testChangeUrgent(t, office) })
	t.Run("failures are grouped, found and resent", func(t *testing.T) { s.testFailures(t, office) })
	t.Run("what failed for one cause is resent alone", func(t *testing.T) { s.testResendCause(t, office) })
	t.Run("axe-core finds nothing on any page", func(t *testing.T) { s.testChangeAccessible(t, office) })
}

// later creates an event that is sent in years.
func (s *site) later(t *testing.T, title string) string {
	t.Helper()
	created, err := s.Client.CreateEvent(t.Context(), wire.NewEvent{Title: title, Body: "The gala starts at ten.", SendAt: wire.At(gala().StartsAt.Time),
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Groups: []string{"year-5"}}}})
	must(t, err)
	return created.ID
}

// changes presses the button of the form that changes an event.
func (p *tab) changes() {
	p.t.Helper()
	p.goes(func() { p.eval("document.getElementById('send').click()", nil) })
}

func (s *site) testChangeUnsent(t *testing.T, office string) {
	id := s.later(t, "Gala at ten")
	p := s.signsIn(t, device{width: 390}, office, "events/"+id)
	p.opens("Change")
	p.changes()
	p.shows([]string{"The event was not changed", "Nothing is changed yet."})
	p.fill(map[string]string{"title": "Gala at eleven", "location": "Pool", "ends_at": "2020-01-01T10:00"})
	p.eval("document.querySelector('[name=guardians]').click()", nil)
	p.changes()
	p.shows([]string{"Ends: Needs a start."})
	p.fill(map[string]string{"ends_at": ""})
	p.changes()
	p.shows([]string{"The event is changed.", "Gala at eleven", "year-5 and guardians of year-5", "Pool", "Changed by Mara Tennick: title, who and place"})
	ev, err := s.Client.Event(t.Context(), id)
	must(t, err)
	if ev.Body != "The gala starts at ten." || ev.Status != schoolbell.EventScheduled || ev.Revision != 1 {
		t.Errorf("the event is %+v", ev)
	}
}

// A preview of a scheduled event says what its messages say, also of the students of a guardian.
func (s *site) testPreviewUnsent(t *testing.T, office string) {
	for _, u := range []schoolbell.User{
		{ID: "nia", Name: "Nia Mossfield", Roles: []schoolbell.Role{schoolbell.RoleStudent}},
		{ID: "yara", Name: "Yara Mossfield", Email: "yara@hollowbrook.example", Roles: []schoolbell.Role{schoolbell.RoleParent}, GuardianOf: []string{"nia"}},
	} {
		_, _, err := s.Client.PutUser(t.Context(), u)
		must(t, err)
	}
	created, err := s.Client.CreateEvent(t.Context(), wire.NewEvent{Title: "Report of {{students}}", Body: "Dear {{user.name}}, {{students}} is in room {{data.room}}.", SendAt: wire.At(gala().StartsAt.Time),
		ForEach: schoolbell.ForEachStudent, Audience: schoolbell.Audience{GuardiansOf: &schoolbell.Selector{Users: []string{"nia"}}},
		Personal: []schoolbell.PersonData{{User: "yara", Data: []byte(`{"room": "7"}`)}}})
	must(t, err)
	p := s.signsIn(t, device{width: 390}, office, "events/"+created.ID)
	p.opens("Preview")
	p.shows([]string{"1 person", "Left out", "Who gets it", "As somebody gets it"})
	p.eval("document.getElementById('user').value = 'nobody'", nil)
	p.goes(func() { p.eval("document.querySelector('main form').submit()", nil) })
	p.shows([]string{"There is no such person."})
	p.eval("document.getElementById('user').value = 'yara'", nil)
	p.goes(func() { p.eval("document.querySelector('main form').submit()", nil) })
	p.shows([]string{"As Yara Mossfield gets it", "Report of Nia Mossfield", "Dear Yara Mossfield, Nia Mossfield is in room 7."})
	p.visit(s.URL + "/panel/events/" + created.ID + "/preview?user=nia")
	p.shows([]string{"As Nia Mossfield gets it", "Is not sent: not in the audience"})
	p.picture("panel-preview-left-out-390")
	for _, d := range []device{{width: 390, script: true}, {width: 1440, script: true}} {
		wide := s.signsIn(t, d, office, "events/"+created.ID+"/preview?user=yara")
		s.axeFindsNothing(t, wide, "panel-preview-"+d.String())
	}
}

func (s *site) testChangeSent(t *testing.T, office string) {
	id := s.creates(t, gala(), system.Person(0))
	s.AwaitStatus(id, schoolbell.EventCompleted)
	taken := s.mail.Accepted()
	p := s.signsIn(t, device{width: 1440, script: true}, office, "events/"+id)
	p.opens("Change")
	p.shows([]string{"told of the change"}, "Send at")
	p.fill(map[string]string{"location": "The other pool"})
	p.changes()
	p.shows([]string{"those who have it are told", "The other pool"})
	p.awaitText("All deliveries are done of the change")
	p.shows([]string{"Changed by Mara Tennick: place"})
	testenv.Eventually(t, patience, func() bool { return s.mail.Accepted() == taken+1 }, "the change is told")
	p.picture("panel-event-changed-1440")
}

func (s *site) testChangeTwice(t *testing.T, office string) {
	id := s.later(t, "Choir at ten")
	p := s.signsIn(t, device{width: 1440}, office, "events/"+id+"/change")
	title := "Choir at eleven"
	_, err := s.Client.ChangeEvent(t.Context(), id, wire.EventChange{Title: &title})
	must(t, err)
	p.fill(map[string]string{"location": "Hall"})
	p.changes()
	p.shows([]string{"The event was changed by somebody else"})
	p.visit(s.URL + "/panel/events/" + id)
	p.shows([]string{"Choir at eleven"}, "Hall")
}

func (s *site) testChangeUrgent(t *testing.T, office string) {
	created, err := s.Client.CreateEvent(t.Context(), wire.NewEvent{Title: "Snow", Body: "x", Category: schoolbell.CategoryUrgent, SendAt: wire.At(gala().StartsAt.Time),
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Groups: []string{"year-5"}}}})
	must(t, err)
	p := s.signsIn(t, device{width: 1440}, office, "events/"+created.ID+"/change")
	p.shows([]string{"Your role does not allow this"})
}

func (s *site) testFailures(t *testing.T, office string) {
	s.mail.Refuse(1, 550)
	id := s.creates(t, gala(), system.Person(0), system.Person(1))
	s.AwaitStatus(id, schoolbell.EventCompleted)
	s.mail.Refuse(1, 0)
	p := s.signsIn(t, device{width: 1440, script: true}, office, "events/"+id)
	p.shows([]string{"1 delivery failed", "1 failed", "Print report"})
	s.axeFindsNothing(t, p, "panel-event-failures-1440")
	p.opens("Show")
	var rows int
	p.eval("document.querySelectorAll('#people tbody tr').length", &rows)
	if rows != 1 {
		t.Errorf("%d deliveries are shown of the one that failed", rows)
	}
	p.visit(s.URL + "/panel/events/" + id + "?person=" + system.Person(0))
	p.eval("document.querySelectorAll('#people tbody tr').length", &rows)
	if text := p.text(); rows != 2 {
		t.Errorf("%d deliveries are shown of a person with two:\n%s", rows, text)
	}
	p.goes(func() { p.submit("form[action$=retry]") })
	p.awaitText("All deliveries are done")
	p.awaitText("Failed deliveries resent by Mara Tennick")
	if text := p.text(); strings.Contains(text, "delivery failed") {
		t.Errorf("resent:\n%s", text)
	}
	p.visit(s.URL + "/panel/events/" + id)
	p.call("Emulation.setEmulatedMedia", map[string]any{"media": "print"}, nil)
	p.shows([]string{"Report of an event, printed", "Mara Tennick"}, "Change", "Cancel event")
	p.picture("panel-event-printed-1440")
}

func (s *site) testResendCause(t *testing.T, office string) {
	s.mail.Refuse(1, 550)
	s.mail.Refuse(2, system.MailboxFull)
	id := s.creates(t, gala(), system.Person(0), system.Person(1), system.Person(2))
	s.AwaitStatus(id, schoolbell.EventCompleted)
	s.mail.Refuse(2, 0)
	viewer := s.account(t, "viewer@hollowbrook.example", "Sol Amari", schoolbell.RoleViewer)
	p := s.signsIn(t, device{width: 1440}, viewer, "events/"+id)
	p.shows([]string{"2 deliveries failed", "The mailbox is full"}, "Resend 1")
	for _, d := range devices {
		s.axeFindsNothing(t, s.signsIn(t, d, office, "events/"+id), "panel-event-causes-"+d.String())
	}
	p = s.signsIn(t, device{width: 390}, office, "events/"+id)
	full := "input[name=cause][value=full]"
	p.goes(func() { p.eval("document.querySelector('"+full+"').form.querySelector('button').click()", nil) })
	p.shows([]string{"are being sent again"})
	s.AwaitStatus(id, schoolbell.EventCompleted)
	p.visit(s.URL + "/panel/events/" + id)
	p.shows([]string{"1 delivery failed", "not here", "Resend 1"}, "The mailbox is full")
	s.mail.Refuse(1, 0)
}

func (s *site) testChangeAccessible(t *testing.T, office string) {
	s.mail.Refuse(1, 550)
	id := s.creates(t, gala(), system.Person(0), system.Person(1))
	s.AwaitStatus(id, schoolbell.EventCompleted)
	unsent := s.later(t, "Gala at noon")
	for _, d := range devices {
		p := s.signsIn(t, d, office, "events/"+id)
		s.axeFindsNothing(t, p, "panel-event-failed-"+d.String())
		p.opens("Show")
		s.axeFindsNothing(t, p, "panel-event-cause-"+d.String())
		p.visit(s.URL + "/panel/events/" + id + "/change")
		s.axeFindsNothing(t, p, "panel-change-sent-"+d.String())
		p.visit(s.URL + "/panel/events/" + unsent + "/change")
		s.axeFindsNothing(t, p, "panel-change-"+d.String())
		p.changes()
		s.axeFindsNothing(t, p, "panel-change-faults-"+d.String())
	}
}

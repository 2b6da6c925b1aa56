package browser

import (
	"fmt"
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/testenv"
	"schoolbell/wire"
)

func TestPanelCompose(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.groupOfPeople(t)
	office := s.account(t, "office@hollowbrook.example", "Mara Tennick", schoolbell.RoleSender)
	t.Run("an event is composed, counted and sent once", func(t *testing.T) { s.testCompose(t, office) })
	t.Run("it works without scripts", func(t *testing.T) { s.testComposeScriptless(t, office) })
	t.Run("what is wrong is told at its field and above", func(t *testing.T) { s.testComposeFaults(t, office) })
	t.Run("an urgent event needs the right", func(t *testing.T) { s.testComposeUrgentRight(t, office) })
	t.Run("an urgent event needs the word", s.testComposeUrgentWord)
	t.Run("a viewer may not compose", s.testComposeViewer)
	t.Run("axe-core finds nothing on any page", s.testComposeAccessible)
}

// groupOfPeople puts a student with a guardian into a class.
func (s *site) groupOfPeople(t *testing.T) {
	t.Helper()
	_, _, err := s.Client.PutGroup(t.Context(), schoolbell.Group{ID: "year-5", Name: "Year 5", Kind: schoolbell.GroupGrade})
	must(t, err)
	for _, u := range []schoolbell.User{
		{ID: "pupil", Name: "Nia Mossfield", Email: "nia@hollowbrook.example", Roles: []schoolbell.Role{schoolbell.RoleStudent}, Groups: []string{"year-5"}},
		{ID: "mother", Name: "Yara Mossfield", Email: "yara@hollowbrook.example", Roles: []schoolbell.Role{schoolbell.RoleParent}, GuardianOf: []string{"pupil"}},
	} {
		_, _, err = s.Client.PutUser(t.Context(), u)
		must(t, err)
	}
}

// composes writes an event for the class and the guardians of the class.
func (p *tab) composes(title string) {
	p.t.Helper()
	p.fill(map[string]string{"title": title, "body": "The gala starts at ten.\n\nPlease bring a towel.", "location": "Pool"})
	for _, box := range []string{"groups", "guardians"} {
		p.eval(fmt.Sprintf("document.querySelector('[name=%s]').checked || document.querySelector('[name=%[1]s]').click()", box), nil)
	}
}

// presses presses a button with a text.
func (p *tab) presses(text string) {
	p.t.Helper()
	p.goes(func() {
		p.eval(fmt.Sprintf("[...document.querySelectorAll('.sendbar button')].find(b => b.innerText.trim() === %q).click()", text), nil)
	})
}

// titled returns the events that have a title.
func (s *site) titled(t *testing.T, title string) (events []*wire.Event) {
	t.Helper()
	page, err := s.Client.Events(t.Context(), "", client.Page{})
	must(t, err)
	for _, ev := range page.Events {
		if ev.Title == title {
			events = append(events, ev)
		}
	}
	return events
}

func (s *site) testCompose(t *testing.T, office string) {
	p := s.signsIn(t, device{width: 1440, script: true}, office, "")
	p.goes(func() { p.eval("document.querySelector('a[data-key=n]').click()", nil) })
	p.composes("Gala at ten")
	p.awaitText("Send to 2 people")
	p.awaitText("As somebody gets it")
	p.picture("panel-compose-counted-1440")
	var status []int
	p.eval(`Promise.all([1, 2].map(() => fetch(document.getElementById('f').action, {method: 'POST', redirect: 'manual', body: new URLSearchParams(new FormData(document.getElementById('f')))}).then(a => a.status)))`, &status)
	p.presses("Send to 2 people")
	p.awaitText("All deliveries are done")
	p.awaitText("Created by Mara Tennick")
	if n := len(s.titled(t, "Gala at ten")); n != 1 {
		t.Errorf("sent three times, there are %d events; %v", n, status)
	}
	page, err := s.Client.Audit(t.Context(), schoolbell.AuditFilter{Action: "event.create"}, client.Page{})
	must(t, err)
	if len(page.Items) != 1 || page.Items[0].Actor.Kind != schoolbell.ActorStaff {
		t.Errorf("the audit has %+v", page.Items)
	}
	if _, faults := p.noted(); len(faults) > 0 {
		t.Errorf("the page did what it may not: %v", faults)
	}
}

func (s *site) testComposeScriptless(t *testing.T, office string) {
	p := s.signsIn(t, device{width: 390}, office, "compose")
	p.composes("Gala at eleven")
	p.fill(map[string]string{"send_at": "2030-06-03T09:30"})
	p.presses("Recount")
	p.presses("Schedule for 2 people")
	if text := p.text(); !strings.Contains(text, "Gala at eleven") || !strings.Contains(text, "Scheduled") {
		t.Errorf("the event:\n%s", text)
	}
	if at := s.titled(t, "Gala at eleven")[0].SendAt.UTC().Format("2006-01-02T15:04"); at != "2030-06-03T08:30" {
		t.Errorf("sent at half past nine in London, it goes out at %s", at)
	}
}

func (s *site) testComposeFaults(t *testing.T, office string) {
	p := s.signsIn(t, device{width: 1440, script: true}, office, "compose")
	p.fill(map[string]string{"title": "<b>Gala</b>", "ends_at": "2030-06-03T09:30"})
	p.presses("Send")
	for _, want := range []string{"The event was not created", "Text: Must not be empty.", "Who: Choose at least one role or group.", "Ends: Needs a start."} {
		if text := p.text(); !strings.Contains(text, want) {
			t.Errorf("%q is missing:\n%s", want, text)
		}
	}
	var focus, title, described string
	p.eval("document.activeElement.className", &focus)
	p.eval("document.getElementById('title').value", &title)
	p.eval("document.getElementById(document.getElementById('body').getAttribute('aria-describedby')).innerText.trim()", &described)
	if focus != "summary" || title != "<b>Gala</b>" || described != "Must not be empty." {
		t.Errorf("the focus is on %q, the title is %q, the text is %q", focus, title, described)
	}
	s.axeFindsNothing(t, p, "panel-compose-faults-1440")
	if n := len(s.titled(t, "<b>Gala</b>")); n != 0 {
		t.Errorf("%d events were created", n)
	}
}

func (s *site) testComposeUrgentRight(t *testing.T, office string) {
	p := s.signsIn(t, device{width: 1440}, office, "compose/urgent")
	if text := p.text(); !strings.Contains(text, "Your role does not allow this") {
		t.Errorf("the form:\n%s", text)
	}
	p.visit(s.URL + "/panel/compose")
	if text := p.text(); strings.Contains(text, "Urgent") {
		t.Errorf("offered:\n%s", text)
	}
	p.composes("Snow without the right")
	p.eval("document.querySelector('[name=category]').options[0].value = 'urgent'", nil)
	p.presses("Send")
	if text := p.text(); !strings.Contains(text, "Your role does not allow this") {
		t.Errorf("sent:\n%s", text)
	}
	if n := len(s.titled(t, "Snow without the right")); n != 0 {
		t.Errorf("%d events were created", n)
	}
}

func (s *site) testComposeUrgentWord(t *testing.T) {
	head := s.account(t, "head@hollowbrook.example", "Oswin Hale", schoolbell.RoleAdmin)
	p := s.signsIn(t, device{width: 1440, script: true}, head, "")
	p.goes(func() { p.eval("document.querySelector('a[data-key=u]').click()", nil) })
	p.composes("Snow: school closed")
	p.presses("Send")
	if text := p.text(); !strings.Contains(text, "Confirmation: Type SEND to confirm.") || len(s.titled(t, "Snow: school closed")) != 0 {
		t.Errorf("without the word:\n%s", text)
	}
	p.fill(map[string]string{"confirm": "SEND"})
	p.presses("Send")
	p.awaitText("All deliveries are done")
	testenv.Eventually(t, patience, func() error {
		if n := len(s.titled(t, "Snow: school closed")); n != 1 {
			return fmt.Errorf("there are %d events", n)
		}
		return nil
	}, "the event is listed")
}

func (s *site) testComposeViewer(t *testing.T) {
	viewer := s.account(t, "viewer@hollowbrook.example", "Lene Abrook", schoolbell.RoleViewer)
	p := s.signsIn(t, device{width: 390}, viewer, "compose")
	if text := p.text(); !strings.Contains(text, "Your role does not allow this") {
		t.Errorf("a viewer sees\n%s", text)
	}
	p.visit(s.URL + "/panel/")
	var offered int
	p.eval("document.querySelectorAll('a[href*=compose]').length", &offered)
	if offered != 0 {
		t.Errorf("a viewer is offered to compose")
	}
}

func (s *site) testComposeAccessible(t *testing.T) {
	chief := s.account(t, "chief@hollowbrook.example", "Ida Marlow", schoolbell.RoleAdmin)
	for _, d := range []device{{width: 390, script: true}, {width: 390, dark: true, script: true}, {width: 1440, script: true}, {width: 1440, dark: true, script: true}} {
		p := s.signsIn(t, d, chief, "compose")
		s.axeFindsNothing(t, p, "panel-compose-"+d.String())
		p.composes("Gala at noon")
		p.presses("Recount")
		s.axeFindsNothing(t, p, "panel-compose-recounted-"+d.String())
		p.visit(s.URL + "/panel/compose/urgent")
		s.axeFindsNothing(t, p, "panel-compose-urgent-"+d.String())
	}
}

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
	t.Run("the number of people is asked again if it changes", func(t *testing.T) { s.testComposeOtherCount(t, office) })
	t.Run("texts in other languages are added and removed", func(t *testing.T) { s.testComposeTexts(t, office) })
	t.Run("guardians are told which students it is about", func(t *testing.T) { s.testComposeForEach(t, office) })
	t.Run("a table says something else to everybody", func(t *testing.T) { s.testComposePersonal(t, office) })
	t.Run("it works without scripts", func(t *testing.T) { s.testComposeScriptless(t, office) })
	t.Run("what is wrong is told at its field and above", func(t *testing.T) { s.testComposeFaults(t, office) })
	t.Run("an urgent event needs the right", func(t *testing.T) { s.testComposeUrgentRight(t, office) })
	t.Run("an urgent event needs the word", s.testComposeUrgentWord)
	t.Run("an urgent event starts from a ready text", s.testComposeReady)
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
	var template string
	p.eval("[...document.querySelectorAll('.as-written + .hint')].map(e => e.textContent).join()", &template)
	if template != "Template: Announcement, English, standard" {
		t.Errorf("the message is made from %q", template)
	}
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

// Somebody joins the class after the page has said how many people get the event.
func (s *site) testComposeOtherCount(t *testing.T, office string) {
	p := s.signsIn(t, device{width: 390}, office, "compose")
	p.composes("Gala for more")
	p.presses("Recount")
	joins := schoolbell.User{ID: "father", Name: "Corin Mossfield", Email: "corin@hollowbrook.example", Roles: []schoolbell.Role{schoolbell.RoleParent}, GuardianOf: []string{"pupil"}}
	_, _, err := s.Client.PutUser(t.Context(), joins)
	must(t, err)
	p.presses("Send to 2 people")
	p.shows([]string{"The event was not created", "The audience has changed since it was counted: it is now 3 people."})
	if n := len(s.titled(t, "Gala for more")); n != 0 {
		t.Errorf("%d events were created", n)
	}
	p.presses("Send to 3 people")
	if n := len(s.titled(t, "Gala for more")); n != 1 {
		t.Errorf("%d events were created", n)
	}
	must(t, s.Client.DeleteUser(t.Context(), joins.ID))
}

func (s *site) testComposeTexts(t *testing.T, office string) {
	p := s.signsIn(t, device{width: 390}, office, "compose")
	p.composes("Gala in two languages")
	for _, language := range []string{"es", "de"} {
		p.fill(map[string]string{"language": language})
		p.goes(func() { p.eval("document.querySelector('button[value=add]').click()", nil) })
	}
	p.goes(func() { p.eval("document.querySelector('button[name=drop][value=de]').click()", nil) })
	p.presses("Send")
	p.shows([]string{"Translations: Es, title"}, "Text in de")
	p.fill(map[string]string{"text_title": "La gala", "text_body": "Empieza a las diez."})
	p.presses("Send")
	sent := s.titled(t, "Gala in two languages")
	if len(sent) != 1 || len(sent[0].Texts) != 1 || sent[0].Texts["es"].Title != "La gala" {
		t.Errorf("the events are %+v", sent)
	}
}

func (s *site) testComposeForEach(t *testing.T, office string) {
	p := s.signsIn(t, device{width: 390}, office, "compose")
	p.composes("Photos of {{students}}")
	p.eval("document.querySelector('[name=for_each]').click(), document.querySelector('[name=guardians]').click()", nil)
	p.presses("Send")
	p.shows([]string{"Name the students: Choose the guardians of a group"})
	p.eval("document.querySelector('[name=guardians]').click()", nil)
	p.presses("Send")
	if sent := s.titled(t, "Photos of {{students}}"); len(sent) != 1 || sent[0].ForEach != schoolbell.ForEachStudent {
		t.Errorf("the events are %+v", sent)
	}
}

func (s *site) testComposePersonal(t *testing.T, office string) {
	p := s.signsIn(t, device{width: 390}, office, "compose")
	p.composes("Seats in the hall")
	p.fill(map[string]string{"body": "Your seat: {{data.seat|anywhere}}", "personal": "user\tSeat\nmother\tA 1\nnobody\tB 2"})
	p.presses("Send")
	p.shows([]string{"The event was not created", `Data of single people: Row 2: `, "Write {{data.seat}} in the title or the text."})
	p.picture("panel-compose-personal-390")
	p.fill(map[string]string{"personal": "user;seat\nmother;A 1;x"})
	p.presses("Recount")
	p.shows([]string{"Row 1 has 3 cells, and there are 2 columns."})
	p.fill(map[string]string{"personal": "user;seat\nmother;A 1"})
	p.presses("Save draft")
	p.presses("Send")
	sent := s.titled(t, "Seats in the hall")
	if len(sent) != 1 || sent[0].PersonalCount != 1 {
		t.Fatalf("the events are %+v", sent)
	}
	s.AwaitStatus(sent[0].ID, schoolbell.EventCompleted)
	for user, want := range map[string]string{"mother": "Your seat: A 1", "pupil": "Your seat: anywhere"} {
		inbox, err := s.Client.Inbox(t.Context(), user, client.Page{})
		must(t, err)
		if len(inbox.Items) == 0 || inbox.Items[0].Body != want {
			t.Errorf("%s reads %+v", user, inbox.Items)
		}
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
	for _, want := range []string{"The event was not created", "Text: Must not be empty.", "Who: Choose who gets it.", "Ends: Needs a start."} {
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

func (s *site) testComposeReady(t *testing.T) {
	deputy := s.account(t, "deputy@hollowbrook.example", "Ines Rowan", schoolbell.RoleAdmin)
	p := s.signsIn(t, device{width: 390}, deputy, "compose/urgent")
	ready := func(value string) {
		t.Helper()
		p.goes(func() { p.eval("document.querySelector('button[name=ready][value="+value+"]').click()", nil) })
	}
	written := func() (text string) {
		p.eval("document.getElementById('title').value + '|' + document.getElementById('body').value", &text)
		return text
	}
	p.composes("Ice on the roads")
	ready("closed")
	if got := written(); got != "School closed today|The school is closed today. There are no lessons. We will tell you when it opens again." {
		t.Errorf("the ready text is %q", got)
	}
	ready("back")
	if got := written(); !strings.HasPrefix(got, "Ice on the roads|") {
		t.Errorf("put back is %q", got)
	}
	ready("late")
	ready("translated")
	ready("clear")
	p.picture("panel-compose-ready-390")
	p.fill(map[string]string{"title": "All clear at noon", "confirm": "SEND"})
	p.presses("Send to 2 people")
	sent := s.titled(t, "All clear at noon")
	if len(sent) != 1 || len(sent[0].Texts) != 4 || sent[0].Texts["de"].Title != "Entwarnung" {
		t.Errorf("the events are %+v", sent)
	}
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
	for _, d := range devices {
		p := s.signsIn(t, d, chief, "compose")
		s.axeFindsNothing(t, p, "panel-compose-"+d.String())
		p.composes("Gala at noon")
		p.presses("Recount")
		s.axeFindsNothing(t, p, "panel-compose-recounted-"+d.String())
		p.goes(func() { p.eval("document.querySelector('button[value=add]').click()", nil) })
		s.axeFindsNothing(t, p, "panel-compose-texts-"+d.String())
		p.visit(s.URL + "/panel/compose/urgent")
		s.axeFindsNothing(t, p, "panel-compose-urgent-"+d.String())
	}
}

package browser

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"schoolbell"
	"schoolbell/internal/testenv"
)

func TestPanelComposeWho(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.groupOfPeople(t)
	s.manyGroups(t)
	office := s.account(t, "office@hollowbrook.example", "Mara Tennick", schoolbell.RoleSender)
	t.Run("groups and people are found, chosen and left out", func(t *testing.T) { s.testWhoScriptless(t, office) })
	t.Run("the page follows what is chosen", func(t *testing.T) { s.testWhoLive(t, office) })
	t.Run("a change keeps who is chosen, and adds a language", func(t *testing.T) { s.testWhoChange(t, office) })
	t.Run("axe-core finds nothing on any page", func(t *testing.T) { s.testWhoAccessible(t, office) })
}

// manyGroups makes more groups than the form offers. The last by id is a club with a member.
func (s *site) manyGroups(t *testing.T) {
	t.Helper()
	for i := range 205 {
		_, _, err := s.Client.PutGroup(t.Context(), schoolbell.Group{ID: fmt.Sprintf("class-%03d", i), Name: fmt.Sprintf("Class %03d", i), Kind: schoolbell.GroupClass})
		must(t, err)
	}
	_, _, err := s.Client.PutGroup(t.Context(), schoolbell.Group{ID: "zebra", Name: "Zebra club", Kind: schoolbell.GroupClub})
	must(t, err)
	_, _, err = s.Client.PutUser(t.Context(), schoolbell.User{ID: "coach", Name: "Tarik Sund", Email: "tarik@hollowbrook.example", Roles: []schoolbell.Role{schoolbell.RoleTeacher}, Groups: []string{"zebra"}})
	must(t, err)
}

// finds searches in the form without a script.
func (p *tab) finds(text string) {
	p.t.Helper()
	p.fill(map[string]string{"find": text})
	p.goes(func() {
		p.eval("[...document.querySelectorAll('#picks button')].find(b => b.innerText === 'Find').click()", nil)
	})
}

// looksFor types into the search of a form that follows it.
func (p *tab) looksFor(text string) {
	p.t.Helper()
	p.fill(map[string]string{"find": text})
	p.eval("document.getElementById('find').dispatchEvent(new Event('input', {bubbles: true}))", nil)
}

// picksOne presses a button that adds or removes somebody, once a script that follows the page has taken it over.
func (p *tab) picksOne(button, value string) {
	p.t.Helper()
	found := fmt.Sprintf("document.querySelector('button[name=%s][value=%q]')", button, value)
	testenv.Eventually(p.t, patience, func() error {
		var ready bool
		if p.eval("!window.htmx || 'htmx-internal-data' in ("+found+" || {})", &ready); !ready {
			return errors.New("the button is not ready")
		}
		return nil
	}, "%s is offered", value)
	p.eval(found+".click()", nil)
}

func (s *site) testWhoScriptless(t *testing.T, office string) {
	p := s.signsIn(t, device{width: 390}, office, "compose")
	p.shows([]string{"Class 003", "more groups than these"}, "Zebra")
	p.fill(map[string]string{"title": "Zebras to the pool", "body": "At ten."})
	p.finds("nobody of this name")
	p.shows([]string{"No group and nobody matches"})
	for _, step := range [][2]string{{"zebra", "groups:zebra"}, {"nia", "students:pupil"}, {"nia", "users:pupil"}, {"tarik", "without_users:coach"}, {"year", "without_groups:year-5"}} {
		p.finds(step[0])
		p.goes(func() { p.picksOne("pick", step[1]) })
	}
	p.shows([]string{"Guardians of Nia Mossfield", "Without Tarik Sund", "Without Year 5", "Send to 1 person"})
	p.goes(func() { p.picksOne("unpick", "without_groups:year-5") })
	p.shows([]string{"Zebra club", "Send to 2 people"}, "Without Year 5")
	p.picture("panel-compose-who-390")
	p.presses("Save draft")
	p.visit(s.URL + "/panel/drafts")
	p.opens("Zebras to the pool")
	p.presses("Send")
	sent := s.titled(t, "Zebras to the pool")
	if len(sent) != 1 {
		t.Fatalf("the events are %+v", sent)
	}
	a := sent[0].Audience
	if !slices.Equal(a.Groups, []string{"zebra"}) || !slices.Equal(a.Users, []string{"pupil"}) || a.GuardiansOf == nil || !slices.Equal(a.GuardiansOf.Users, []string{"pupil"}) ||
		a.Exclude == nil || !slices.Equal(a.Exclude.Users, []string{"coach"}) || len(a.Exclude.Groups) > 0 {
		t.Errorf("the audience is %+v", a)
	}
	s.AwaitStatus(sent[0].ID, schoolbell.EventCompleted)
	if ev, err := s.Client.Event(t.Context(), sent[0].ID); err != nil || ev.Progress.Channels[schoolbell.ChannelInApp].Total != 2 {
		t.Errorf("the event for 2 people has %+v, %v", ev.Progress, err)
	}
}

func (s *site) testWhoLive(t *testing.T, office string) {
	p := s.signsIn(t, device{width: 1440, script: true}, office, "compose")
	p.fill(map[string]string{"title": "To one mother"})
	p.looksFor("moss")
	p.awaitText("Nia Mossfield")
	p.picksOne("pick", "users:mother")
	p.awaitText("Send to 1 person")
	p.looksFor("zeb")
	p.awaitText("Zebra club")
	p.picksOne("pick", "groups:zebra")
	p.awaitText("Send to 2 people")
	p.picture("panel-compose-who-live-1440")
	p.picksOne("unpick", "users:mother")
	p.awaitText("Send to 1 person")
	var title string
	p.eval("document.getElementById('title').value", &title)
	if _, faults := p.noted(); len(faults) > 0 || title != "To one mother" {
		t.Errorf("the title is %q, and the page did what it may not: %v", title, faults)
	}
}

func (s *site) testWhoChange(t *testing.T, office string) {
	id := s.later(t, "Choir at noon")
	p := s.signsIn(t, device{width: 390}, office, "events/"+id+"/change")
	p.finds("yara")
	p.goes(func() { p.picksOne("pick", "without_users:mother") })
	p.fill(map[string]string{"language": "es"})
	p.goes(func() { p.eval("document.querySelector('button[name=text]').click()", nil) })
	p.shows([]string{"Without Yara Mossfield", "Text in es"})
	p.fill(map[string]string{"text_title": "El coro", "text_body": "A mediodía."})
	p.changes()
	p.shows([]string{"The event is changed.", "year-5, without 1 person", "es"})
	p.visit(s.URL + "/panel/events/" + id + "/change")
	p.goes(func() { p.eval("document.querySelector('button[name=drop]').click()", nil) })
	p.goes(func() { p.picksOne("unpick", "without_users:mother") })
	p.changes()
	ev, err := s.Client.Event(t.Context(), id)
	must(t, err)
	if len(ev.Texts) != 0 || !ev.Audience.Exclude.Empty() || ev.Revision != 2 {
		t.Errorf("the event is %+v", ev)
	}
}

func (s *site) testWhoAccessible(t *testing.T, office string) {
	for _, d := range devices {
		p := s.signsIn(t, d, office, "compose")
		p.looksFor("moss")
		p.awaitText("Nia Mossfield")
		p.picksOne("pick", "without_users:pupil")
		p.awaitText("Without Nia Mossfield")
		p.looksFor("e")
		p.awaitText("Zebra club")
		s.axeFindsNothing(t, p, "panel-compose-who-"+d.String())
	}
}

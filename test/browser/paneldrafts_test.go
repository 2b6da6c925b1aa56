package browser

import (
	"strconv"
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/client"
)

func TestPanelDrafts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.groupOfPeople(t)
	office := s.account(t, "office@hollowbrook.example", "Mara Tennick", schoolbell.RoleSender)
	t.Run("a form saves itself, is continued and gone once sent", func(t *testing.T) { s.testDraftSavesItself(t, office) })
	t.Run("drafts work without scripts", func(t *testing.T) { s.testDraftScriptless(t, office) })
	t.Run("nobody else sees a draft", func(t *testing.T) { s.testDraftPrivate(t, office) })
	t.Run("axe-core finds nothing on any page", func(t *testing.T) { s.testDraftsAccessible(t, office) })
}

// opens follows a link with a text.
func (p *tab) opens(text string) {
	p.t.Helper()
	p.goes(func() {
		p.eval("[...document.querySelectorAll('main a')].find(a => a.innerText.trim().startsWith("+strconv.Quote(text)+")).click()", nil)
	})
}

// shows expects texts on the page, and none of others.
func (p *tab) shows(wanted []string, unwanted ...string) {
	p.t.Helper()
	text := p.text()
	for _, want := range wanted {
		if !strings.Contains(text, want) {
			p.t.Errorf("%q is missing:\n%s", want, text)
		}
	}
	for _, no := range unwanted {
		if strings.Contains(text, no) {
			p.t.Errorf("%q is there:\n%s", no, text)
		}
	}
}

func (s *site) testDraftSavesItself(t *testing.T, office string) {
	p := s.signsIn(t, device{width: 1440, script: true}, office, "compose")
	p.composes("Gala in the draft")
	p.awaitText("Draft saved")
	p.picture("panel-draft-saved-1440")
	p.visit(s.URL + "/panel/events")
	p.opens("Drafts")
	p.shows([]string{"Gala in the draft", "year-5"})
	p.opens("Gala in the draft")
	var place, boxes string
	p.eval("document.querySelector('[name=location]').value", &place)
	p.eval("[...document.querySelectorAll('[name=groups], [name=guardians]')].map(b => b.checked).join()", &boxes)
	if place != "Pool" || boxes != "true,true" {
		t.Errorf("the draft has the place %q and the boxes %s", place, boxes)
	}
	p.eval("document.getElementById('title').focus()", nil)
	p.goes(func() {
		p.eval("document.getElementById('title').dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', ctrlKey: true, bubbles: true, cancelable: true}))", nil)
	})
	p.awaitText("All deliveries are done")
	if n := len(s.titled(t, "Gala in the draft")); n != 1 {
		t.Errorf("%d events were created", n)
	}
	p.visit(s.URL + "/panel/drafts")
	p.shows([]string{"No drafts"}, "Gala in the draft")
	if _, faults := p.noted(); len(faults) > 0 {
		t.Errorf("the page did what it may not: %v", faults)
	}
}

func (s *site) testDraftScriptless(t *testing.T, office string) {
	p := s.signsIn(t, device{width: 390}, office, "compose")
	p.fill(map[string]string{"title": "Half a thought"})
	p.presses("Save draft")
	p.shows([]string{"The draft is saved.", "Draft saved"})
	p.fill(map[string]string{"body": "And the other half."})
	p.presses("Save draft")
	p.visit(s.URL + "/panel/drafts")
	p.picture("panel-drafts-scriptless-390")
	p.shows([]string{"Half a thought", "nobody yet"})
	p.opens("Half a thought")
	var body string
	p.eval("document.getElementById('body').value", &body)
	if body != "And the other half." {
		t.Errorf("the draft says %q", body)
	}
	p.visit(s.URL + "/panel/drafts")
	p.opens("Remove")
	p.goes(func() { p.submit("main form") })
	p.shows([]string{"The draft is removed.", "No drafts"}, "Half a thought")
	page, err := s.Client.Audit(t.Context(), schoolbell.AuditFilter{}, client.Page{})
	must(t, err)
	for _, e := range page.Items {
		if strings.Contains(e.Action, "draft") {
			t.Errorf("the audit has %+v", e)
		}
	}
}

func (s *site) testDraftPrivate(t *testing.T, office string) {
	p := s.signsIn(t, device{width: 1440}, office, "compose")
	p.fill(map[string]string{"title": "For my eyes"})
	p.presses("Save draft")
	var at string
	p.eval("location.pathname", &at)
	head := s.account(t, "head@hollowbrook.example", "Oswin Hale", schoolbell.RoleAdmin)
	other := s.signsIn(t, device{width: 1440}, head, "drafts")
	other.shows([]string{"No drafts"}, "For my eyes")
	other.visit(s.URL + at)
	other.shows([]string{"There is no such page"}, "For my eyes")
	viewer := s.account(t, "viewer@hollowbrook.example", "Lene Abrook", schoolbell.RoleViewer)
	reads := s.signsIn(t, device{width: 1440}, viewer, "events")
	reads.shows([]string{"Events"}, "Drafts")
	reads.visit(s.URL + "/panel/drafts")
	reads.shows([]string{"Your role does not allow this"})
}

func (s *site) testDraftsAccessible(t *testing.T, office string) {
	for _, d := range devices {
		p := s.signsIn(t, d, office, "compose")
		p.fill(map[string]string{"title": "Gala on " + d.String()})
		p.presses("Save draft")
		s.axeFindsNothing(t, p, "panel-draft-"+d.String())
		p.visit(s.URL + "/panel/drafts")
		s.axeFindsNothing(t, p, "panel-drafts-"+d.String())
		p.opens("Remove")
		s.axeFindsNothing(t, p, "panel-draft-remove-"+d.String())
	}
}

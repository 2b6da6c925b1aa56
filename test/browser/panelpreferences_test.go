package browser

import (
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/client"
)

func TestPanelPreferences(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.family(t)
	office := s.account(t, "office@hollowbrook.example", "Mara Tennick", schoolbell.RoleSender)
	t.Run("the office changes what a person gets", func(t *testing.T) { s.testChoosesFor(t, office) })
	t.Run("faults are shown at the fields", func(t *testing.T) { s.testPreferenceFaults(t, office) })
	t.Run("viewers may not", s.testPreferencesForViewers)
	t.Run("axe-core finds nothing", func(t *testing.T) { s.testPreferencesAccessible(t, office) })
}

// picks selects the option of a group of radio buttons.
func (p *tab) picks(name, value string) {
	p.t.Helper()
	p.eval(`document.querySelector('[name="`+name+`"][value="`+value+`"]').click()`, nil)
}

func (s *site) testChoosesFor(t *testing.T, office string) {
	p := s.signsIn(t, device{width: 1440}, office, "people/par-20418")
	p.clicks("a[href$=preferences]")
	contains(t, p.text(), "Always sent, on every channel", "As the school: no quiet hours", "Europe/London")
	var now string
	p.eval("document.querySelector('[name=\"announcement.email\"]:checked').value + document.querySelector('[name=quiet_hours_from]').value", &now)
	if now != "digest21:00" {
		t.Errorf("the form begins with %s", now)
	}
	p.picks("announcement.email", "off")
	p.picks("quiet", "own")
	p.picks("digest", "own")
	p.fill(map[string]string{"quiet_hours_from": "22:30", "digest_at": "16:15", "digest_weekday": "friday"})
	p.goes(func() { p.submit("main form") })
	contains(t, p.text(), "Saved.", "Quiet from 22:30 to 07:00", "off")
	modes, err := s.Client.Preferences(t.Context(), "par-20418")
	must(t, err)
	got, err := s.Client.Schedule(t.Context(), "par-20418")
	must(t, err)
	if len(modes) != 1 || modes[0].Mode != schoolbell.ModeOff || got.QuietHours.From != "22:30" || got.Digest != (schoolbell.DigestWindow{At: "16:15", Weekday: "friday"}) {
		t.Errorf("stored are %+v and %+v", modes, got)
	}

	p.visit(s.URL + "/panel/people/par-20418/preferences")
	p.picks("quiet", "school")
	p.picks("digest", "school")
	p.goes(func() { p.submit("main form") })
	contains(t, p.text(), "Saved.", "No quiet hours.")
	var actions []string
	page, err := s.Client.Audit(t.Context(), schoolbell.AuditFilter{Target: schoolbell.Target{Kind: "user", ID: "par-20418"}}, client.Page{})
	must(t, err)
	for _, e := range page.Items {
		if e.Actor.Kind == schoolbell.ActorStaff {
			actions = append(actions, e.Action)
		}
	}
	if want := "user.put_schedule user.put_schedule user.put_preferences"; strings.Join(actions, " ") != want {
		t.Errorf("the audit has %v, want %s", actions, want)
	}
}

func (s *site) testPreferenceFaults(t *testing.T, office string) {
	p := s.signsIn(t, device{width: 1440, script: true}, office, "people/par-20418/preferences")
	p.picks("reminder.email", "off")
	p.picks("quiet", "own")
	p.fill(map[string]string{"quiet_hours_from": "", "quiet_hours_to": "06:00"})
	p.goes(func() { p.submit("main form") })
	contains(t, p.text(), "Nothing was saved", "Quiet from: Must be a time such as 07:00.")
	var kept string
	p.eval("document.querySelector('[name=\"reminder.email\"]:checked').value + document.querySelector('[name=quiet_hours_to]').value", &kept)
	if kept != "off06:00" {
		t.Errorf("the form has %s", kept)
	}
	s.axeFindsNothing(t, p, "panel-preferences-faults-1440")
	p.visit(s.URL + "/panel/people/par-20418/preferences")
	p.eval(`document.querySelector('main form').insertAdjacentHTML('beforeend', '<input name="urgent.email" value="off">')`, nil)
	p.picks("reminder.email", "off")
	p.goes(func() { p.submit("main form") })
	contains(t, p.text(), "Nothing was saved", "cannot be opted out of")
	modes, err := s.Client.Preferences(t.Context(), "par-20418")
	must(t, err)
	if len(modes) != 1 {
		t.Errorf("stored are %+v", modes)
	}
}

func (s *site) testPreferencesForViewers(t *testing.T) {
	viewer := s.account(t, "viewer@hollowbrook.example", "Lene Abrook", schoolbell.RoleViewer)
	p := s.signsIn(t, device{width: 1440}, viewer, "people/par-20418")
	var links int
	p.eval("document.querySelectorAll('a[href$=preferences]').length", &links)
	if links != 0 {
		t.Errorf("a viewer sees a link:\n%s", p.text())
	}
	p.visit(s.URL + "/panel/people/par-20418/preferences")
	contains(t, p.text(), "Your role does not allow this")
}

func (s *site) testPreferencesAccessible(t *testing.T, office string) {
	for _, d := range devices {
		p := s.signsIn(t, d, office, "people/par-20418/preferences")
		s.axeFindsNothing(t, p, "panel-preferences-"+d.String())
		p.picks("quiet", "own")
		s.axeFindsNothing(t, p, "panel-preferences-own-"+d.String())
	}
}

package browser

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/test/system"
)

func TestChoices(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	t.Run("axe-core finds nothing on any page", s.testChoicesAccessible)
	t.Run("a fault is told at its field", s.testChoicesFaults)
	t.Run("preferences need no mouse and no JavaScript", s.testChoicesKeyboard)
	t.Run("unsubscribing needs neither", s.testUnsubscribeKeyboard)
	t.Run("all languages fit on a phone", s.testChoicesFit)
}

// choices are the links of the newest email to the preference page and to the page that unsubscribes.
func (s *site) choices(t *testing.T, category schoolbell.Category, person int) (preferences, unsubscribe string) {
	t.Helper()
	ev := gala()
	ev.Category = category
	id := s.creates(t, ev, system.Person(person))
	s.AwaitStatus(id, schoolbell.EventCompleted)
	email := s.mail.Newest()
	find := func(page string) string {
		link := regexp.MustCompile(`http://127\.0\.0\.1:\d+/` + page + `/[A-Za-z0-9_-]+`).FindString(email)
		if link == "" {
			t.Fatalf("no link to %s in\n%s", page, email)
		}
		return link
	}
	return find("preferences"), find("unsubscribe")
}

// posts sends a form.
func (s *site) posts(t *testing.T, link string, form url.Values) {
	t.Helper()
	resp, err := http.PostForm(link, form)
	must(t, err)
	must(t, resp.Body.Close())
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d", link, resp.StatusCode)
	}
}

func (s *site) testChoicesAccessible(t *testing.T) {
	_, _, err := s.Client.PutCategory(t.Context(), schoolbell.CategoryInfo{ID: "trips", Name: "School trips and other outings"})
	must(t, err)
	page, event := s.choices(t, schoolbell.CategoryEvent, 0)
	_, trips := s.choices(t, "trips", 0)
	_, reminder := s.choices(t, schoolbell.CategoryReminder, 0)
	s.posts(t, reminder, url.Values{"List-Unsubscribe": {"One-Click"}})
	_, fixed := s.choices(t, schoolbell.CategoryAnnouncement, 0)
	info, err := s.Client.Category(t.Context(), schoolbell.CategoryAnnouncement)
	must(t, err)
	info.Mandatory = true
	_, _, err = s.Client.PutCategory(t.Context(), *info)
	must(t, err)
	calendar, _ := s.choices(t, schoolbell.CategoryEvent, 2)
	s.posts(t, calendar, url.Values{"calendar": {"start"}, "event.email": {"digest"}})
	s.posts(t, calendar, url.Values{"quiet": {"on"}, "quiet_from": {"21:00"}, "quiet_to": {"07:00"}, "digest_day": {"friday"}, "digest_at": {"16:30"}})
	s.accessible(t, map[string]string{"preferences": page, "preferences-saved": page + "?saved", "preferences-calendar": calendar + "?calendar", "unsubscribe": event, "unsubscribe-own": trips, "unsubscribed": reminder, "mandatory": fixed})
}

func (s *site) testChoicesFaults(t *testing.T) {
	page, _ := s.choices(t, schoolbell.CategoryEvent, 3)
	for _, d := range []device{{width: 390, script: true}, {width: 390, language: "ar", dark: true, script: true}, {width: 1440, script: true}} {
		p := s.browser.open(t, d)
		p.visit(page)
		p.eval("document.querySelector('[name=digest_at]').value = ''; document.querySelector('[name=quiet]').checked = true; document.querySelector('[name=quiet_to]').value = '21:00'", nil)
		p.goes(func() { p.eval("document.querySelector('.btn-primary').click()", nil) })
		p.picture("preferences-faults-" + d.String())
		var marked string
		p.eval("[...document.querySelectorAll('[aria-invalid]')].map(e => e.name + ' ' + (document.getElementById(e.getAttribute('aria-describedby')).offsetTop < e.offsetTop)).join()", &marked)
		if marked != "digest_at true,quiet_to true" {
			t.Errorf("%s: marked are %q", d, marked)
		}
		if violations := s.violations(p); len(violations) > 0 {
			t.Errorf("%s:\n%s", d, strings.Join(violations, "\n"))
		}
	}
}

func (s *site) testChoicesKeyboard(t *testing.T) {
	page, _ := s.choices(t, schoolbell.CategoryEvent, 1)
	p := s.browser.open(t, device{width: 390})
	p.visit(page)
	focused := func() (field string) {
		p.eval("(document.activeElement.name || document.activeElement.innerText) + '=' + (document.activeElement.value || '')", &field)
		return field
	}
	for range 100 { // Tab goes from one group of buttons to the next
		if p.press("Tab"); focused() == "event.email=instant" {
			break
		}
	}
	if got := focused(); got != "event.email=instant" {
		t.Fatalf("Tab leads to %s", got)
	}
	p.press("ArrowLeft") // the last of the group: off
	if got := focused(); got != "event.email=off" {
		t.Fatalf("the arrow leads to %s", got)
	}
	p.picture("preferences-focus-390")
	p.goes(func() { p.press("Enter") })
	if text := p.text(); !strings.Contains(text, "Saved.") {
		t.Errorf("after Enter the page says\n%s", text)
	}
	wishes, err := s.Client.Preferences(t.Context(), system.Person(1))
	must(t, err)
	if got := fmt.Sprint(wishes); got != "[{event email off}]" {
		t.Errorf("the preferences are %s", got)
	}
}

func (s *site) testUnsubscribeKeyboard(t *testing.T) {
	_, link := s.choices(t, schoolbell.CategoryReminder, 1)
	p := s.browser.open(t, device{width: 390})
	p.visit(link)
	for _, step := range []struct{ button, then string }{{"Stop these messages", "No more emails about reminders"}, {"Undo", "You get these messages again"}} {
		p.press("Tab")
		var focused string
		p.eval("document.activeElement.innerText", &focused)
		if focused != step.button {
			t.Fatalf("Tab leads to %q", focused)
		}
		p.goes(func() { p.press("Enter") })
		if text := p.text(); !strings.Contains(text, step.then) {
			t.Errorf("after %s the page says\n%s", step.button, text)
		}
	}
}

func (s *site) testChoicesFit(t *testing.T) {
	page, leave := s.choices(t, schoolbell.CategoryEvent, 0)
	for _, language := range []string{"en", "es", "fr", "de", "ar"} {
		p := s.browser.open(t, device{width: 320, language: language})
		for name, link := range map[string]string{"preferences": page, "unsubscribe": leave} {
			p.visit(link)
			p.picture(name + "-320-" + language)
			var width int
			p.eval("document.documentElement.scrollWidth", &width)
			if width > 320 {
				t.Errorf("%s, %s: the page is %d pixels wide on a phone of 320", name, language, width)
			}
		}
	}
}

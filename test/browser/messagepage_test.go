package browser

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
	"schoolbell/wire"
)

// site is a school that has sent messages.
type site struct {
	*system.School
	mail    *system.Mail // nil where the program takes its own email
	axe     string       // the script of axe-core
	browser *browser
}

func newSite(t *testing.T) *site { t.Helper(); return newSiteOn(t, system.Parts{}) }

// newSiteOn is newSite with other servers.
func newSiteOn(t *testing.T, parts system.Parts) *site {
	t.Helper()
	mail := system.NewMail(t)
	parts.SMTP = mail.Addr()
	return startSite(t, parts, mail)
}

// newCatchingSite is newSite without a mail server: the program takes its own email.
func newCatchingSite(t *testing.T) *site { t.Helper(); return startSite(t, system.Parts{}, nil) }

func startSite(t *testing.T, parts system.Parts, mail *system.Mail) *site {
	t.Helper()
	return startSiteWith(t, parts, mail, func(*system.School) []string { return nil })
}

// startSiteWith is startSite with settings that the school's own URL is part of.
func startSiteWith(t *testing.T, parts system.Parts, mail *system.Mail, settings func(*system.School) []string) *site {
	t.Helper()
	folder := filepath.Join(testenv.Root(t), "test", "browser")
	testenv.Node(t, folder)
	axe, err := os.ReadFile(filepath.Join(folder, "node_modules", "axe-core", "axe.min.js"))
	must(t, err)
	s := &site{School: system.New(t, parts), mail: mail, axe: string(axe), browser: startBrowser(t)}
	serve := s.LaunchWith(settings(s.School), "serve", "serve")
	serve.Await(" serves " + s.URL)
	t.Cleanup(serve.Stop)
	s.AwaitReady()
	s.Import(4)
	school, err := s.Client.Settings(t.Context())
	must(t, err)
	school.Name, school.Timezone = "Hollowbrook School", "Europe/London"
	_, err = s.Client.PutSettings(t.Context(), school)
	must(t, err)
	return s
}

// sends sends an event to one person and returns its id and the link in the email.
func (s *site) sends(t *testing.T, ev wire.NewEvent) (id, link string) {
	t.Helper()
	id = s.creates(t, ev, system.Person(0))
	s.AwaitStatus(id, schoolbell.EventCompleted)
	return id, s.newestLink(t)
}

func (s *site) creates(t *testing.T, ev wire.NewEvent, people ...string) (id string) {
	t.Helper()
	ev.Audience = schoolbell.Audience{Selector: schoolbell.Selector{Users: people}}
	created, err := s.Client.CreateEvent(t.Context(), ev)
	must(t, err)
	return created.ID
}

// cancels sends an event to one person, cancels it before it reaches another one, and returns the link
// in the email.
func (s *site) cancels(t *testing.T, ev wire.NewEvent) (link string) {
	t.Helper()
	taken := s.mail.Accepted()
	s.mail.HoldAfter(1)
	defer s.mail.Release()
	id := s.creates(t, ev, system.Person(0), system.Person(1))
	testenv.Eventually(t, patience, func() error {
		if n := s.mail.Accepted(); n != taken+1 {
			return fmt.Errorf("%d of 1 were taken", n-taken)
		}
		return nil
	}, "the first email is taken")
	link = s.newestLink(t)
	_, err := s.Client.CancelEvent(t.Context(), id)
	must(t, err)
	return link
}

// newestLink returns the link in the email that was taken last.
func (s *site) newestLink(t *testing.T) string {
	t.Helper()
	email := s.mail.Newest()
	link := regexp.MustCompile(`http://127\.0\.0\.1:\d+/m/[A-Za-z0-9_-]+`).FindString(email)
	if link == "" {
		t.Fatalf("no link in\n%s", email)
	}
	return link
}

func snow() wire.NewEvent {
	return wire.NewEvent{Title: "Snow: school closed today", Category: schoolbell.CategoryUrgent,
		Body: "All buildings stay closed today, Tuesday 24 November. No buses run.\n\nLessons go on tomorrow as planned. See https://hollowbrook.example/snow."}
}

func gala() wire.NewEvent {
	return wire.NewEvent{Title: "Swimming gala: new start time", Category: schoolbell.CategoryEvent, Location: "Riverside pool, lane hall",
		Body:     "The gala on Friday starts at ten instead of nine, because the pool opens later.\n\nBring swimming things,\na towel,\na snack.",
		StartsAt: wire.At(time.Date(2030, 11, 29, 10, 0, 0, 0, time.UTC)), EndsAt: wire.At(time.Date(2030, 11, 29, 12, 30, 0, 0, time.UTC))}
}

func TestMessagePage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	t.Run("axe-core finds nothing on any page", s.testAccessible)
	t.Run("it works with the keyboard and without JavaScript", s.testKeyboard)
	t.Run("it is dark where people want it", s.testDark)
	t.Run("long words fit on a phone", s.testLongWords)
}

// pages are the links of one page of each kind.
func (s *site) pages(t *testing.T) map[string]string {
	t.Helper()
	_, urgent := s.sends(t, snow())
	_, event := s.sends(t, gala())
	_, news := s.sends(t, wire.NewEvent{Title: "Winter term dates", Body: "The winter term ends on Friday 18 December at noon."})
	off := s.cancels(t, gala())
	acked, confirmed := s.sends(t, snow())
	_, err := s.Client.AcknowledgeItem(t.Context(), system.Person(0), acked)
	must(t, err)
	return map[string]string{"urgent": urgent, "event": event, "announcement": news, "cancelled": off, "confirmed": confirmed, "unknown": s.URL + "/m/x"}
}

func (s *site) testAccessible(t *testing.T) { s.accessible(t, s.pages(t)) }

// accessible has axe-core look at pages on several devices. They load nothing from elsewhere.
func (s *site) accessible(t *testing.T, pages map[string]string) {
	for name, link := range pages {
		for _, d := range []device{{width: 390, script: true}, {width: 390, dark: true, script: true}, {width: 1440, script: true}, {width: 1440, dark: true, script: true}, {width: 390, language: "ar", script: true}, {width: 390, language: "de", script: true}} {
			p := s.browser.open(t, d)
			p.visit(link)
			p.picture(name + "-" + d.String())
			requests, faults := p.noted()
			for _, url := range requests {
				if !strings.HasPrefix(url, s.URL+"/") && !strings.HasPrefix(url, "data:") { // icons of Chromium's own fields; the policy forbids ours
					t.Errorf("%s, %s: the page requests %s", name, d, url)
				}
			}
			if len(faults) > 0 {
				t.Errorf("%s, %s: %q", name, d, faults)
			}
			if violations := s.violations(p); len(violations) > 0 {
				t.Errorf("%s, %s:\n%s", name, d, strings.Join(violations, "\n"))
			}
		}
	}
	p := s.browser.open(t, device{width: 390, script: true})
	p.visit("data:text/html,<html><body><button></button>")
	if violations := s.violations(p); !slices.ContainsFunc(violations, func(v string) bool { return strings.HasPrefix(v, "button-name") }) {
		t.Errorf("axe-core finds on a bad page only %q", violations)
	}
}

// violations are what axe-core finds on a page: rule, elements and what is wrong. It does not look into frames, which run no scripts.
func (s *site) violations(p *tab) (found []string) {
	p.t.Helper()
	var loaded bool
	if p.eval("'axe' in window", &loaded); !loaded {
		p.eval(s.axe, nil)
	}
	var text string
	p.eval("axe.run(document, {resultTypes: ['violations'], iframes: false}).then(r => JSON.stringify(r.violations.map(v => ({id: v.id, help: v.help, nodes: v.nodes.map(n => n.html + ' ' + n.failureSummary)}))))", &text)
	var violations []struct {
		ID, Help string
		Nodes    []string
	}
	must(p.t, json.Unmarshal([]byte(text), &violations))
	for _, v := range violations {
		found = append(found, fmt.Sprint(v.ID, ": ", v.Help, " ", v.Nodes))
	}
	return found
}

func (s *site) testKeyboard(t *testing.T) {
	id, link := s.sends(t, gala())
	p := s.browser.open(t, device{width: 390})
	p.visit(link)
	p.press("Tab")
	var focused string
	p.eval("document.activeElement.innerText", &focused)
	if focused != "I have read this" {
		t.Fatalf("Tab leads to %q", focused)
	}
	p.picture("focus-390")
	p.goes(func() { p.press("Enter") })
	if text := p.text(); !strings.Contains(text, "You have confirmed this message") {
		t.Errorf("after Enter the page says\n%s", text)
	}
	page, err := s.Client.Deliveries(t.Context(), id, schoolbell.DeliveryFilter{Outcome: schoolbell.OutcomeAcknowledged}, client.Page{})
	must(t, err)
	if len(page.Deliveries) != 2 {
		t.Errorf("acknowledged: %+v", page.Deliveries)
	}
}

func (s *site) testDark(t *testing.T) {
	_, link := s.sends(t, snow())
	for dark, want := range map[bool]string{false: "rgb(245, 244, 239)", true: "rgb(20, 19, 17)"} {
		p := s.browser.open(t, device{width: 390, dark: dark})
		p.visit(link)
		var ground string
		p.eval("getComputedStyle(document.body).backgroundColor", &ground)
		if ground != want {
			t.Errorf("dark %v: the page is %s, want %s", dark, ground, want)
		}
	}
}

func (s *site) testLongWords(t *testing.T) {
	ev := gala()
	ev.Title, ev.Location, ev.Body = strings.Repeat("W", 200), strings.Repeat("M", 200), "See https://hollowbrook.example/"+strings.Repeat("m", 300)
	_, link := s.sends(t, ev)
	for _, language := range []string{"en", "de", "es", "ar"} {
		p := s.browser.open(t, device{width: 320, language: language})
		p.visit(link)
		p.picture("long-320-" + language)
		var width int
		p.eval("document.documentElement.scrollWidth", &width)
		if width > 320 {
			t.Errorf("%s: the page is %d pixels wide on a phone of 320", language, width)
		}
	}
}

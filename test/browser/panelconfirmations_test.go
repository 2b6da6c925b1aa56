package browser

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
	"schoolbell/wire"
)

// confirms clicks what removes something, expects a page that asks and says what it is about, and presses its button.
func (p *tab) confirms(link string, says ...string) string {
	p.t.Helper()
	p.clicks(link)
	contains(p.t, p.text(), says...)
	p.goes(func() { p.submit("main form") })
	return p.text()
}

// keeps gives the answer that changes nothing, which has the focus.
func (p *tab) keeps() {
	p.t.Helper()
	testenv.Eventually(p.t, patience, func() (focused bool) { // a browser gives the focus a moment after a page is loaded
		p.eval("document.activeElement?.matches('main .actions a')", &focused)
		return focused
	}, "the focus is on the answer that changes nothing")
	p.goes(func() { p.press("Enter") })
}

// asked is a page with something that can be removed, and the page that asks before it is.
type asked struct {
	page, link string
	says       []string
}

// TestPanelConfirmations asks for everything that can be removed, and keeps it.
func TestPanelConfirmations(t *testing.T) {
	t.Parallel()
	s := newSiteOn(t, system.Parts{Settings: []string{"OUTBOUND_ALLOW=127.0.0.1/32"}})
	admin := s.account(t, "head@hollowbrook.example", "Oswin Hale", schoolbell.RoleAdmin)
	pages := s.removables(t, admin)
	t.Run("nothing is removed by a link or the first answer", func(t *testing.T) { s.testKept(t, admin, pages) })
	t.Run("a used category cannot be removed", func(t *testing.T) { s.testUsedCategory(t, admin) })
	t.Run("axe-core finds nothing on any page", func(t *testing.T) { s.testConfirmationsAccessible(t, admin, pages) })
}

// removables makes one of each thing that can be removed.
func (s *site) removables(t *testing.T, admin string) map[string]asked {
	t.Helper()
	ctx := t.Context()
	receiver := newHooked(t)
	receiver.status.Store(http.StatusBadGateway)
	hook, err := s.Client.AddWebhook(ctx, wire.NewWebhook{URL: receiver.URL + "/hooks", Description: "Notice board", Types: []schoolbell.WebhookType{schoolbell.WebhookEventCompleted}})
	must(t, err)
	for _, id := range []schoolbell.Category{"trips", "clubs"} {
		_, _, err = s.Client.PutCategory(ctx, schoolbell.CategoryInfo{ID: id, Name: "The " + string(id), Lane: schoolbell.LaneNormal})
		must(t, err)
	}
	_, err = s.Client.PutPreferences(ctx, system.Person(0), schoolbell.Preference{Category: "trips", Channel: schoolbell.ChannelEmail, Mode: schoolbell.ModeOff})
	must(t, err)
	_, err = s.Client.PutTemplate(ctx, schoolbell.TemplateKey{Category: "trips", Channel: schoolbell.ChannelEmail, Locale: "en"}, wire.TemplateText{Subject: "Trip: {{event.title}}", HTML: "<p>{{event.body}}</p>", Text: "{{event.body}}"})
	must(t, err)
	_, err = s.Client.Suppress(ctx, wire.NewSuppression{Channel: schoolbell.ChannelEmail, Address: system.Address(3), Reason: "asked by phone"})
	must(t, err)
	ev := gala()
	ev.Category = "clubs"
	s.AwaitStatus(s.creates(t, ev, system.Person(0)), schoolbell.EventCompleted)
	p := s.signsIn(t, device{width: 1440}, admin, "settings/keys")
	p.enters("main form", map[string]string{"name": "The <b>timetable</b>"})
	s.staffLink(t, "lene@hollowbrook.example", "Lene Abrook", schoolbell.RoleViewer)
	testenv.Eventually(t, patience, func() error {
		p.visit(s.URL + "/panel/settings/webhooks/" + hook.ID + "/remove")
		if text := p.text(); !strings.Contains(text, "1 message that was not taken yet is dropped") {
			return fmt.Errorf("the page says\n%s", text)
		}
		return nil
	}, "a message waits for another attempt")
	return map[string]asked{
		"webhook":     {"settings/webhooks/" + hook.ID, "a[href$=remove]", []string{"Remove this webhook?", receiver.URL + "/hooks", "Notice board", "an event is completed", "1 message"}},
		"category":    {"settings/categories/trips", "a[href$=remove]", []string{"Remove this category?", "The trips", "1 template with all versions and what 1 person has chosen about it"}},
		"key":         {s.pageOf(p, "settings/keys", "timetable"), "a[href$=revoke]", []string{"Revoke this key?", "The <b>timetable</b>", "Last used\nnever", "Within five seconds"}},
		"account":     {s.pageOf(p, "staff", "Lene"), "a[href$=remove]", []string{"Remove this account?", "Lene Abrook", "lene@hollowbrook.example", "Last sign-in\nnever"}},
		"template":    {"templates/trips/email/en", "a[href$=reset]", []string{"Use the standard template again?", "In use\nVersion 1"}},
		"suppression": {"suppressions", "a[href$=remove]", []string{"Send messages to this address again?", system.Address(3), "asked by phone"}},
	}
}

// pageOf is the page of the panel to which a list leads by a text.
func (s *site) pageOf(p *tab, list, text string) (page string) {
	p.t.Helper()
	p.visit(s.URL + "/panel/" + list)
	p.eval(fmt.Sprintf("[...document.querySelectorAll('a.lead')].find(a => a.innerText.includes(%q)).pathname.replace('/panel/', '')", text), &page)
	return page
}

func (s *site) testKept(t *testing.T, admin string, pages map[string]asked) {
	p := s.signsIn(t, device{width: 390}, admin, "")
	for name, a := range pages {
		p.visit(s.URL + "/panel/" + a.page)
		p.clicks(a.link)
		contains(t, p.text(), a.says...)
		p.picture("panel-confirm-" + name + "-scriptless-390")
		p.keeps()
		var at string
		p.eval("location.pathname", &at)
		if at != "/panel/"+a.page {
			t.Errorf("%s: the first answer leads to %s, not to %s", name, at, a.page)
		}
		p.clicks(a.link)
		contains(t, p.text(), a.says[0])
	}
	p.visit(s.URL + "/panel/settings/keys/0000/revoke")
	contains(t, p.text(), "There is no such page")
	p.visit(s.URL + "/panel/suppressions/1.email.0123456789abcdef/remove")
	contains(t, p.text(), "There is no such page")
}

func (s *site) testUsedCategory(t *testing.T, admin string) {
	p := s.signsIn(t, device{width: 1440}, admin, "settings/categories/clubs")
	p.clicks("a[href$=remove]")
	p.shows([]string{"This category cannot be removed", "1 event uses it."}, "Remove the category")
	p.picture("panel-confirm-category-used-1440")
	p.visit(s.URL + "/panel/settings/categories/urgent/remove")
	p.shows([]string{"This category cannot be removed", "It is built in."}, "Remove the category")
}

func (s *site) testConfirmationsAccessible(t *testing.T, admin string, pages map[string]asked) {
	for _, d := range devices {
		p := s.signsIn(t, d, admin, "")
		for name, a := range pages {
			p.visit(s.URL + "/panel/" + a.page)
			p.clicks(a.link)
			s.axeFindsNothing(t, p, "panel-confirm-"+name+"-"+d.String())
		}
	}
}

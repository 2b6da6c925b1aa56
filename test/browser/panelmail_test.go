package browser

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
)

func TestPanelMail(t *testing.T) {
	t.Parallel()
	s := newCatchingSite(t)
	admin := s.account(t, "head@hollowbrook.example", "Oswin Hale", schoolbell.RoleAdmin)
	t.Run("an email is in the list at once", func(t *testing.T) { s.testMailList(t, admin) })
	t.Run("it is shown as HTML, text, headers and source", func(t *testing.T) { s.testMailShown(t, admin) })
	t.Run("its HTML can do nothing", func(t *testing.T) { s.testMailFrame(t, admin) })
	t.Run("axe-core finds nothing on any page", func(t *testing.T) { s.testMailAccessible(t, admin) })
	t.Run("senders see no mail", s.testMailForSenders)
}

func TestNoCaughtMail(t *testing.T) {
	t.Parallel()
	s := newSite(t) // with a mail server
	admin := s.account(t, "head@hollowbrook.example", "Oswin Hale", schoolbell.RoleAdmin)
	p := s.signsIn(t, device{width: 1440}, admin, "mail")
	if text := p.text(); !strings.Contains(text, "There is no such page") {
		t.Errorf("without the mail catcher:\n%s", text)
	}
	p.visit(s.URL + "/panel/")
	if text := p.text(); strings.Contains(text, "Caught mail") {
		t.Errorf("without the mail catcher:\n%s", text)
	}
}

func (s *site) testMailList(t *testing.T, admin string) {
	p := s.signsIn(t, device{width: 1440, script: true}, admin, "mail")
	contains(t, p.text(), "0 emails", "No email was sent yet")
	p.awaitText("Live")
	id := s.creates(t, gala(), system.Person(0))
	s.AwaitStatus(id, schoolbell.EventCompleted)
	p.awaitText("1 email")
	p.awaitText(system.Address(0))
	if _, faults := p.noted(); len(faults) > 0 {
		t.Errorf("the page did what it may not: %v", faults)
	}
	plain := s.signsIn(t, device{width: 390}, admin, "mail")
	contains(t, plain.enters("main form", map[string]string{"q": "nobody@"}), "No email that is kept has this")
	contains(t, plain.enters("main form", map[string]string{"q": strings.ToUpper(system.Address(0))}), gala().Title)
}

func (s *site) testMailShown(t *testing.T, admin string) {
	p := s.signsIn(t, device{width: 1440}, admin, "mail")
	contains(t, p.follows(gala().Title), system.Address(0), "The event of this email")
	contains(t, p.follows("Text"), gala().Body)
	contains(t, p.follows("Headers"), "Message-ID:", "List-Unsubscribe")
	contains(t, p.follows("Source"), "multipart/")
	contains(t, p.follows("The event of this email"), gala().Title, "Completed")
	p.visit(s.URL + "/panel/mail/999")
	contains(t, p.text(), "There is no such page")
}

// The HTML of an email comes from those who write templates and events. It is shown without scripts, forms and other hosts.
func (s *site) testMailFrame(t *testing.T, admin string) {
	p := s.signsIn(t, device{width: 1440, script: true}, admin, "mail/1")
	var policy string
	p.eval("fetch(document.querySelector('iframe').src).then(r => r.headers.get('Content-Security-Policy'))", &policy)
	for _, want := range []string{"default-src 'none'", "sandbox", "frame-ancestors 'self'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy of the frame: %s", policy)
		}
	}
	var sandbox bool
	p.eval("document.querySelector('iframe').hasAttribute('sandbox') && document.querySelector('iframe').getAttribute('sandbox') === ''", &sandbox)
	if !sandbox {
		t.Error("the frame may do something")
	}
	if _, faults := p.noted(); len(faults) > 0 {
		t.Errorf("the page did what it may not: %v", faults)
	}
	if text := p.awaitFrame("/panel/mail/1/html"); !strings.Contains(text, "Open message") {
		t.Errorf("the frame shows\n%s", text)
	}
	res, err := http.Get(s.URL + "/panel/mail/1/html")
	must(t, err)
	defer res.Body.Close()
	if at := res.Request.URL.Path; at != "/panel/sign-in" {
		t.Errorf("without a session: %s", at)
	}
}

// awaitFrame waits until the browser shows a document in a frame, and not why it may not. It returns the HTML.
func (p *tab) awaitFrame(path string) (html string) {
	p.t.Helper()
	testenv.Eventually(p.t, patience, func() error {
		var of struct{ Root node }
		if err := p.browser.try(p.session, "DOM.getDocument", map[string]any{"depth": -1, "pierce": true}, &of); err != nil {
			return err
		}
		frame, found := of.Root.document(path)
		if !found {
			return errors.New("the page has no such document")
		}
		var outer struct{ OuterHTML string }
		err := p.browser.try(p.session, "DOM.getOuterHTML", map[string]any{"nodeId": frame}, &outer)
		html = outer.OuterHTML
		return err
	}, "the frame shows %s", path)
	return html
}

// node is a part of a page. Frames have a document of their own.
type node struct {
	NodeID          int
	DocumentURL     string
	Children        []node
	ContentDocument *node
}

// document returns the id of the document of a frame, by the end of its URL.
func (n node) document(path string) (id int, found bool) {
	if d := n.ContentDocument; d != nil {
		if strings.HasSuffix(d.DocumentURL, path) {
			return d.NodeID, true
		}
		n.Children = append(n.Children, *d)
	}
	for _, child := range n.Children {
		if id, found = child.document(path); found {
			return id, true
		}
	}
	return 0, false
}

func (s *site) testMailAccessible(t *testing.T, admin string) {
	pages := map[string]string{"mail": "mail", "mail-html": "mail/1", "mail-text": "mail/1?as=text", "mail-headers": "mail/1?as=headers"}
	for _, d := range devices {
		p := s.signsIn(t, d, admin, "")
		for name, page := range pages {
			p.visit(s.URL + "/panel/" + page)
			s.axeFindsNothing(t, p, "panel-"+name+"-"+d.String())
		}
	}
}

func (s *site) testMailForSenders(t *testing.T) {
	sender := s.account(t, "office@hollowbrook.example", "Mara Tennick", schoolbell.RoleSender)
	for _, page := range []string{"mail", "mail/1", "mail/1/html", "mail/live"} {
		p := s.signsIn(t, device{width: 1440}, sender, "")
		p.visit(s.URL + "/panel/" + page)
		contains(t, p.text(), "Your role does not allow this")
	}
}

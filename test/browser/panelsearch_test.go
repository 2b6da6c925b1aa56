package browser

import (
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/test/system"
)

// testSearch looks for people, events and pages from any page, as somebody who sees all and as somebody who sees one class.
func (s *site) testSearch(t *testing.T, admin, limited string) {
	id := s.creates(t, gala(), system.Person(0))
	s.AwaitStatus(id, schoolbell.EventCompleted)
	p := s.signsIn(t, device{width: 1440, script: true}, admin, "audit")
	p.goes(func() { p.press("/") })
	contains(t, p.text(), "People by name, id, email address or phone number")
	p.eval(`{ const field = document.activeElement; field.value = 'of 7'; field.dispatchEvent(new Event('input', {bubbles: true})); }`, nil)
	p.awaitText("4 people, no events.")
	contains(t, p.text(), "Student of 7a", "Parent of 7b")
	s.axeFindsNothing(t, p, "panel-search-1440")

	p = s.signsIn(t, device{width: 390}, limited, "")
	p.goes(func() { p.eval(`document.querySelector('.phone-top [aria-label=Search]').click()`, nil) })
	contains(t, p.enters("main form", map[string]string{"q": "of 7"}), "2 people, no events.", "Parent of 7a")
	contains(t, p.enters("main form", map[string]string{"q": gala().Title}), "No people, no events.")
	if text := p.enters("main form", map[string]string{"q": "queue"}); strings.Contains(text, "Queues") {
		t.Errorf("a page that senders may not see:\n%s", text)
	}
	contains(t, p.enters("main form", map[string]string{"q": "peop"}), "Pages", "People")
	s.axeFindsNothing(t, s.signsIn(t, device{width: 390, script: true}, limited, "search?q=of+7"), "panel-search-390")

	p = s.signsIn(t, device{width: 1440}, admin, "search?q=QUEUE")
	contains(t, p.follows("Queues"), "Queues")
	p.visit(s.URL + "/panel/search?q=" + id)
	contains(t, p.follows(gala().Title), "2 of 2 deliveries")
}

package browser

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"schoolbell"
)

// keyboardPages are pages that people reach by the navigation, and the least role that opens each.
var keyboardPages = []struct {
	path string
	need schoolbell.StaffRole
}{
	{"", schoolbell.RoleViewer}, {"events", schoolbell.RoleViewer}, {"people", schoolbell.RoleViewer}, {"account", schoolbell.RoleViewer}, {"more", schoolbell.RoleViewer},
	{"compose", schoolbell.RoleSender}, {"drafts", schoolbell.RoleSender},
	{"templates", schoolbell.RoleAdmin}, {"queues", schoolbell.RoleAdmin}, {"audit", schoolbell.RoleAdmin}, {"staff", schoolbell.RoleAdmin},
	{"settings", schoolbell.RoleAdmin}, {"settings/keys", schoolbell.RoleAdmin}, {"suppressions", schoolbell.RoleAdmin},
}

func TestPanelKeyboard(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.classes(t)
	admin := s.account(t, "head@hollowbrook.example", "Oswin Hale", schoolbell.RoleAdmin)
	roles := []schoolbell.StaffRole{schoolbell.RoleViewer, schoolbell.RoleSender, schoolbell.RoleAdmin}
	for _, who := range []struct {
		email string
		role  schoolbell.StaffRole
	}{
		{s.account(t, "viewer@hollowbrook.example", "Vera Lunn", schoolbell.RoleViewer), schoolbell.RoleViewer},
		{s.account(t, "sender@hollowbrook.example", "Sam Orde", schoolbell.RoleSender), schoolbell.RoleSender},
		{admin, schoolbell.RoleAdmin},
		{s.limitedAccount(t, admin, "limited@hollowbrook.example", "Lene Abrook", "7a"), schoolbell.RoleSender},
	} {
		p := s.signsIn(t, device{width: 1440}, who.email, "account") // without scripts, which replace controls while the test walks
		for _, page := range keyboardPages {
			p.visit(s.URL + "/panel/" + page.path)
			if slices.Index(roles, who.role) < slices.Index(roles, page.need) {
				if text := p.text(); !strings.Contains(text, "Your role does not allow this") {
					t.Errorf("%s opens %q:\n%s", who.email, page.path, text)
				}
				continue
			}
			p.walks(fmt.Sprintf("%s at %q", who.email, page.path))
		}
	}
}

// walkable marks every control that the Tab key has to reach, each once, and returns how many there are. A group of radio buttons is one.
const walkable = `(() => {
	const seen = new Set(); let n = 0;
	for (const el of document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex="0"]')) {
		if (el.disabled || el.type === 'hidden' || el.tabIndex < 0 || !el.checkVisibility({visibilityProperty: true}) || !el.getClientRects().length) continue;
		if (el.type === 'radio') { if (seen.has(el.name)) continue; seen.add(el.name); }
		el.dataset.walk = n++;
	}
	if (document.activeElement) document.activeElement.blur();
	return n;
})()`

// walked says where the focus is: the number of the control, and whether it can be seen.
const walked = `(() => {
	const el = document.activeElement, style = getComputedStyle(el), box = el.getBoundingClientRect();
	const shown = style.outlineStyle !== 'none' || style.boxShadow !== 'none' || getComputedStyle(el.parentElement).boxShadow !== 'none';
	const name = el.type === 'radio' ? document.querySelector('[name="' + el.name + '"][data-walk]') : el;
	return {at: el === document.body ? -1 : Number(name?.dataset.walk ?? -2), skip: el.className === 'skip', seen: shown && box.width > 0 && box.bottom > 0, what: el.outerHTML.slice(0, 150)};
})()`

// walks presses Tab until the focus has left the page, and expects to have met every control, in their order.
func (p *tab) walks(where string) {
	p.t.Helper()
	var n int
	p.eval(walkable, &n)
	last := -1
	for i := range 10 * n { // fields of dates and times have several stops
		p.press("Tab")
		var now struct {
			At         int
			Skip, Seen bool
			What       string
		}
		p.eval(walked, &now)
		switch {
		case now.At == last:
			continue
		case now.At == -1 || now.At == 0 && i > 0: // it has left the page, or begins again
			if last != n-1 {
				p.t.Errorf("%s: the focus leaves the page after control %d of %d", where, last+1, n)
			}
			return
		case now.At != last+1:
			p.t.Errorf("%s: after control %d comes %d: %s", where, last, now.At, now.What)
			return
		case !now.Seen:
			p.t.Errorf("%s: the focus is not seen: %s", where, now.What)
		case i == 0 && !now.Skip:
			p.t.Errorf("%s: the first control does not skip to the content: %s", where, now.What)
		}
		last = now.At
	}
	p.t.Errorf("%s: the focus never leaves the page", where)
}

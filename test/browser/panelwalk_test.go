package browser

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/test/system"
	"schoolbell/wire"
)

// Every page is opened as every role. What links offer can be opened, and what no link offers is refused.
func TestPanelWalk(t *testing.T) {
	t.Parallel()
	s := newCatchingSite(t)
	s.classes(t)
	admin := s.account(t, "head@hollowbrook.example", "Oswin Hale", schoolbell.RoleAdmin)
	s.hasOneOfEach(t, admin)
	all := s.walks(t, admin, nil)
	if len(all) < 50 {
		t.Errorf("links lead an admin to %d kinds of pages only: %v", len(all), slices.Sorted(maps.Keys(all)))
	}
	for _, kind := range []string{"queues-one-completed", "queues-one-jobs-one", "queues-one-jobs-one-remove", "settings-keys-one-revoke", "settings-webhooks-one-remove",
		"suppressions-one-remove"} {
		if all[kind] == "" {
			t.Errorf("no link leads an admin to %s", kind)
		}
	}
	for _, account := range []string{
		s.account(t, "viewer@hollowbrook.example", "Vera Lunn", schoolbell.RoleViewer),
		s.account(t, "sender@hollowbrook.example", "Sam Orde", schoolbell.RoleSender),
		s.limitedAccount(t, admin, "limited@hollowbrook.example", "Lene Abrook", "7a"),
	} {
		s.walks(t, account, all)
	}
}

// hasOneOfEach makes one of each thing that has a page of its own. The event that is sent leaves a completed job.
func (s *site) hasOneOfEach(t *testing.T, admin string) {
	t.Helper()
	s.AwaitStatus(s.creates(t, gala(), system.Person(0)), schoolbell.EventCompleted)
	later := gala()
	later.SendAt = wire.At(time.Now().Add(48 * time.Hour))
	s.creates(t, later, system.Person(1))
	_, _, err := s.Client.PutCategory(t.Context(), schoolbell.CategoryInfo{ID: "clubs", Name: "Clubs", Lane: schoolbell.LaneNormal})
	must(t, err)
	_, err = s.Client.Suppress(t.Context(), wire.NewSuppression{Channel: schoolbell.ChannelEmail, Address: system.Address(2)})
	must(t, err)
	p := s.signsIn(t, device{width: 1440}, admin, "settings/keys")
	p.enters("main form[action$='keys']", map[string]string{"name": "The timetable"})
	p.visit(s.URL + "/panel/settings/webhooks")
	p.enters("main form[action$='webhooks']", map[string]string{"url": "https://hooks.example/schoolbell"})
}

// walks opens a page of each kind that links lead an account to, and returns them. Others, to which links lead an admin, are refused.
func (s *site) walks(t *testing.T, account string, admins map[string]string) map[string]string {
	t.Helper()
	p := s.signsIn(t, device{width: 1440, script: true}, account, "")
	offered := linkedPages(p, s.URL+"/panel/")
	for kind, url := range offered {
		p.visit(url)
		if text := p.text(); refused(text) || strings.Contains(text, "Something went wrong") {
			t.Errorf("%s follows a link to %s, %s:\n%s", account, kind, url, text)
		}
	}
	for kind, url := range admins {
		if offered[kind] != "" {
			continue
		}
		p.visit(url)
		if text := p.text(); !refused(text) {
			t.Errorf("no link leads %s to %s, but %s opens:\n%s", account, kind, url, text)
		}
	}
	if _, faults := p.noted(); len(faults) > 0 {
		t.Errorf("%s: pages did what they may not: %v", account, faults)
	}
	t.Logf("%s: %d kinds of pages, %d refused: %v", account, len(offered), max(0, len(admins)-len(offered)), slices.Sorted(maps.Keys(offered)))
	return offered
}

// refused reports whether a page says that it is not for the account.
func refused(text string) bool {
	return strings.Contains(text, "Your role does not allow this") || strings.Contains(text, "There is no such page")
}

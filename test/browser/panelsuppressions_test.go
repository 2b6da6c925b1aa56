package browser

import (
	"testing"

	"schoolbell"
	"schoolbell/test/system"
)

func TestPanelSuppressions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	admin := s.account(t, "head@hollowbrook.example", "Oswin Hale", schoolbell.RoleAdmin)
	t.Run("an address is stopped and used again", func(t *testing.T) { s.testSuppress(t, admin) })
	t.Run("axe-core finds nothing on the page", func(t *testing.T) { s.testSuppressionsAccessible(t, admin) })
	t.Run("senders see no suppressions", s.testSuppressionsForSenders)
}

func (s *site) testSuppress(t *testing.T, admin string) {
	p := s.signsIn(t, device{width: 1440}, admin, "people")
	contains(t, p.follows("Suppressions"), "No address is suppressed")
	contains(t, p.enters("main form", map[string]string{"address": "no address"}), "Nothing was saved", "Address: Must be an address such as")
	contains(t, p.enters("main form", map[string]string{"address": "nobody@hill.example"}), "Nobody has this address")
	contains(t, p.enters("main form", map[string]string{"address": system.Address(2), "reason": "asked by <b>phone</b>"}), "The address is stopped", system.Address(2), "asked by <b>phone</b>", "Stopped")
	id := s.creates(t, gala(), system.Person(2))
	s.AwaitStatus(id, schoolbell.EventCompleted)
	ev, err := s.Client.Event(t.Context(), id)
	must(t, err)
	if n := ev.Progress.Channels[schoolbell.ChannelEmail].Suppressed; n != 1 {
		t.Errorf("%d emails were not sent", n)
	}
	contains(t, p.confirms("a[href$=remove]", system.Address(2), "asked by <b>phone</b>", "Its owner asked for no more messages, or the staff stopped it."), "Messages are sent to the address again", "No address is suppressed")
	p.visit(s.URL + "/panel/audit?action=suppression.create")
	contains(t, p.text(), "Oswin Hale")
}

func (s *site) testSuppressionsAccessible(t *testing.T, admin string) {
	p := s.signsIn(t, device{width: 1440}, admin, "suppressions")
	contains(t, p.enters("main form", map[string]string{"address": system.Address(3)}), "The address is stopped")
	for _, d := range devices {
		p := s.signsIn(t, d, admin, "suppressions")
		s.axeFindsNothing(t, p, "panel-suppressions-"+d.String())
	}
}

func (s *site) testSuppressionsForSenders(t *testing.T) {
	sender := s.account(t, "office@hollowbrook.example", "Mara Tennick", schoolbell.RoleSender)
	p := s.signsIn(t, device{width: 1440}, sender, "suppressions")
	contains(t, p.text(), "Your role does not allow this")
}

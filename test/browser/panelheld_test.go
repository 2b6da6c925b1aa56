package browser

import (
	"testing"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
)

// TestPanelHeld restores the ledger while events are being sent.
func TestPanelHeld(t *testing.T) {
	t.Parallel()
	mail := system.NewMail(t)
	before := system.NewHangUp(t, mail.Addr())
	s := startSite(t, system.Parts{SMTP: before.Addr()}, mail)
	office := s.account(t, "office@hollowbrook.example", "Mara Tennick", schoolbell.RoleSender)
	t.Run("a held event is released", func(t *testing.T) { s.testHeld(t, before, office) })
	t.Run("telling people of a cancellation is released", func(t *testing.T) { s.testHeldRetraction(t, before, office) })
}

// restored declares that the ledger was restored, and returns the page of the event that is held.
func (s *site) restored(t *testing.T, d device, office, id, says string) *tab {
	t.Helper()
	contains(t, s.Does("mark-restored"), "1 event is held")
	p := s.signsIn(t, d, office, "events/"+id)
	contains(t, p.text(), says)
	return p
}

func (s *site) testHeld(t *testing.T, before *system.HangUp, office string) {
	before.At("MAIL")
	defer before.At("")
	id := s.creates(t, gala(), system.Person(0))
	s.AwaitStatus(id, schoolbell.EventProcessing)
	p := s.restored(t, device{width: 1440, script: true}, office, id, "Held since the ledger was restored from a backup")
	p.clicks("a[href$=release]")
	contains(t, p.text(), "Release this event?", "1 message that the backup does not know as sent is sent.", "get it again")
	s.axeFindsNothing(t, p, "panel-release-1440")
	p.keeps()
	contains(t, p.text(), "Release and send")
	p.clicks("a[href$=release]")
	p.goes(func() { p.submit("main form") })
	contains(t, p.text(), "The event is released")
	before.At("")
	s.AwaitStatus(id, schoolbell.EventCompleted)
	p.visit(s.URL + "/panel/events/" + id + "/release")
	p.shows([]string{"It is not held."}, "Release and send")
}

func (s *site) testHeldRetraction(t *testing.T, before *system.HangUp, office string) {
	id := s.creates(t, gala(), system.Person(0))
	s.AwaitStatus(id, schoolbell.EventCompleted)
	before.At("MAIL")
	defer before.At("")
	_, err := s.Client.RetractEvent(t.Context(), id)
	must(t, err)
	p := s.restored(t, device{width: 390}, office, id, "Cancelled; telling people is held")
	items, err := s.Client.Inbox(t.Context(), system.Person(0), client.Page{})
	must(t, err)
	if it := items.Items[0]; it.EventID != id || !it.Cancelled {
		t.Errorf("while telling people is held, the inbox has %+v", it)
	}
	p.clicks("a[href$=cancel]")
	p.shows([]string{"Stop telling people?", "The event is cancelled already."}, "Tell the people who have the message already")
	p.visit(s.URL + "/panel/events/" + id)
	p.clicks("a[href$=release]")
	contains(t, p.text(), "The event is cancelled. People who got its message will be told.")
	p.picture("panel-release-told-390")
	taken := s.mail.Accepted()
	p.goes(func() { p.submit("main form") })
	before.At("")
	testenv.Eventually(t, patience, func() bool { return s.mail.Accepted() > taken }, "the cancellation is told")
	s.AwaitStatus(id, schoolbell.EventCancelled)
}

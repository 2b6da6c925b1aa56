package fault

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/test/system"
)

// restore backs the ledger up, lets work go on, and restores the backup. Nothing of the events that were open is sent
// before their release. What was created after the backup is gone, so it does not count.
func (s *soak) restore() {
	s.t.Helper()
	s.struck["ledger restored"]++
	file := filepath.Join(s.t.TempDir(), "backup")
	s.ledger.backUp(s.t, s.school, file)
	after := s.school.CreateManySurely([]string{system.Person(0), system.Person(1)}, "after")
	s.moment(5 * time.Second)
	for _, p := range append(s.workers, s.serve) {
		p.Stop()
	}
	s.ledger.restore(s.t, s.school, file)
	s.producers.ledgerRestored()
	restored := time.Now()
	s.serve = s.school.Serve()
	for i := range s.workers {
		s.workers[i] = s.worker()
	}
	s.school.AwaitReady()
	held := s.held()
	s.markReleased(held)
	meanwhile := soakEvent{id: s.school.CreateSurely("during the hold"), people: everybody()}
	s.events = append(s.events, meanwhile)
	s.school.AwaitStatus(meanwhile.id, schoolbell.EventCompleted)
	if n := s.emails(held, restored); n > 0 {
		s.t.Errorf("%d emails of %d held events were sent before their release", n, len(held))
	}
	for _, id := range after {
		if _, err := s.school.Client.Event(s.t.Context(), id); err == nil {
			s.t.Errorf("the ledger knows event %s, which was created after the backup", id)
		}
	}
	s.school.Does("event", "release", "--all", "--confirm", strconv.Itoa(len(held)))
	s.t.Logf("%d events were held after the restore", len(held))
}

// held are the ids of the held events.
func (s *soak) held() (ids []string) {
	s.t.Helper()
	for p := (client.Page{Limit: 500}); ; {
		page, err := s.school.Client.Events(s.t.Context(), schoolbell.EventHeld, p)
		if err != nil {
			s.t.Fatal(fmt.Errorf("list held events: %w", err))
		}
		for _, ev := range page.Events {
			ids = append(ids, ev.ID)
		}
		if p.Cursor = page.Next; p.Cursor == "" {
			return ids
		}
	}
}

// emails counts the emails of events that were taken since a moment.
func (s *soak) emails(ids []string, since time.Time) (n int) {
	s.t.Helper()
	for _, id := range ids {
		for _, l := range s.mail.Letters(id) {
			if l.At.After(since) {
				n++
			}
		}
	}
	return n
}

// markReleased marks events that are held and will be released. They say nothing about the time of recovery: a
// person decides how long they are held.
func (s *soak) markReleased(held []string) {
	s.producers.released = held
	for i, e := range s.events {
		if slices.Contains(held, e.id) {
			s.events[i].released, s.events[i].repaired = true, time.Time{}
		}
	}
}

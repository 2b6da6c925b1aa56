package fault

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
	"schoolbell/wire"
)

// TestRetention kills the process that removes old rows again and again, between two pieces
// or within one, and looks at what is left through the API.
func TestRetention(t *testing.T) {
	t.Parallel()
	t.Run("on SQLite, killed processes leave consistent events", func(t *testing.T) {
		t.Parallel()
		testRetentionKilled(t, "")
	})
	t.Run("on PostgreSQL, killed processes leave consistent events", func(t *testing.T) {
		t.Parallel()
		testRetentionKilled(t, testenv.Postgres(t))
	})
}

const retainedPeople = 3_000

func testRetentionKilled(t *testing.T, database string) {
	mail := system.NewMail(t)
	s := system.New(t, system.Parts{Database: database, SMTP: mail.Addr(), Settings: []string{"RETAIN_EVENTS=forever"}})
	p := s.Serve()
	s.Import(retainedPeople)
	var events []*wire.Event
	for range 3 {
		id := s.Create().ID
		testenv.Eventually(t, 3*time.Minute, func() error {
			ev, err := s.Client.Event(t.Context(), id)
			if err == nil && ev.Status != schoolbell.EventCompleted {
				err = fmt.Errorf("it is %s", ev.Status)
			}
			return err
		}, "the event is completed")
		ev, err := s.Client.Event(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, ev)
	}
	p.Stop()
	s.Ledger.Age("events.created_at", "events.completed_at", "chunks.arrived_at")

	lives, partly := 0, 0
	for left := 6 * retainedPeople; left != 0; lives++ {
		if lives == 200 {
			t.Fatalf("%d rows are left after %d lives", left, lives)
		}
		s.Ledger.Due()
		p := s.Serve()
		for started := time.Now(); s.Ledger.Count(`SELECT count(*) FROM deliveries`) == left; {
			if time.Since(started) > time.Minute {
				t.Fatalf("no piece of %d rows was removed", left)
			}
		}
		<-time.After(time.Duration(rand.IntN(50)) * time.Millisecond) // the fault comes at any moment between or within pieces
		p.Kill()
		p = s.Serve() // removes nothing: the killed process still has the turn
		if left = wantConsistent(t, s, events); left > 0 {
			partly++
		}
		p.Kill()
	}
	t.Logf("%d lives, %d of them found a part of the rows", lives, partly)
	if partly == 0 {
		t.Error("no process was killed between two pieces")
	}

	// And then the events themselves.
	s.Ledger.Due()
	p = s.LaunchWith([]string{"RETAIN_EVENTS=400d"}, "serve", "serve")
	testenv.Eventually(t, time.Minute, func() error {
		for _, ev := range events {
			_, err := s.Client.Event(t.Context(), ev.ID)
			if problem, ok := errors.AsType[*client.Problem](err); !ok || problem.Status != 404 {
				return fmt.Errorf("event %s: %w", ev.ID, err)
			}
		}
		return nil
	}, "the events are removed")
	p.Stop()
	for _, table := range []string{"events", "waves", "totals", "deliveries", "batches", "claims", "chunks", "inbox"} {
		if n := s.Ledger.Count(`SELECT count(*) FROM ` + table); n != 0 {
			t.Errorf("%d rows are left in %s", n, table)
		}
	}
}

// wantConsistent compares the events with what they were, and returns how many of their rows are left.
func wantConsistent(t *testing.T, s *system.School, events []*wire.Event) (left int) {
	t.Helper()
	for _, want := range events {
		rows := s.Ledger.Count(`SELECT count(*) FROM deliveries d JOIN events e ON e.seq = d.event_seq WHERE e.id = $1`, want.ID)
		ev, err := s.Client.Event(t.Context(), want.ID)
		if err != nil {
			t.Fatal(err)
		}
		if rows < 2*retainedPeople && ev.DeliveriesRemovedAt.IsZero() {
			t.Errorf("%d rows are left, and the event does not say so", rows)
		}
		if d := cmp.Diff(want.Progress, ev.Progress); d != "" || ev.Status != want.Status {
			t.Errorf("%d rows are left, the event is %s: %s", rows, ev.Status, d)
		}
		watched := 0
		for p, err := range s.Client.WatchEvent(t.Context(), want.ID) {
			if err != nil || p.Progress.Total != want.Progress.Total {
				t.Errorf("watched: %+v, %v", p, err)
			}
			watched++
		}
		if watched == 0 {
			t.Error("nothing to watch")
		}
		if left += rows; !ev.DeliveriesRemovedAt.IsZero() {
			_, err := s.Client.RetryEvent(t.Context(), want.ID)
			if problem, ok := errors.AsType[*client.Problem](err); !ok || problem.Status != 409 {
				t.Errorf("retried: %v", err)
			}
		}
	}
	inbox, err := s.Client.Inbox(t.Context(), system.Person(7), client.Page{})
	if err != nil || inbox.Unread != len(inbox.Items) {
		t.Errorf("%d unread of %d items: %v", inbox.Unread, len(inbox.Items), err)
	}
	return left
}

package inbox_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/inbox"
	"schoolbell/internal/ledger"
)

// gatedStore holds one InboxSince back, so that a test decides when a pass begins and ends.
type gatedStore struct {
	inbox.Store
	gate atomic.Pointer[gate]
}

type gate struct{ entered, leave chan struct{} }

func (s *gatedStore) InboxSince(ctx context.Context, users []ledger.UserRef, after int64, limit int) (map[ledger.UserRef][]schoolbell.InboxItem, error) {
	if g := s.gate.Swap(nil); g != nil {
		close(g.entered)
		<-g.leave
	}
	return s.Store.InboxSince(ctx, users, after, limit)
}

func TestHandover(t *testing.T) {
	t.Parallel()
	t.Run("a listener that joins during a pass gets its items once", testHandoverDuringPass)
	t.Run("an item that arrives during catch-up comes once", testHandoverDuringCatchUp)
}

// A pass covers positions up to the end it saw at its start, for the listeners
// of that moment. Who comes during it has to get those positions as well, once.
func testHandoverDuringPass(t *testing.T) {
	t.Parallel()
	gated := &gatedStore{}
	r := newRig(t, inbox.Options{Poll: time.Hour}, func(s inbox.Store) inbox.Store { gated.Store = s; return gated }, "u1", "u2")
	r.send("before", "u1", "u2")
	there := r.subscribe("u1", -1)
	before, _, err := r.ledger.Inboxes.Inbox(t.Context(), "u1", 0, 1)
	must(t, err)

	g := &gate{make(chan struct{}), make(chan struct{})}
	gated.gate.Store(g)
	r.send("during", "u1", "u2")
	r.Wake()
	<-g.entered
	same, other, fresh := r.subscribe("u1", before[0].Position), r.subscribe("u2", before[0].Position), r.subscribe("u2", -1)
	for name, sub := range map[string]*inbox.Subscription{"a second of the same user": same, "one of another user": other} {
		if got := r.next(sub).Title; got != "during" {
			t.Errorf("%s first got %q", name, got)
		}
	}
	close(g.leave)
	if got := r.next(there).Title; got != "during" {
		t.Errorf("who was there got %q", got)
	}
	r.send("after", "u1", "u2")
	r.Wake()
	for name, sub := range map[string]*inbox.Subscription{"who was there": there, "a second of the same user": same, "one of another user": other, "one from now on": fresh} {
		if got := r.next(sub).Title; got != "after" {
			t.Errorf("%s then got %q", name, got)
		}
	}
}

func testHandoverDuringCatchUp(t *testing.T) {
	t.Parallel()
	r := newRig(t, inbox.Options{Poll: time.Hour}, nil, "u1")
	r.send("missed", "u1")
	there, late := r.subscribe("u1", -1), r.subscribe("u1", 0)
	for _, title := range []string{"live", "last"} {
		r.send(title, "u1")
		r.Wake()
		if got := r.next(there).Title; got != title { // so it was handed out
			t.Fatalf("who was there got %q", got)
		}
	}
	for _, title := range []string{"missed", "live", "last", "end"} {
		if title == "end" {
			r.send(title, "u1")
			r.Wake()
		}
		if got := r.next(late).Title; got != title {
			t.Errorf("who reads late got %q, want %q", got, title)
		}
	}
}

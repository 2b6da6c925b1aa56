package inbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/outage"
)

const pageItems = 100 // items that a pass reads from the store at a time

// ErrClosed says that a Subscription has ended. The listener may come back with the
// last position it saw.
var ErrClosed = errors.New("inbox: the stream has ended")

// hub finds new items for all listeners with one query at a time.
//
// A pass covers the positions (last, upTo]. upTo is set before the listeners are
// counted, under the lock; a later subscriber begins at upTo or above, and
// reads what is below from the store itself. So each position reaches each
// listener by exactly one of the two ways.
type hub struct {
	store  Store
	log    *slog.Logger
	poll   time.Duration
	buffer int
	woken  chan struct{}

	mu    sync.Mutex
	last  int64 // everything up to here was handed out
	upTo  int64 // the end of the pass under way; last between passes
	users map[ledger.UserRef]map[*Subscription]struct{}
	ended bool
}

func newHub(store Store, o Options) hub {
	return hub{store: store, log: o.Logger, poll: o.Poll, buffer: o.Buffer,
		woken: make(chan struct{}, 1), users: map[ledger.UserRef]map[*Subscription]struct{}{}}
}

func (h *hub) wake() {
	select {
	case h.woken <- struct{}{}:
	default: // it is awake already
	}
}

func (h *hub) run(ctx context.Context) error {
	defer h.end()
	tick := time.NewTicker(h.poll)
	defer tick.Stop()
	var down outage.Log
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-h.woken:
		case <-tick.C:
		}
		down.Note(ctx, h.log, slog.LevelWarn, "look for new inbox items", h.pass(ctx))
	}
}

// pass hands out what arrived since the last one.
func (h *hub) pass(ctx context.Context) error {
	if h.idle() {
		return nil
	}
	tail, _, err := h.store.InboxTail(ctx)
	if err != nil {
		return fmt.Errorf("read the inbox tail: %w", err)
	}
	from, users := h.begin(tail)
	for from < tail && len(users) > 0 {
		found, err := h.store.InboxSince(ctx, users, from, pageItems)
		if err != nil {
			return fmt.Errorf("read new inbox items: %w", err)
		}
		from = h.hand(found, from, tail)
	}
	return nil
}

func (h *hub) idle() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.users) == 0
}

// begin fixes what the pass covers and for whom.
func (h *hub) begin(tail int64) (from int64, users []ledger.UserRef) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.upTo = max(h.upTo, tail)
	if len(h.users) == 0 {
		h.last = h.upTo
	}
	return h.last, slices.Collect(maps.Keys(h.users))
}

// hand gives one page of items to the listeners and returns how far that went.
func (h *hub) hand(found map[ledger.UserRef][]schoolbell.InboxItem, from, tail int64) int64 {
	n, highest := 0, from
	for _, items := range found {
		n += len(items)
		highest = max(highest, items[len(items)-1].Position)
	}
	if n < pageItems {
		highest = tail // there is no further page
	}
	highest = min(highest, tail)
	h.mu.Lock()
	defer h.mu.Unlock()
	for user, subs := range h.users {
		for _, item := range found[user] {
			if item.Position > highest {
				break
			}
			for sub := range subs {
				sub.offer(item)
			}
		}
	}
	h.last = highest
	return highest
}

func (h *hub) subscribe(ctx context.Context, user ledger.UserRef, after int64) (*Subscription, error) {
	tail, last, err := h.store.InboxTail(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the inbox tail: %w", err)
	}
	if after < 0 || after > last { // a position that no item has is from another ledger
		after = tail
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return nil, &schoolbell.Error{Code: schoolbell.CodeUnavailable, Message: "the server is stopping", Err: ErrClosed}
	}
	if len(h.users) == 0 { // nobody listened: what arrived meanwhile is for the store to tell
		h.upTo = max(h.upTo, tail)
		h.last = h.upTo
	}
	sub := &Subscription{hub: h, user: user, at: after, liveAfter: max(after, h.upTo),
		arrived: make(chan struct{}, 1), done: make(chan struct{})}
	if h.users[user] == nil {
		h.users[user] = map[*Subscription]struct{}{}
	}
	h.users[user][sub] = struct{}{}
	return sub, nil
}

// drop ends sub for the given reason. The lock is held.
func (h *hub) drop(sub *Subscription, reason error) {
	subs := h.users[sub.user]
	if _, there := subs[sub]; !there {
		return
	}
	delete(subs, sub)
	if len(subs) == 0 {
		delete(h.users, sub.user)
	}
	sub.reason = reason
	close(sub.done)
}

func (h *hub) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	for _, subs := range h.users {
		for sub := range subs {
			h.drop(sub, ErrClosed)
		}
	}
}

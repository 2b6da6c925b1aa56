package inbox

import (
	"context"
	"fmt"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// backlogItems is how many items of a backlog a subscription holds at a time. Items
// may have 100 kB, and many listeners may come back at once.
const backlogItems = 5

// Subscription is one listener on one user's inbox. Next is for one goroutine;
// Close may be called from any, and more than once.
type Subscription struct {
	hub     *hub
	user    ledger.UserRef
	at      int64 // position of the last item returned
	backlog []schoolbell.InboxItem
	done    chan struct{} // closed after reason is set
	reason  error

	// The hub's lock guards these.
	liveAfter int64 // items above come through live, those up to here from the store
	live      []schoolbell.InboxItem
	arrived   chan struct{} // has a token when live is not empty
}

// User returns who listens.
func (s *Subscription) User() ledger.UserRef { return s.user }

// Next waits for the next item of the inbox, in order of position. It returns
// ctx's error when that ends, and may be called again then; ErrClosed is for good.
func (s *Subscription) Next(ctx context.Context) (schoolbell.InboxItem, error) {
	for {
		if err := s.fill(ctx); err != nil {
			return schoolbell.InboxItem{}, err
		}
		if len(s.backlog) > 0 {
			item := s.backlog[0]
			s.backlog = s.backlog[1:]
			s.at = item.Position
			return item, nil
		}
		if item, ok := s.take(); ok {
			s.at = item.Position
			return item, nil
		}
		select {
		case <-s.arrived:
		case <-s.done:
			return schoolbell.InboxItem{}, s.reason
		case <-ctx.Done():
			return schoolbell.InboxItem{}, ctx.Err()
		}
	}
}

// fill reads the next few items that are to come from the store: those from before the
// subscription was made, and those that came while the listener was behind.
func (s *Subscription) fill(ctx context.Context) error {
	s.hub.mu.Lock()
	upTo := s.liveAfter
	s.hub.mu.Unlock()
	if len(s.backlog) > 0 || s.at >= upTo {
		return nil
	}
	found, err := s.hub.store.InboxSince(ctx, []ledger.UserRef{s.user}, s.at, backlogItems)
	if err != nil {
		return fmt.Errorf("read missed inbox items: %w", err)
	}
	for _, item := range found[s.user] {
		if item.Position <= upTo {
			s.backlog = append(s.backlog, item)
		}
	}
	if len(s.backlog) == 0 {
		s.at = upTo
	}
	return nil
}

// take returns the oldest live item.
func (s *Subscription) take() (schoolbell.InboxItem, bool) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if len(s.live) == 0 || s.live[0].Position <= s.at { // or the listener fell behind in between
		return schoolbell.InboxItem{}, false
	}
	item := s.live[0]
	s.live = s.live[1:]
	if len(s.live) > 0 {
		s.wake()
	}
	return item, true
}

// offer hands over a live item without waiting. A listener that is too far behind
// reads it and all before it from the store. The hub's lock is held.
func (s *Subscription) offer(item schoolbell.InboxItem) {
	switch {
	case item.Position <= s.liveAfter:
		return
	case len(s.live) >= s.hub.buffer:
		s.live, s.liveAfter = nil, item.Position
	default:
		s.live = append(s.live, item)
	}
	s.wake()
}

func (s *Subscription) wake() {
	select {
	case s.arrived <- struct{}{}:
	default: // it is awake already
	}
}

// Close ends the subscription.
func (s *Subscription) Close() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.hub.drop(s, ErrClosed)
}

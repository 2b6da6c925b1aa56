package inbox

import (
	"context"
	"fmt"

	"schoolbell"
)

// Subscription is one listener on one user's inbox. Next is for one goroutine;
// Close may be called from any, and more than once.
type Subscription struct {
	hub       *hub
	user      string
	at        int64 // position of the last item returned
	liveAfter int64 // items above come through the channel, those up to here from the store
	backlog   []schoolbell.InboxItem
	items     chan schoolbell.InboxItem
	done      chan struct{} // closed after reason is set
	reason    error
}

// Next waits for the next item of the inbox, in order of position. It returns
// ctx's error when that ends, and may be called again then; ErrBehind or
// ErrClosed are for good.
func (s *Subscription) Next(ctx context.Context) (schoolbell.InboxItem, error) {
	if err := s.fill(ctx); err != nil {
		return schoolbell.InboxItem{}, err
	}
	if len(s.backlog) > 0 {
		item := s.backlog[0]
		s.backlog = s.backlog[1:]
		s.at = item.Position
		return item, nil
	}
	select {
	case item := <-s.items:
		s.at = item.Position
		return item, nil
	case <-s.done:
		return schoolbell.InboxItem{}, s.reason
	case <-ctx.Done():
		return schoolbell.InboxItem{}, ctx.Err()
	}
}

// fill reads the next page of what arrived before the subscription was made.
func (s *Subscription) fill(ctx context.Context) error {
	if len(s.backlog) > 0 || s.at >= s.liveAfter {
		return nil
	}
	found, err := s.hub.store.InboxSince(ctx, []string{s.user}, s.at, pageItems)
	if err != nil {
		return fmt.Errorf("read missed inbox items of user %s: %w", s.user, err)
	}
	for _, item := range found[s.user] {
		if item.Position <= s.liveAfter {
			s.backlog = append(s.backlog, item)
		}
	}
	if len(s.backlog) == 0 {
		s.at = s.liveAfter
	}
	return nil
}

// offer hands over a live item without waiting and reports whether there was
// room. The hub's lock is held.
func (s *Subscription) offer(item schoolbell.InboxItem) bool {
	if item.Position <= s.liveAfter {
		return true
	}
	select {
	case s.items <- item:
		return true
	default:
		return false
	}
}

// Close ends the subscription.
func (s *Subscription) Close() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.hub.drop(s, ErrClosed)
}

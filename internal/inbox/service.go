package inbox

import (
	"context"
	"log/slog"
	"time"

	"schoolbell"
)

// Options are the settings of a Service. The zero value works.
type Options struct {
	Poll   time.Duration // how often new items are looked for while somebody listens; 0 means 250 ms
	Buffer int           // items kept for a listener that is behind, the rest it reads from the ledger; 0 means 16
	Logger *slog.Logger  // nil means slog.Default

	// Language returns the language that the school writes in, BCP 47. It is called often, from several goroutines. Nil means
	// English.
	Language func() string
}

// Service lists inboxes, marks items read and tells listeners of new ones. It
// is safe for concurrent use. Listening works while Run does.
type Service struct {
	store Store
	hub   hub
}

// New returns a Service over store.
func New(store Store, o Options) *Service {
	if o.Poll <= 0 {
		o.Poll = 250 * time.Millisecond
	}
	if o.Buffer <= 0 {
		o.Buffer = 16
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	store = newPersonalStore(store, o.Language)
	return &Service{store: store, hub: newHub(store, o)}
}

// List returns up to limit items of the user's inbox, newest first, those below
// position before (0 for the newest), and how many of the whole inbox are unread.
func (s *Service) List(ctx context.Context, userID string, before int64, limit int) ([]schoolbell.InboxItem, int, error) {
	return s.store.Inbox(ctx, userID, before, limit)
}

// MarkRead notes that the user read the event and returns how many are unread after it.
func (s *Service) MarkRead(ctx context.Context, userID, eventID string) (unread int, err error) {
	return s.store.MarkRead(ctx, userID, eventID)
}

// Acknowledge notes that the user confirmed the event, and read it, and returns how many
// are unread after it.
func (s *Service) Acknowledge(ctx context.Context, userID, eventID string) (unread int, err error) {
	return s.store.Acknowledge(ctx, userID, eventID)
}

// MarkAllRead notes that the user read every item up to position upTo (0: all) and
// returns how many are unread after it.
func (s *Service) MarkAllRead(ctx context.Context, userID string, upTo int64) (unread int, err error) {
	return s.store.MarkAllRead(ctx, userID, upTo)
}

// Run looks for new items while somebody listens, until ctx ends; then every
// Subscription ends and no further one is given out.
func (s *Service) Run(ctx context.Context) error { return s.hub.run(ctx) }

// Wake makes Run look for new items at once. It never blocks.
func (s *Service) Wake() { s.hub.wake() }

// Subscribe listens to the user's inbox from position after on; below zero it means from
// now on. The caller closes the Subscription. CodeNotFound if there is no such
// user; CodeUnavailable when Run has ended.
func (s *Service) Subscribe(ctx context.Context, userID string, after int64) (*Subscription, error) {
	refs, err := s.store.UserRefs(ctx, []string{userID})
	if err != nil {
		return nil, err
	}
	user, ok := refs[userID]
	if !ok {
		return nil, schoolbell.NotFound("user", userID)
	}
	return s.hub.subscribe(ctx, user, after)
}

// Check returns CodeNotFound if the user is not there any more, or not the same one,
// for whom userID was when sub began.
func (s *Service) Check(ctx context.Context, userID string, sub *Subscription) error {
	refs, err := s.store.UserRefs(ctx, []string{userID})
	if err == nil && refs[userID] != sub.user {
		err = schoolbell.NotFound("user", userID)
	}
	return err
}

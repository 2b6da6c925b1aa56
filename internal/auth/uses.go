package auth

import (
	"context"
	"sync"
	"time"

	"schoolbell"
)

const (
	useEvery   = 10 * time.Minute // how exactly the last use of a key is known
	useTimeout = time.Second
)

// uses are the last uses of keys that are to be stored. No request waits for that: a
// commit would take longer than the rest of most requests. It is safe for concurrent use.
type uses struct {
	store Store
	added chan struct{} // holds a token while there are uses that run has not taken

	mu      sync.Mutex
	noted   map[string]time.Time // digest → last use that was noted
	waiting map[string]time.Time // those of them that are not stored
}

func newUses(store Store) *uses {
	return &uses{store: store, added: make(chan struct{}, 1), noted: map[string]time.Time{}, waiting: map[string]time.Time{}}
}

// note notes that the key is used at the time now, once in a while.
func (u *uses) note(k schoolbell.APIKey, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	digest, last := string(k.Digest), k.LastUsedAt
	if noted := u.noted[digest]; noted.After(last) {
		last = noted
	}
	if now.Sub(last) < useEvery {
		return
	}
	u.noted[digest], u.waiting[digest] = now, now
	select {
	case u.added <- struct{}{}:
	default:
	}
}

// storeWaiting stores the uses that wait, also when ctx has ended. A ledger that cannot store one only makes its time older.
func (u *uses) storeWaiting(ctx context.Context) {
	u.mu.Lock()
	waiting := u.waiting
	u.waiting = map[string]time.Time{}
	u.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), useTimeout)
	defer cancel()
	for digest, at := range waiting {
		_ = u.store.NoteKeyUse(ctx, []byte(digest), schoolbell.Time(at))
	}
}

// Run stores when keys are used, until ctx ends and all uses until then are stored.
func (s *Service) Run(ctx context.Context) error {
	for {
		select {
		case <-s.uses.added:
			s.uses.storeWaiting(ctx)
		case <-ctx.Done():
			s.uses.storeWaiting(ctx)
			return nil
		}
	}
}

package live

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"schoolbell"
)

// CheckEvery is how often streams check that their readers are still signed in.
const CheckEvery = 5 * time.Second

// Accounts knows the accounts of sessions.
type Accounts interface {
	Sessions(ctx context.Context, secrets []string) (map[string]schoolbell.StaffAccount, error)
}

// Sessions are the sessions that follow streams. They are checked together, so that many open pages cost one query. It is safe
// for concurrent use.
type Sessions struct {
	mu       sync.Mutex
	streams  map[string]int // of each session
	at       time.Time
	accounts map[string]schoolbell.StaffAccount
	checking sync.Mutex
}

// Follow counts a stream of a session; leave takes it back.
func (o *Sessions) Follow(session string) (leave func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.streams == nil {
		o.streams = map[string]int{}
	}
	o.streams[session]++
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.streams[session]--; o.streams[session] == 0 {
			delete(o.streams, session)
		}
	}
}

// Account returns the account of a session with a stream, as it was at most CheckEvery ago; ok is false if the session has ended.
func (o *Sessions) Account(ctx context.Context, accounts Accounts, session string) (a schoolbell.StaffAccount, ok bool, err error) {
	o.checking.Lock()
	defer o.checking.Unlock()
	if o.old() {
		if err := o.check(ctx, accounts); err != nil {
			return a, false, err
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	a, ok = o.accounts[session]
	return a, ok, nil
}

func (o *Sessions) old() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return time.Since(o.at) >= CheckEvery
}

func (o *Sessions) check(ctx context.Context, accounts Accounts) error {
	o.mu.Lock()
	sessions := slices.Collect(maps.Keys(o.streams))
	o.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), partsTimeout) // it is for all streams
	defer cancel()
	found, err := accounts.Sessions(ctx, sessions)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.accounts, o.at = found, time.Now()
	return nil
}

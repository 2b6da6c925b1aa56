package notify_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/notify"
	"schoolbell/internal/store"
	"schoolbell/internal/store/sqlite"
	"schoolbell/internal/testenv"
)

// The relay forgets idempotency keys when their time is over, and no earlier.
func TestForgetKeys(t *testing.T) {
	t.Parallel()
	addr := testenv.Redis(t)
	for name, c := range map[string]struct {
		retain time.Duration
		free   bool // to be used for another event
	}{
		"kept for a millisecond": {time.Millisecond, true},
		"kept for an hour":       {time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"), sqlite.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if err := db.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			forgotten := make(chan struct{}, 1)
			stores := store.OnSQLite(db).Stores
			stores.Events = forgetful{stores.Events, forgotten}
			p, err := notify.New(stores, redisClient(t, addr), notify.Config{Prefix: fmt.Sprint("forget", c.free),
				RetainIdempotency: c.retain}, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			create := func(title, fingerprint string) error {
				_, _, err := p.Create(t.Context(), &schoolbell.Event{Title: title, Body: "Moved.",
					Audience: schoolbell.Audience{Selector: schoolbell.Selector{Roles: schoolbell.Roles()}},
					Channels: []schoolbell.Channel{schoolbell.ChannelInApp}}, ledger.Idempotency{Key: "k", Fingerprint: fingerprint})
				return err
			}
			if err := create("Sports day", "one"); err != nil {
				t.Fatal(err)
			}
			if err := create("Swimming", "two"); err == nil {
				t.Fatal("the key was free at once")
			}
			created := time.Now()
			testenv.Eventually(t, time.Second, func() bool { return time.Since(created) > 3*time.Millisecond }, "a millisecond goes by")
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var running errgroup.Group
			running.Go(func() error { return p.RunRelay(ctx) })
			select {
			case <-forgotten:
			case <-time.After(20 * time.Second):
				t.Fatal("the relay does not look for old keys")
			}
			if err := create("Swimming", "two"); (err == nil) != c.free {
				t.Errorf("used again: %v", err)
			}
			stop()
			if err := running.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// forgetful says when keys have been forgotten.
type forgetful struct {
	ledger.Events
	done chan struct{}
}

func (f forgetful) ForgetKeys(ctx context.Context, before time.Time, limit int) (int, error) {
	n, err := f.Events.ForgetKeys(ctx, before, limit)
	select {
	case f.done <- struct{}{}:
	default:
	}
	return n, err
}

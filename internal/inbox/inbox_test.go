package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"schoolbell"
	"schoolbell/internal/inbox"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
	"schoolbell/internal/store/sqlite"
	"schoolbell/internal/testenv"
)

type rig struct {
	t      *testing.T
	ledger *store.Ledger
	*inbox.Service
	stop func()
}

// newRig runs an inbox with these users on a real ledger. wrap may put something before the store.
func newRig(t *testing.T, o inbox.Options, wrap func(inbox.Store) inbox.Store, users ...string) *rig {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"), sqlite.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	must(t, db.Migrate(t.Context()))
	stores := store.OnSQLite(db)
	for _, id := range users {
		_, err := stores.People.PutUser(t.Context(), &schoolbell.User{ID: id, Name: id, Roles: []schoolbell.Role{schoolbell.RoleParent}})
		must(t, err)
	}
	if wrap == nil {
		wrap = func(s inbox.Store) inbox.Store { return s }
	}
	if o.Poll == 0 {
		o.Poll = time.Millisecond
	}
	r := &rig{t: t, ledger: stores, Service: inbox.New(wrap(stores.Inboxes), o)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		must(t, <-done)
	})
	t.Cleanup(r.stop)
	return r
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// send puts an event into the inboxes of users.
func (r *rig) send(title string, users ...string) {
	r.t.Helper()
	id := uuid.Must(uuid.NewV7()).String()
	ev := &schoolbell.Event{ID: id, Title: title, Body: "B", Audience: schoolbell.Audience{Selector: schoolbell.Selector{Users: users}},
		Channels: []schoolbell.Channel{schoolbell.ChannelInApp}, Status: schoolbell.EventQueued, CreatedAt: schoolbell.Time(time.Now())}
	ev.Normalize()
	_, _, err := r.ledger.Events.CreateEvent(r.t.Context(), ev, nil, ledger.Idempotency{})
	must(r.t, err)
	for {
		step, err := r.ledger.FanOuts.FanOut(r.t.Context(), ledger.WaveRef{EventID: id}, 100, 100)
		must(r.t, err)
		if step.Done {
			return
		}
	}
}

func (r *rig) subscribe(user string, after int64) *inbox.Subscription {
	r.t.Helper()
	sub, err := r.Subscribe(r.t.Context(), user, after)
	must(r.t, err)
	r.t.Cleanup(sub.Close)
	return sub
}

func (r *rig) next(sub *inbox.Subscription) schoolbell.InboxItem {
	r.t.Helper()
	it, err := sub.Next(r.t.Context())
	must(r.t, err)
	return it
}

func TestListener(t *testing.T) {
	t.Parallel()
	t.Run("a new listener gets later items only", testListenerFromNow)
	t.Run("a resumed listener gets all later items in order", testListenerResumed)
	t.Run("each item arrives once", testListenerEachItemOnce)
	t.Run("a slow listener misses nothing", testListenerSlow)
	t.Run("items of a new user with the same id are not read", testListenerReusedID)
	t.Run("an unknown user is not found", testListenerUnknownUser)
	t.Run("stopping ends all listeners and rejects new ones", testListenerStop)
	t.Run("a cancelled wait can be repeated", testListenerCancelledWait)
}

func testListenerFromNow(t *testing.T) {
	t.Parallel()
	r := newRig(t, inbox.Options{}, nil, "u1", "u2")
	r.send("before", "u1")
	sub := r.subscribe("u1", -1)
	r.send("not mine", "u2")
	r.send("mine", "u1", "u2")
	if got := r.next(sub).Title; got != "mine" {
		t.Errorf("got %q", got)
	}
}

func testListenerResumed(t *testing.T) {
	t.Parallel()
	r := newRig(t, inbox.Options{}, nil, "u1")
	var want []string
	for i := range 5 {
		want = append(want, fmt.Sprint(i))
		r.send(want[i], "u1")
	}
	first := r.next(r.subscribe("u1", 0))
	sub := r.subscribe("u1", first.Position)
	r.send("5", "u1")
	got := []string{first.Title}
	for range 5 {
		got = append(got, r.next(sub).Title)
	}
	if want = append(want, "5"); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func testListenerEachItemOnce(t *testing.T) {
	t.Parallel()
	users := []string{"u0", "u1", "u2"}
	r := newRig(t, inbox.Options{Buffer: 4}, nil, users...)
	const events = 150
	var listeners sync.WaitGroup
	for n := range 6 { // two for each user
		user := users[n%len(users)]
		listeners.Go(func() {
			var got []string
			last := int64(0)
			for len(got) < events {
				sub, err := r.Subscribe(t.Context(), user, last)
				if err != nil {
					t.Error(err)
					return
				}
				for stay := rand.IntN(20); stay >= 0 && len(got) < events; stay-- {
					it, err := sub.Next(t.Context())
					if err != nil {
						t.Error(err)
						return
					}
					got, last = append(got, it.Title), it.Position
				}
				sub.Close()
			}
			for i, title := range got {
				if title != fmt.Sprint(i) {
					t.Errorf("%s: item %d is %s", user, i, title)
					return
				}
			}
		})
	}
	for i := range events {
		r.send(fmt.Sprint(i), users...)
	}
	listeners.Wait()
}

func testListenerSlow(t *testing.T) {
	t.Parallel()
	r := newRig(t, inbox.Options{Buffer: 2}, nil, "u1")
	slow, quick := r.subscribe("u1", -1), r.subscribe("u1", -1)
	for i := range 20 {
		r.send(fmt.Sprint(i), "u1")
		if got := r.next(quick).Title; got != fmt.Sprint(i) {
			t.Fatalf("the quick listener got %s, want %d", got, i)
		}
	}
	for i := range 20 {
		if got := r.next(slow).Title; got != fmt.Sprint(i) {
			t.Fatalf("the slow listener got %s, want %d", got, i)
		}
	}
	r.send("live", "u1")
	if got := r.next(slow).Title; got != "live" {
		t.Errorf("once it is no longer behind it got %s", got)
	}
}

func testListenerReusedID(t *testing.T) {
	t.Parallel()
	r := newRig(t, inbox.Options{}, nil, "u1")
	sub := r.subscribe("u1", -1)
	must(t, r.Check(t.Context(), "u1", sub))
	must(t, r.ledger.People.DeleteUser(t.Context(), "u1"))
	if err := r.Check(t.Context(), "u1", sub); schoolbell.CodeOf(err) != schoolbell.CodeNotFound {
		t.Errorf("after the user was deleted: %v", err)
	}
	_, err := r.ledger.People.PutUser(t.Context(), &schoolbell.User{ID: "u1", Name: "Another", Roles: []schoolbell.Role{schoolbell.RoleParent}})
	must(t, err)
	if err := r.Check(t.Context(), "u1", sub); schoolbell.CodeOf(err) != schoolbell.CodeNotFound {
		t.Errorf("for another user of that id: %v", err)
	}
	next := r.subscribe("u1", -1)
	r.send("private", "u1")
	if got := r.next(next).Title; got != "private" {
		t.Errorf("the new user got %s", got)
	}
	r.Wake()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if it, err := sub.Next(ctx); err == nil {
		t.Errorf("the listener of the deleted user got %s", it.Title)
	}
}

func testListenerUnknownUser(t *testing.T) {
	t.Parallel()
	if _, err := newRig(t, inbox.Options{}, nil).Subscribe(t.Context(), "ghost", 0); schoolbell.CodeOf(err) != schoolbell.CodeNotFound {
		t.Errorf("got %v", err)
	}
}

func testListenerStop(t *testing.T) {
	t.Parallel()
	r := newRig(t, inbox.Options{}, nil, "u1")
	sub := r.subscribe("u1", -1)
	r.stop()
	if _, err := sub.Next(t.Context()); !errors.Is(err, inbox.ErrClosed) {
		t.Errorf("the listener got %v", err)
	}
	if _, err := r.Subscribe(t.Context(), "u1", -1); schoolbell.CodeOf(err) != schoolbell.CodeUnavailable {
		t.Errorf("a new one got %v", err)
	}
	sub.Close() // a second end is fine
}

func testListenerCancelledWait(t *testing.T) {
	t.Parallel()
	r := newRig(t, inbox.Options{}, nil, "u1")
	sub := r.subscribe("u1", -1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sub.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	r.send("later", "u1")
	if got := r.next(sub).Title; got != "later" {
		t.Errorf("got %q", got)
	}
}

// watchedStore counts polls and fails while told to.
type watchedStore struct {
	inbox.Store
	polls atomic.Int64
	down  atomic.Bool
}

func (s *watchedStore) InboxTail(ctx context.Context) (tail, last int64, err error) {
	s.polls.Add(1)
	if s.down.Load() {
		return 0, 0, errors.New("the ledger is unavailable")
	}
	return s.Store.InboxTail(ctx)
}

func TestPolling(t *testing.T) {
	t.Parallel()
	t.Run("no listeners means no queries", testPollingNoListeners)
	t.Run("Wake polls at once", testPollingWake)
	t.Run("polling continues after an outage of the ledger", testPollingOutage)
}

func testPollingNoListeners(t *testing.T) {
	t.Parallel()
	watched := &watchedStore{}
	r := newRig(t, inbox.Options{Poll: time.Hour}, func(s inbox.Store) inbox.Store { watched.Store = s; return watched }, "u1")
	r.Wake()
	sub := r.subscribe("u1", -1) // asks once for itself
	sub.Close()
	before := watched.polls.Load()
	for range 3 {
		r.Wake()
	}
	r.stop() // all passes are over
	if n := watched.polls.Load() - before; before > 2 || n != 0 {
		t.Errorf("%d queries, then %d with nobody listening", before, n)
	}
}

func testPollingWake(t *testing.T) {
	t.Parallel()
	r := newRig(t, inbox.Options{Poll: time.Hour}, nil, "u1")
	sub := r.subscribe("u1", -1)
	r.send("now", "u1")
	r.Wake()
	if got := r.next(sub).Title; got != "now" {
		t.Errorf("got %q", got)
	}
}

func testPollingOutage(t *testing.T) {
	t.Parallel()
	watched := &watchedStore{}
	r := newRig(t, inbox.Options{}, func(s inbox.Store) inbox.Store { watched.Store = s; return watched }, "u1")
	sub := r.subscribe("u1", -1)
	watched.down.Store(true)
	r.send("meanwhile", "u1")
	n := watched.polls.Load()
	testenv.Eventually(t, 10*time.Second, func() bool { return watched.polls.Load() > n+3 }, "it tries on")
	watched.down.Store(false)
	if got := r.next(sub).Title; got != "meanwhile" {
		t.Errorf("got %q", got)
	}
}

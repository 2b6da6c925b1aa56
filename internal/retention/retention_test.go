package retention_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/retention"
	"schoolbell/internal/store"
	"schoolbell/internal/store/sqlite"
	"schoolbell/internal/testenv"
)

const day = 24 * time.Hour

func TestPeriods(t *testing.T) {
	t.Parallel()
	kept := retention.Periods{Events: 400 * day, Deliveries: 400 * day, Inbox: 400 * day, Receipts: 400 * day, Audit: 400 * day, Idempotency: 7 * day}
	got := kept.Override(schoolbell.Retention{Events: "730d", Audit: schoolbell.Forever, Idempotency: "36h"})
	want := kept
	want.Events, want.Audit, want.Idempotency = 730*day, 0, 36*time.Hour
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(kept, kept.Override(schoolbell.Retention{})); d != "" {
		t.Errorf("nothing chosen: %s", d)
	}
}

// request is what a Service asked of a store to remove.
type request struct {
	Kind ledger.Kept
	Age  time.Duration
}

// fakeStore has a number of old rows of each kind, removed in pieces of 100.
type fakeStore struct {
	mu       sync.Mutex
	rows     map[ledger.Kept]int
	oldest   time.Duration // age of the oldest inbox item
	requests []request
	holder   string
	until    time.Time
	fail     error
	pieces   int

	suspended []time.Duration // ages of the suspensions that were ended
}

func (f *fakeStore) TakeTurn(_ context.Context, holder string, length time.Duration) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.holder != holder && time.Now().Before(f.until) {
		return false, nil
	}
	f.holder, f.until = holder, time.Now().Add(length)
	return true, nil
}

func (f *fakeStore) EndTurn(_ context.Context, holder string, rest time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.holder == holder {
		f.holder, f.until = "nobody", time.Now().Add(rest)
	}
	return nil
}

func (f *fakeStore) OldestInbox(context.Context) (time.Time, bool, error) {
	return time.Now().Add(-f.oldest), true, nil
}

func (f *fakeStore) RemoveOld(_ context.Context, kind ledger.Kept, before time.Time, at ledger.RemovalCursor, _ int) (ledger.Removed, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pieces++; f.fail != nil {
		return ledger.Removed{}, f.fail
	}
	if at == (ledger.RemovalCursor{}) {
		f.requests = append(f.requests, request{kind, time.Since(before)})
	}
	n := min(f.rows[kind], 100)
	f.rows[kind] -= n
	return ledger.Removed{Rows: n, Next: ledger.RemovalCursor{User: 1}, Done: f.rows[kind] == 0}, nil
}

func (f *fakeStore) ScrubErased(context.Context, time.Time, int) (int, bool, error) {
	return 0, true, nil
}

func (f *fakeStore) EndSuspensions(_ context.Context, before time.Time) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.suspended = append(f.suspended, time.Since(before))
	return 0, f.fail
}

func TestRounds(t *testing.T) {
	t.Parallel()
	t.Run("each kind is removed by its age, and none that is kept", testRoundsAges)
	t.Run("one process removes, once an hour", testRoundsTurns)
	t.Run("a round after a failure is made by anybody", testRoundsFailure)
}

func testRoundsAges(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		periods retention.Periods
		oldest  time.Duration
		want    []request
	}{
		{"all are kept", retention.Periods{}, 900 * day, nil},
		{"all alike", retention.Periods{Events: 10 * day, Deliveries: 10 * day, Inbox: 10 * day, Receipts: 10 * day, Audit: 10 * day, Idempotency: 10 * day}, 12 * day, []request{
			{ledger.KeptKeys, 10 * day}, {ledger.KeptInbox, 10 * day}, {ledger.KeptDeliveries, 10 * day}, {ledger.KeptEvents, 11*day + time.Hour},
			{ledger.KeptReceipts, 10 * day}, {ledger.KeptAudit, 10 * day}, {ledger.KeptAttempts, 10 * day}, {ledger.KeptMessages, 10 * day}}},
		{"events take what belongs to them", retention.Periods{Events: 2 * day, Inbox: 5 * day, Receipts: day, Idempotency: 7 * day}, 9 * day, []request{
			{ledger.KeptKeys, 2 * day}, {ledger.KeptInbox, 2 * day}, {ledger.KeptDeliveries, 2 * day}, {ledger.KeptEvents, 3*day + time.Hour},
			{ledger.KeptReceipts, day}, {ledger.KeptAttempts, day}, {ledger.KeptMessages, day}}},
		{"inboxes that are hardly too old", retention.Periods{Inbox: 10 * day}, 11*day - time.Minute, nil},
		{"inboxes that are a day too old", retention.Periods{Inbox: 10 * day}, 11*day + time.Minute, []request{{ledger.KeptInbox, 10 * day}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &fakeStore{oldest: c.oldest, rows: map[ledger.Kept]int{}}
				s := retention.New(f, func() retention.Periods { return c.periods }, slog.New(slog.DiscardHandler))
				if _, err := s.Remove(t.Context(), time.Now()); err != nil {
					t.Fatal(err)
				}
				want := append(slices.Clone(c.want), request{ledger.KeptTraffic, 31 * day}) // whatever the periods are
				if d := cmp.Diff(want, f.requests); d != "" {
					t.Error(d)
				}
				if d := cmp.Diff([]time.Duration{schoolbell.SuspensionTime}, f.suspended); d != "" {
					t.Errorf("suspensions ended: %s", d)
				}
			})
		})
	}
}

// running starts services on a store.
func running(t *testing.T, f *fakeStore, n int) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range n {
		s := retention.New(f, func() retention.Periods { return retention.Periods{Audit: day} }, slog.New(slog.DiscardHandler))
		wg.Go(func() {
			if err := s.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	return func() { cancel(); wg.Wait() }
}

// pass lets time pass in a bubble.
func pass(d time.Duration) { <-time.After(d) }

func testRoundsTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{rows: map[ledger.Kept]int{ledger.KeptAudit: 1_000}}
		stop := running(t, f, 3)
		defer stop()
		rounds := func() int {
			synctest.Wait()
			f.mu.Lock()
			defer f.mu.Unlock()
			return len(f.requests) / 2 // one of the audit, one of the traffic
		}
		pass(5 * time.Minute)
		if n := rounds(); n != 1 || f.rows[ledger.KeptAudit] != 0 {
			t.Errorf("%d rounds at the start, %d rows left", n, f.rows[ledger.KeptAudit])
		}
		pass(50 * time.Minute)
		if n := rounds(); n != 1 {
			t.Errorf("%d rounds before an hour", n)
		}
		pass(10 * time.Hour)
		if n := rounds(); n < 9 || n > 11 {
			t.Errorf("%d rounds in eleven hours", n)
		}
		f.mu.Lock()
		f.holder, f.until = "a process that has died", time.Now().Add(2*time.Minute)
		f.mu.Unlock()
		n := rounds()
		pass(13 * time.Minute)
		if rounds() != n+1 {
			t.Error("nobody has taken over")
		}
	})
}

func testRoundsFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{rows: map[ledger.Kept]int{ledger.KeptAudit: 10}, fail: fmt.Errorf("the ledger is unavailable")}
		stop := running(t, f, 1)
		defer stop()
		pass(time.Minute)
		synctest.Wait()
		f.mu.Lock()
		if f.pieces != 1 {
			t.Errorf("%d pieces", f.pieces)
		}
		f.fail = nil
		f.mu.Unlock()
		pass(10 * time.Minute)
		synctest.Wait()
		if f.rows[ledger.KeptAudit] != 0 {
			t.Error("the next look has not removed the rows")
		}
	})
}

// Everything of an event is removed from a real ledger, and a metric counts it.
func TestRemove(t *testing.T) {
	t.Parallel()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	l := store.OnSQLite(db)
	must(t, putPeople(t, l, 2_500))
	ev := &schoolbell.Event{ID: "e", Title: "Sports day", Body: "Moved.", Category: schoolbell.CategoryAnnouncement, Status: schoolbell.EventQueued,
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Roles: schoolbell.Roles()}}, Channels: []schoolbell.Channel{schoolbell.ChannelInApp}, CreatedAt: time.Now()}
	_, _, err = l.Events.CreateEvent(t.Context(), ev, nil, ledger.Idempotency{Key: "k", Fingerprint: "f"})
	must(t, err)
	wave := ledger.WaveRef{EventID: "e"}
	for done := false; !done; {
		step, err := l.FanOuts.FanOut(t.Context(), wave, 1_000, 100)
		must(t, err)
		done = step.Done
	}
	_, err = l.Waves.FinishWave(t.Context(), wave)
	must(t, err)

	s := retention.New(l.Retention, func() retention.Periods { return retention.Periods{Events: 10 * day, Audit: 20 * day} }, slog.New(slog.DiscardHandler))
	for _, c := range []struct {
		in   time.Duration
		want map[ledger.Kept]int
	}{
		{9 * day, map[ledger.Kept]int{}},
		{10*day + time.Hour, map[ledger.Kept]int{ledger.KeptKeys: 1, ledger.KeptDeliveries: 2_500}},
		{12 * day, map[ledger.Kept]int{ledger.KeptInbox: 2_500, ledger.KeptEvents: 1}},
	} {
		rows, err := s.Remove(t.Context(), time.Now().Add(c.in))
		must(t, err)
		for kind, n := range rows {
			if n == 0 {
				delete(rows, kind)
			}
		}
		if d := cmp.Diff(c.want, rows); d != "" {
			t.Errorf("removed after %v: %s", c.in, d)
		}
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(s.Metrics())
	families, err := reg.Gather()
	must(t, err)
	counted := 0.0
	for _, m := range families[0].GetMetric() {
		counted += m.GetCounter().GetValue()
	}
	if counted != 5_002 || len(families[0].GetMetric()) != len(ledger.AllKept()) {
		t.Errorf("%v rows of %d kinds are counted", counted, len(families[0].GetMetric()))
	}
	_, err = l.Events.Event(t.Context(), "e")
	if schoolbell.CodeOf(err) != schoolbell.CodeNotFound {
		t.Errorf("the event is still there: %v", err)
	}
}

func putPeople(t *testing.T, l *store.Ledger, n int) error {
	var users []*schoolbell.User
	for i := range n {
		users = append(users, &schoolbell.User{ID: fmt.Sprint("u", i), Name: "N", Roles: []schoolbell.Role{schoolbell.RoleStudent}})
	}
	_, err := l.People.PutUsers(t.Context(), users)
	return err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestMain(m *testing.M) { testenv.Main(m) }

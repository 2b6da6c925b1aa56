package retention_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/retention"
	"schoolbell/internal/store"
	"schoolbell/internal/store/postgres"
	"schoolbell/internal/store/sqlite"
	"schoolbell/internal/testenv"
)

var oldRows = flag.Int("rows", 1_000_000, "deliveries that BenchmarkRemoval removes")

const benchPeople = 50_000

// BenchmarkRemoval fans events out, chunk by chunk, without and with a process that removes
// a million deliveries at the same time. Run it with -benchtime 1x.
func BenchmarkRemoval(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) {
		db, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "ledger.db"), sqlite.Options{})
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close()
		benchRemoval(b, store.OnSQLite(db))
	})
	b.Run("postgres", func(b *testing.B) {
		db, err := postgres.Open(b.Context(), testenv.Postgres(b), postgres.Options{Connections: 8})
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close()
		benchRemoval(b, store.OnPostgres(db))
	})
}

// removals counts what a Service removes.
type removals struct {
	ledger.Retention
	rows atomic.Int64
	done atomic.Bool
}

// TakeTurn gives the turn always: the services run one after the other.
func (r *removals) TakeTurn(context.Context, string, time.Duration) (bool, error) { return true, nil }

func (r *removals) RemoveOld(ctx context.Context, kind ledger.Kept, before time.Time, at ledger.RemovalCursor, limit int) (ledger.Removed, error) {
	removed, err := r.Retention.RemoveOld(ctx, kind, before, at, limit)
	r.rows.Add(int64(removed.Rows))
	if removed.Done {
		r.done.Store(true)
	}
	return removed, err
}

func benchRemoval(b *testing.B, l *store.Ledger) {
	ok := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	ok(l.Migrate(b.Context()))
	for from := 0; from < benchPeople; from += 5_000 {
		var users []*schoolbell.User
		for i := range 5_000 {
			id := fmt.Sprintf("u%06d", from+i)
			users = append(users, &schoolbell.User{ID: id, Name: "N", Email: id + "@example.org", Roles: []schoolbell.Role{schoolbell.RoleStudent}})
		}
		_, err := l.People.PutUsers(b.Context(), users)
		ok(err)
	}
	fanOut := func() (id string, chunks []time.Duration) {
		id = uuid.NewString()
		ev := &schoolbell.Event{ID: id, Title: "Sports day", Body: "Moved.", Category: schoolbell.CategoryAnnouncement, Status: schoolbell.EventQueued, CreatedAt: time.Now(),
			Audience: schoolbell.Audience{Selector: schoolbell.Selector{Roles: schoolbell.Roles()}}, Channels: []schoolbell.Channel{schoolbell.ChannelInApp, schoolbell.ChannelEmail}}
		_, _, err := l.Events.CreateEvent(b.Context(), ev, nil, ledger.Idempotency{})
		ok(err)
		for {
			start := time.Now()
			step, err := l.FanOuts.FanOut(b.Context(), ledger.WaveRef{EventID: id}, 2_000, 100)
			ok(err)
			chunks = append(chunks, time.Since(start))
			if step.Done {
				return id, chunks
			}
		}
	}
	for n := 0; n < *oldRows; n += 2 * benchPeople {
		id, _ := fanOut()
		_, err := l.Events.CancelEvent(b.Context(), id)
		ok(err)
	}
	r := &removals{Retention: l.Retention}
	s := retention.New(r, func() retention.Periods { return retention.Periods{Deliveries: time.Millisecond} }, slog.New(slog.DiscardHandler))
	var alone, together []time.Duration
	var took time.Duration
	for !r.done.Load() { // in turns, so that both see the same machine
		_, chunks := fanOut()
		alone = append(alone, chunks...)
		ctx, cancel := context.WithCancel(b.Context())
		stopped := make(chan error, 1)
		start := time.Now()
		go func() { stopped <- s.Run(ctx) }()
		_, chunks = fanOut()
		together = append(together, chunks...)
		took += time.Since(start)
		cancel()
		ok(<-stopped)
	}
	report := func(name string, chunks []time.Duration) {
		slices.Sort(chunks)
		b.ReportMetric(float64(chunks[len(chunks)/2].Microseconds())/1e3, "ms/chunk-"+name)
		b.ReportMetric(float64(chunks[len(chunks)*99/100].Microseconds())/1e3, "ms/p99-"+name)
	}
	report("alone", alone)
	report("removing", together)
	b.ReportMetric(float64(r.rows.Load())/took.Seconds(), "rows-removed/s")
	b.ReportMetric(float64(r.rows.Load()), "rows-removed")
	b.ReportMetric(0, "ns/op")
}

package notify_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/notify"
	"schoolbell/internal/store"
	"schoolbell/internal/store/sqlite"
	"schoolbell/internal/testenv"
)

// recovery is the time within which everybody is reached after a key was damaged.
const recovery = time.Minute

// damage is one way to lose one key of a queue.
type damage struct {
	queue string // events or email
	key   string // after the queue's prefix; {job} is one of its jobs
	as    string // deleted, or the type that the key gets instead
	load  bool   // while emails are being sent, else while the queue is paused
}

func (d damage) String() string {
	when := "at rest"
	if d.load {
		when = "under load"
	}
	return fmt.Sprintf("%s:%s becomes %s %s", d.queue, d.key, d.as, when)
}

// damages are all keys of a queue and of its jobs (shared with BullMQ), each lost and overwritten.
func damages() (all []damage) {
	for _, queue := range []string{"events", "email"} {
		for _, key := range []string{"meta", "id", "wait", "paused", "active", "prioritized", "pc", "delayed", "waiting-children",
			"completed", "failed", "stalled", "stalled-check", "limiter", "events", "marker", "metrics:completed", "{job}", "{job}:lock", "{job}:logs",
			"{job}:dependencies", "{job}:processed", "{job}:failed", "{job}:unsuccessful"} {
			for _, as := range []string{"deleted", "string", "list"} {
				for _, load := range []bool{false, true} {
					all = append(all, damage{queue, key, as, load})
				}
			}
		}
	}
	return all
}

// Any key of a queue may be deleted, evicted or overwritten by another program. The
// ledger knows what it held: everybody is still reached, nobody twice.
func TestDamagedKeys(t *testing.T) {
	t.Parallel()
	addr := testenv.Redis(t)
	var running errgroup.Group
	running.SetLimit(12 * runtime.GOMAXPROCS(0)) // they mostly wait for the reconciler; many more would starve each other of the processor
	for i, d := range damages() {
		dir := t.TempDir()
		running.Go(func() error {
			rdb := redisClient(t, addr)
			if err := d.run(t.Context(), rdb, fmt.Sprintf("damage%d", i), dir); err != nil {
				t.Errorf("%v: %v", d, err)
			}
			return nil
		})
	}
	_ = running.Wait() // each has told its error
}

func (d damage) run(ctx context.Context, rdb *redis.Client, prefix, dir string) error {
	const users = 30
	db, err := sqlite.Open(ctx, filepath.Join(dir, "ledger.db"), sqlite.Options{})
	if err != nil {
		return err
	}
	defer db.Close()
	if err := errors.Join(db.Migrate(ctx), putUsers(ctx, db, users)); err != nil {
		return err
	}
	log := &syncBuffer{}
	emails := newProvider()
	emails.gate = make(chan struct{}, users)
	p, err := notify.New(store.OnSQLite(db).Stores, rdb, notify.Config{Prefix: prefix, Channels: []schoolbell.Channel{schoolbell.ChannelEmail}, Retries: 3,
		Backoff: 20 * time.Millisecond, KeepCompleted: time.Hour, KeepFailed: time.Hour, WorkerName: "test", Grace: 5 * time.Second,
		BatchSize: 10, Concurrency: 2, Round: 3 * time.Second}, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		return err
	}
	work, stop := context.WithCancel(ctx)
	var running errgroup.Group
	defer func() { stop(); _ = running.Wait() }()
	running.Go(func() error { return p.RunRelay(work) })
	running.Go(func() error {
		return p.RunWorkers(work, plainRenderer{}, map[schoolbell.Channel]notify.Senders{schoolbell.ChannelEmail: notify.ForBothLanes(emails)})
	})
	queue := p.Queues()[0]
	if d.queue == "email" {
		queue = p.Queues()[1]
	}
	if !d.load {
		if err := queue.Pause(ctx); err != nil {
			return err
		}
	}
	ev, _, err := p.Create(ctx, &schoolbell.Event{Title: "Sports day", Body: "Moved.", Audience: schoolbell.Audience{Selector: schoolbell.Selector{Roles: schoolbell.Roles()}},
		Channels: []schoolbell.Channel{schoolbell.ChannelInApp, schoolbell.ChannelEmail}}, ledger.Idempotency{})
	if err != nil {
		return err
	}
	root := queue.QualifiedName() + ":"
	job := ev.ID
	if d.queue == "email" {
		job = ev.ID + ".email.1"
	}
	if d.load {
		emails.gate <- struct{}{} // one mail of the first batches goes out, then none
		err = eventually(ctx, func() error { return atLeast(emails.count(), 1) })
	} else {
		err = eventually(ctx, func() error { return atLeast(int(rdb.Exists(ctx, root+job).Val()), 1) })
	}
	if err != nil {
		return err
	}
	if err := d.strike(ctx, rdb, root+strings.ReplaceAll(d.key, "{job}", job)); err != nil {
		return err
	}
	emails.release(users)
	if !d.load {
		// Meta may be of the wrong type, so that a resume fails until it is renamed.
		if err := eventually(ctx, func() error { return queue.Resume(ctx) }); err != nil {
			return err
		}
	}
	err = eventually(ctx, func() error {
		now, err := sqlite.Events{DB: db}.Event(ctx, ev.ID)
		if err == nil && now.Status != schoolbell.EventCompleted {
			progress, _ := sqlite.Events{DB: db}.Progress(ctx, ev.ID)
			err = fmt.Errorf("the event is %s with %+v\n%s", now.Status, progress, log)
		}
		return err
	})
	if err != nil {
		return err
	}
	if people, tries := emails.counts(); people != users || tries != users {
		return fmt.Errorf("%d people got %d emails, want %d", people, tries, users)
	}
	if n := strings.Count(log.String(), "rebuilt from the ledger"); n > 20 {
		return fmt.Errorf("the log says %d times that jobs were rebuilt:\n%s", n, log)
	}
	return nil
}

// strike damages the key, if that differs from what is there. No worker may write the key
// between its removal and its replacement.
func (d damage) strike(ctx context.Context, rdb *redis.Client, key string) error {
	_, err := rdb.TxPipelined(ctx, func(tx redis.Pipeliner) error {
		tx.Del(ctx, key)
		switch d.as {
		case "string":
			tx.Set(ctx, key, "damaged", 0)
		case "list":
			tx.RPush(ctx, key, "damaged")
		}
		return nil
	})
	return err
}

func putUsers(ctx context.Context, db *sqlite.DB, n int) error {
	people := make([]*schoolbell.User, n)
	for i := range people {
		people[i] = &schoolbell.User{ID: userID(i), Name: "User", Email: userID(i) + "@school.example", Roles: []schoolbell.Role{schoolbell.RoleStudent}}
		people[i].Normalize()
	}
	_, err := sqlite.People{DB: db}.PutUsers(ctx, people)
	return err
}

func atLeast(got, want int) error {
	if got < want {
		return fmt.Errorf("%d of %d", got, want)
	}
	return nil
}

// eventually is testenv.Eventually for goroutines that are not the test's.
func eventually(ctx context.Context, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, recovery)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("after %v: %w", recovery, err)
		case <-tick.C:
		}
	}
}

// release lets n emails pass, and all others.
func (p *provider) release(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range n {
		select {
		case p.gate <- struct{}{}:
		default:
		}
	}
	p.gate = nil
}

// counts returns how many people got mail, and how many emails were offered.
func (p *provider) counts() (people, tries int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.accepted), p.tried
}

// syncBuffer is a log that goroutines share.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

package fault

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
)

// The job of a small event fans it out and claims its emails in one transaction, sends them, and records them and
// finishes the event in another.
func TestSmallEvent(t *testing.T) {
	t.Parallel()
	for _, at := range smallSteps {
		t.Run(at.name, func(t *testing.T) { testSmallEventKilled(t, at, func(*testenv.RedisProc) {}) })
		t.Run("worker and Redis lost "+at.step, func(t *testing.T) {
			testSmallEventKilled(t, at, func(r *testenv.RedisProc) { emptyRedis(t, r.Addr) })
		})
		t.Run("Redis emptied "+at.step, func(t *testing.T) {
			testSmallEventRedis(t, at, func(r *testenv.RedisProc) { emptyRedis(t, r.Addr) })
		})
		t.Run("Redis killed and restarted "+at.step, func(t *testing.T) {
			testSmallEventRedis(t, at, func(r *testenv.RedisProc) { r.Kill(); r.Restart() })
		})
	}
	t.Run("a mail server that hangs stops no other event", testSmallEventHanging)
}

// smallSteps are the points in the job of a small event at which something breaks.
var smallSteps = []smallStep{
	{name: "killed before the first chunk, each email is sent once", step: "before the first chunk", lock: "LOCK TABLE deliveries IN SHARE MODE"},
	{name: "killed while it claims, each email is sent once", step: "while it claims", lock: "LOCK TABLE claims IN SHARE MODE"},
	{name: "killed while it fills inboxes, each email is sent once", step: "while it fills inboxes", lock: "LOCK TABLE inbox IN SHARE MODE"},
	{name: "killed while it sends, the emails become uncertain", step: "while it sends", sending: true, uncertain: true},
	{name: "killed while it sends on SQLite, the emails become uncertain", step: "while it sends on SQLite", sqlite: true, sending: true, uncertain: true},
	{name: "killed before the record, the emails become uncertain", step: "before the record", sending: true, lock: "SELECT FROM batches FOR UPDATE", accepted: true, uncertain: true},
	// PostgreSQL has the end and the commit by then, and does both.
	{name: "killed before the end, each email is sent once", step: "before the end", sending: true, lock: "SELECT FROM waves FOR UPDATE", accepted: true},
}

// smallStep is a step of the job of a small event, and what a test does to stop the worker there.
type smallStep struct {
	name      string // of the test that kills the worker
	step      string
	sqlite    bool   // the ledger, instead of PostgreSQL
	sending   bool   // its emails are held first, and so all before is done
	lock      string // what a transaction holds then, at which the worker waits
	accepted  bool   // its emails are accepted then
	uncertain bool   // what the deliveries are after the worker was killed
}

// smallPeople is how many people a small event here concerns.
const smallPeople = 3

// smallEvent is a small event whose worker has stopped at a step.
type smallEvent struct {
	*system.School
	at          smallStep
	id          string
	mail        *system.Mail
	redis       *testenv.RedisProc
	locks       *locks
	api, worker *system.Process
}

// stopAt creates a small event and returns when its worker has reached a step and gets no further.
func stopAt(t *testing.T, at smallStep) *smallEvent {
	t.Helper()
	mail, database := system.NewMail(t), ""
	if !at.sqlite {
		database = testenv.Postgres(t)
	}
	redis := testenv.RedisServer(t, testenv.RedisOptions{})
	s := system.New(t, system.Parts{Database: database, Redis: redis.Addr, SMTP: mail.Addr()})
	ev := &smallEvent{School: s, at: at, mail: mail, redis: redis, locks: &locks{t: t, database: database}, api: s.Serve()}
	s.Import(smallPeople)
	if at.sending {
		mail.HoldAfter(0)
	}
	if at.lock != "" && !at.sending {
		ev.locks.take(at.lock)
	}
	ev.id = s.Create().ID
	ev.worker = s.Worker("first")
	if at.sending {
		testenv.Eventually(t, promise, func() error {
			if n := s.Ledger.Sending(); n != smallPeople {
				return fmt.Errorf("%d emails are claimed", n)
			}
			return nil
		}, "the worker claims the emails")
		if at.lock != "" {
			ev.locks.take(at.lock)
		}
	}
	if at.accepted {
		mail.Release()
		testenv.Eventually(t, promise, func() bool { return mail.Accepted() == smallPeople }, "the emails are accepted")
	}
	if at.lock != "" {
		testenv.Eventually(t, promise, ev.locks.waitedFor, "the worker waits for the lock")
	}
	return ev
}

// proceed lets the worker, or another one, get further.
func (ev *smallEvent) proceed() {
	ev.locks.release()
	if !ev.at.accepted {
		ev.mail.Release()
	}
}

func testSmallEventKilled(t *testing.T, at smallStep, lose func(*testenv.RedisProc)) {
	t.Parallel()
	ev := stopAt(t, at)
	ev.worker.Kill()
	lose(ev.redis)
	ev.proceed()
	other := ev.Worker("other")

	if !at.uncertain {
		ev.ReachedOnce(ev.mail, ev.id, smallPeople)
	} else {
		f := ev.Reached(ev.mail, ev.id, smallPeople)
		report(t, f, smallPeople)
		if len(f.Uncertain) != smallPeople {
			t.Errorf("%d rows are uncertain, want %d", len(f.Uncertain), smallPeople)
		}
	}
	emails, err := ev.Client.QueueCounts(t.Context(), "event-notifications-email")
	if err != nil || emails["failed"] != 0 {
		t.Errorf("batch jobs: %v (%v)", emails, err)
	}
	other.Stop()
	ev.api.Stop()
}

// A worker that lives knows what it has claimed, whatever Redis knows. Nobody is in doubt.
func testSmallEventRedis(t *testing.T, at smallStep, lose func(*testenv.RedisProc)) {
	t.Parallel()
	ev := stopAt(t, at)
	lose(ev.redis)
	ev.proceed()
	ev.ReachedOnce(ev.mail, ev.id, smallPeople)
	for _, queue := range []string{"event-notifications", "event-notifications-email"} {
		testenv.Eventually(t, promise, func() error {
			jobs, err := ev.Client.QueueCounts(t.Context(), queue)
			if err == nil && jobs["failed"]+jobs["active"]+jobs["waiting"]+jobs["prioritized"]+jobs["delayed"]+jobs["waiting-children"] > 0 {
				err = fmt.Errorf("jobs: %v", jobs)
			}
			return err
		}, "no job of %s is left", queue)
	}
	ev.worker.Stop()
	ev.api.Stop()
}

// locks holds locks in the ledger, at which transactions of the program wait.
type locks struct {
	t        *testing.T
	database string
	conn     *pgx.Conn
}

func (l *locks) take(statement string) {
	l.t.Helper()
	conn, err := pgx.Connect(l.t.Context(), l.database)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(l.release)
	l.conn = conn
	if _, err := conn.Exec(l.t.Context(), "BEGIN; "+statement); err != nil {
		l.t.Fatal(err)
	}
}

// waitedFor fails as long as no transaction waits for a lock of this connection. pg_stat_activity would not do: in a
// transaction it shows only the connections of the first look.
func (l *locks) waitedFor() error {
	var n int
	err := l.conn.QueryRow(l.t.Context(), "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))").Scan(&n)
	if err == nil && n == 0 {
		err = errors.New("none waits")
	}
	return err
}

func (l *locks) release() {
	if l.conn != nil {
		_ = l.conn.Close(context.Background())
		l.conn = nil
	}
}

func testSmallEventHanging(t *testing.T) {
	t.Parallel()
	const events = 12
	mail := system.NewMail(t)
	s := system.New(t, system.Parts{Database: testenv.Postgres(t), Redis: testenv.Redis(t), SMTP: mail.Addr()})
	api, worker := s.Serve(), s.Worker("one")
	s.Import(1)
	mail.HoldAfter(0)
	var ids []string
	for range events {
		ids = append(ids, s.Create().ID)
	}
	testenv.Eventually(t, 30*time.Second, func() error {
		for _, id := range ids {
			ev, err := s.Client.Event(t.Context(), id)
			if err != nil {
				return err
			}
			if ev.Progress == nil || ev.Progress.Channels[schoolbell.ChannelInApp].Sent != 1 {
				return fmt.Errorf("event %s: %+v", id, ev.Progress)
			}
		}
		return nil
	}, "every event is in its inbox while the mail server hangs")
	mail.Release()
	for _, id := range ids {
		s.ReachedOnce(mail, id, 1)
	}
	worker.Stop()
	api.Stop()
}

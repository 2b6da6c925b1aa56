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

// The job of a small event fans it out, claims and sends its emails, records them and finishes the event.
func TestSmallEvent(t *testing.T) {
	t.Parallel()
	for _, at := range []killAt{
		{name: "killed before the claim, each email is sent once", lock: "LOCK TABLE claims IN SHARE MODE"},
		{name: "killed while it sends, the emails become uncertain", sending: true, uncertain: true},
		{name: "killed while it sends on SQLite, the emails become uncertain", sqlite: true, sending: true, uncertain: true},
		{name: "killed before the record, the emails become uncertain", sending: true, lock: "SELECT FROM batches FOR UPDATE", accepted: true, uncertain: true},
		{name: "killed before the end, each email is sent once", sending: true, lock: "SELECT FROM waves FOR UPDATE", accepted: true},
	} {
		t.Run(at.name, func(t *testing.T) { testSmallEventKilled(t, at) })
	}
	t.Run("a mail server that hangs stops no other event", testSmallEventHanging)
}

// killAt says where the worker of a small event is stopped and killed.
type killAt struct {
	name      string
	sqlite    bool   // the ledger, instead of PostgreSQL
	sending   bool   // its emails are held first, and so all before is done
	lock      string // what a transaction holds then, at which the worker waits
	accepted  bool   // its emails are accepted then
	uncertain bool   // what the deliveries are after that
}

func testSmallEventKilled(t *testing.T, at killAt) {
	t.Parallel()
	const people = 3
	mail, database := system.NewMail(t), ""
	if !at.sqlite {
		database = testenv.Postgres(t)
	}
	s := system.New(t, system.Parts{Database: database, Redis: testenv.Redis(t), SMTP: mail.Addr()})
	api := s.Serve()
	s.Import(people)
	if at.sending {
		mail.HoldAfter(0)
	}
	locks := &locks{t: t, database: database}
	if at.lock != "" && !at.sending {
		locks.take(at.lock)
	}
	id := s.Create().ID
	victim := s.Worker("victim")
	if at.sending {
		testenv.Eventually(t, promise, func() error {
			if n := s.Ledger.Sending(); n != people {
				return fmt.Errorf("%d emails are claimed", n)
			}
			return nil
		}, "the worker claims the emails")
		if at.lock != "" {
			locks.take(at.lock)
		}
	}
	if at.accepted {
		mail.Release()
		testenv.Eventually(t, promise, func() bool { return mail.Accepted() == people }, "the emails are accepted")
	}
	if at.lock != "" {
		testenv.Eventually(t, promise, locks.waitedFor, "the worker waits for the lock")
	}
	victim.Kill()
	locks.release()
	if !at.accepted {
		mail.Release()
	}
	other := s.Worker("other")

	if !at.uncertain {
		s.ReachedOnce(mail, id, people)
	} else {
		f := s.Reached(mail, id, people)
		report(t, f, people)
		if len(f.Uncertain) != people {
			t.Errorf("%d rows are uncertain, want %d", len(f.Uncertain), people)
		}
	}
	emails, err := s.Client.QueueCounts(t.Context(), "event-notifications-email")
	if err != nil || emails["failed"] != 0 {
		t.Errorf("batch jobs: %v (%v)", emails, err)
	}
	other.Stop()
	api.Stop()
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

// waitedFor fails as long as no transaction waits for a lock of this connection.
func (l *locks) waitedFor() error {
	var n int
	err := l.conn.QueryRow(l.t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))").Scan(&n)
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

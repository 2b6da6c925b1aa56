package e2e

import (
	"testing"
	"time"

	"schoolbell/internal/testenv"
	"schoolbell/test/system"
)

func TestWorkerShutdown(t *testing.T) {
	t.Parallel()
	const people = 10_000
	mail := system.NewMail(t)
	s := system.New(t, system.Parts{Database: testenv.Postgres(t), Redis: testenv.Redis(t), SMTP: mail.Addr()})
	serve, first := s.Serve(), s.Worker("first")
	s.Import(people)
	mail.HoldAfter(1_000)
	id := s.Create().ID
	s.AwaitStuck(mail, "first")
	mail.Slow(20 * time.Millisecond) // so that it cannot be done before it hears of its end
	first.Terminate()
	mail.Release()
	first.Ends()
	if n := s.Ledger.Sending(); n != 0 {
		t.Errorf("the stopped worker left %d rows claimed", n)
	}
	atStop := mail.Accepted()
	if atStop >= people {
		t.Fatal("everything was sent before the stop")
	}
	if n := s.Ledger.Attempts(id); n != atStop {
		t.Errorf("%d attempts were spent on %d emails", n, atStop)
	}
	mail.Slow(0)
	second := s.Worker("second")
	s.ReachedOnce(mail, id, people)
	if n := s.Ledger.Attempts(id); n != people {
		t.Errorf("%d attempts were spent on %d emails", n, people)
	}
	t.Logf("%d emails before the stop, %d after it", atStop, mail.Accepted()-atStop)
	second.Stop()
	serve.Stop()
}

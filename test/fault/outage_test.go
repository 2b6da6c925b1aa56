package fault

import (
	"testing"

	"schoolbell/internal/testenv"
	"schoolbell/test/system"
)

func TestOutage(t *testing.T) {
	t.Parallel()
	t.Run("everyone is reached once after Redis loses all data", testOutageRedisDataLost)
	t.Run("everyone is reached while the database restarts", testOutageDatabaseRestarts)
}

func testOutageRedisDataLost(t *testing.T) {
	t.Parallel()
	mail, addr := system.NewMail(t), testenv.Redis(t)
	s := system.New(t, system.Parts{Database: testenv.Postgres(t), Redis: addr, SMTP: mail.Addr()})
	api, one, two := s.Serve(), s.Worker("one"), s.Worker("two")
	s.Import(everyone)
	mail.HoldAfter(before)
	id := s.Create().ID
	s.AwaitStuck(mail, "one", "two")
	emptyRedis(t, addr)
	mail.Release()

	s.ReachedOnce(mail, id, everyone)
	one.Stop()
	two.Stop()
	api.Stop()
}

// The database is unavailable, first in good order and then by a crash, while answers
// to emails come in that cannot be recorded.
func testOutageDatabaseRestarts(t *testing.T) {
	t.Parallel()
	mail, pg := system.NewMail(t), testenv.PostgresServer(t, testenv.PostgresOptions{Durable: true})
	s := system.New(t, system.Parts{Database: pg.Database(), Redis: testenv.Redis(t), SMTP: mail.Addr()})
	api, one, two := s.Serve(), s.Worker("one"), s.Worker("two")
	s.Import(everyone)
	mail.HoldAfter(before)
	id := s.Create().ID
	s.AwaitStuck(mail, "one", "two")
	pg.Stop()
	mail.Release()
	mail.HoldAfter(before)
	pg.Restart()
	s.AwaitStuck(mail, "one", "two")
	pg.Kill()
	mail.Release()
	pg.Restart()

	f := s.Reached(mail, id, everyone)
	report(t, f, everyone)
	one.Stop()
	two.Stop()
	api.Stop()
}

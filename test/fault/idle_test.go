package fault

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
	"schoolbell/wire"
)

const (
	scheduledEvents = 20_000
	bulkEvents      = 1_000 // in a request
	soonEvents      = 200   // that start while Redis is empty, or soon after

	idleTime         = 15 * time.Second
	idleCommands     = 20 // a second, of Redis
	idleTransactions = 10 // a second, of the ledger
	idlePatience     = time.Minute
)

// TestIdle has serve, two workers and many events that start later.
func TestIdle(t *testing.T) {
	t.Parallel()
	i := newIdle(t)
	t.Run("few commands and transactions", i.testIdleCosts)
	t.Run("Redis loses its data while events start", i.testIdleRedisLost)
	i.stop()
}

type idle struct {
	*system.School
	mail     *system.Mail
	rdb      *redis.Client
	programs []*system.Process
}

func newIdle(t *testing.T) *idle {
	t.Helper()
	mail, addr := system.NewMail(t), testenv.Redis(t)
	i := &idle{mail: mail, rdb: redis.NewClient(&redis.Options{Addr: addr})}
	t.Cleanup(func() { _ = i.rdb.Close() })
	i.School = system.New(t, system.Parts{Database: testenv.Postgres(t), Redis: addr, SMTP: mail.Addr()})
	i.programs = []*system.Process{i.Serve(), i.Worker("one"), i.Worker("two")}
	i.Import(bulkEvents)
	people := make([]string, bulkEvents)
	for n := range people {
		people[n] = system.Person(n)
	}
	for n := range scheduledEvents / bulkEvents {
		i.ScheduleManySurely(people, time.Now().Add(time.Hour), fmt.Sprint("later-", n))
	}
	return i
}

func (i *idle) stop() {
	for _, p := range i.programs {
		p.Stop()
	}
}

// delayed is how many delayed jobs Redis has.
func (i *idle) delayed(t *testing.T) (n int64) {
	t.Helper()
	for _, queue := range []string{"event-notifications", "event-notifications.urgent"} {
		jobs, err := i.rdb.ZCard(t.Context(), "bull:"+queue+":delayed").Result()
		if err != nil {
			t.Fatal(err)
		}
		n += jobs
	}
	return n
}

// costs are how many commands Redis and how many transactions the ledger have counted.
func (i *idle) costs(t *testing.T) (commands, transactions int) {
	t.Helper()
	stats, err := i.rdb.Info(t.Context(), "stats").Result()
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(stats, "total_commands_processed:")
	if _, err := fmt.Sscan(after, &commands); err != nil {
		t.Fatal(err)
	}
	return commands, i.Ledger.Count("SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()")
}

func (i *idle) testIdleCosts(t *testing.T) {
	if n := i.delayed(t); n != 0 {
		t.Errorf("Redis has %d jobs of events that start in an hour", n)
	}
	// PostgreSQL counts what the setup did up to ten seconds late, and then analyzes the tables.
	testenv.Eventually(t, idlePatience, func() error { return i.idleCosts(t) }, "%d scheduled events cost little", scheduledEvents)
}

// idleCosts watches for some seconds, and returns an error if there was more than an idle installation needs.
func (i *idle) idleCosts(t *testing.T) error {
	t.Helper()
	commands, transactions := i.costs(t)
	<-time.After(idleTime)
	moreCommands, moreTransactions := i.costs(t)
	commands, transactions = moreCommands-commands, moreTransactions-transactions
	seconds := int(idleTime.Seconds())
	t.Logf("%d Redis commands and %d transactions in %d s", commands, transactions, seconds)
	if commands > idleCommands*seconds || transactions > idleTransactions*seconds {
		return fmt.Errorf("%d Redis commands and %d transactions in %d s, want at most %d and %d a second", commands, transactions, seconds, idleCommands, idleTransactions)
	}
	return nil
}

func (i *idle) testIdleRedisLost(t *testing.T) {
	people := make([]string, soonEvents)
	for n := range people {
		people[n] = system.Person(n)
	}
	var ids []string
	for n, in := range []time.Duration{6, 9, 12, 15} {
		ids = append(ids, i.ScheduleManySurely(people[n*soonEvents/4:(n+1)*soonEvents/4], time.Now().Add(in*time.Second), fmt.Sprint("soon-", n))...)
	}
	testenv.Eventually(t, promise, func() error {
		if n := i.delayed(t); n < soonEvents/2 {
			return fmt.Errorf("it has %d", n)
		}
		return nil
	}, "Redis has the jobs of events that start soon")
	emptyRedis(t, i.Redis)
	completed := func() int {
		return i.Ledger.Count("SELECT count(*) FROM events WHERE status = 'completed'")
	}
	testenv.Eventually(t, time.Minute, func() error {
		if n := completed(); n != soonEvents {
			return fmt.Errorf("%d of %d", n, soonEvents)
		}
		return nil
	}, "the events that start soon are completed")
	for _, id := range ids {
		if letters := i.mail.Letters(id); len(letters) != 1 {
			t.Errorf("event %s sent %d emails", id, len(letters))
		}
	}
	if n := i.Ledger.Count("SELECT count(*) FROM events WHERE status = 'scheduled'"); n != scheduledEvents {
		t.Errorf("%d events wait for their start, want %d", n, scheduledEvents)
	}
	if n := i.delayed(t); n != 0 {
		t.Errorf("Redis has %d jobs of events that start in an hour", n)
	}
}

// TestLostKey deletes one key of each queue while jobs wait in it. The key of the turn stays, so nothing tells the
// program that there is something to repair. internal/notify tries every key of a queue.
func TestLostKey(t *testing.T) {
	t.Parallel()
	const people = 300
	mail, addr := system.NewMail(t), testenv.Redis(t)
	s := system.New(t, system.Parts{Database: testenv.Postgres(t), Redis: addr, SMTP: mail.Addr()})
	api, worker := s.Serve(), s.Worker("one")
	s.AwaitReady()
	s.Import(people)
	const events, emails, urgent = "event-notifications", "event-notifications-email", ".urgent"
	for _, queue := range []string{emails, emails + urgent} {
		s.Does("queue", "pause", queue)
	}
	everybody := schoolbell.Audience{Selector: schoolbell.Selector{Roles: schoolbell.Roles()}}
	now := s.CreateSurelyWith(wire.NewEvent{Audience: everybody}, "now")
	quick := s.CreateSurelyWith(wire.NewEvent{Audience: everybody, Category: schoolbell.CategoryUrgent}, "urgent")
	later := s.CreateSurelyWith(wire.NewEvent{Audience: everybody, Category: schoolbell.CategoryUrgent, SendAt: wire.At(time.Now().Add(10 * time.Second))}, "later")
	rdb := redis.NewClient(&redis.Options{Addr: addr})
	defer rdb.Close()
	for _, lost := range []struct{ queue, key string }{
		{events, "waiting-children"},
		{emails, "prioritized"},
		{events + urgent, "delayed"},
		{emails + urgent, quick + ".email.1"},
	} {
		key := "bull:" + lost.queue + ":" + lost.key
		testenv.Eventually(t, promise, func() bool { return rdb.Del(t.Context(), key).Val() == 1 }, "%s is there and is deleted", key)
	}
	for _, queue := range []string{emails, emails + urgent} {
		s.Does("queue", "resume", queue)
	}
	for _, id := range []string{now, quick, later} {
		s.ReachedOnce(mail, id, people)
	}
	worker.Stop()
	api.Stop()
}

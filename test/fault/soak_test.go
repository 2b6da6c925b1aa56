package fault

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"schoolbell/internal/testenv"
	"schoolbell/test/system"
)

// shortSoak is how long faults go on in a run of all tests.
const shortSoak = 20 * time.Second

// TestSoak breaks parts at random while events go out, and then counts what
// everybody got. SCHOOLBELL_SOAK says for how long, SCHOOLBELL_SOAK_SEED repeats
// the choices of an earlier run.
func TestSoak(t *testing.T) {
	t.Parallel()
	length, seed := testenv.Soak(t, shortSoak)
	s := newSoak(t, seed)
	over := time.Now().Add(length)
	for n := 0; time.Now().Before(over); n++ {
		s.events = append(s.events, s.school.CreateSurely(fmt.Sprintf("soak-%d", n)))
		s.strike()
		s.mail.Note()
	}
	s.mail.Lossy(0)
	s.mail.Slow(0)
	emails, repeated, uncertain := 0, 0, 0
	for _, id := range s.events {
		f := s.school.Reached(s.mail, id, soakPeople)
		emails, repeated, uncertain = emails+f.Emails, repeated+len(f.Repeated), uncertain+len(f.Uncertain)
	}
	t.Logf("%d events to %d people, faults %v: %d emails; %d got more than one; %d rows uncertain", len(s.events), soakPeople, s.struck, emails, repeated, uncertain)
	for _, w := range s.workers {
		w.Stop()
	}
	s.serve.Stop()
	if n := s.school.Ledger.Sending(); n != 0 {
		t.Errorf("%d rows are still claimed", n)
	}
}

const soakPeople = 600

// soak is a school on parts that can all be broken.
type soak struct {
	t       *testing.T
	rand    *rand.Rand
	mail    *system.Mail
	redis   *testenv.RedisProc
	pg      *testenv.PostgresProc
	school  *system.School
	serve   *system.Process
	workers []*system.Process
	started int
	events  []string
	struck  map[string]int // faults by name
}

func newSoak(t *testing.T, seed uint64) *soak {
	t.Helper()
	s := &soak{t: t, rand: rand.New(rand.NewPCG(seed, seed)), struck: map[string]int{}, mail: system.NewMail(t),
		redis: testenv.RedisServer(t, testenv.RedisOptions{}), pg: testenv.PostgresServer(t, testenv.PostgresOptions{Durable: true})}
	s.school = system.New(t, system.Parts{Database: s.pg.Database(), Redis: s.redis.Addr, SMTP: s.mail.Addr(), Settings: []string{"JOB_BACKOFF=200ms"}})
	s.serve = s.school.Serve()
	s.school.Import(soakPeople)
	for range 3 {
		s.workers = append(s.workers, s.worker())
	}
	s.mail.Slow(3 * time.Millisecond)
	s.mail.Lossy(301)
	return s
}

func (s *soak) worker() *system.Process {
	s.t.Helper()
	s.started++
	return s.school.Worker(fmt.Sprintf("worker-%d", s.started))
}

// strike waits a moment, breaks one part and repairs it.
func (s *soak) strike() {
	s.t.Helper()
	faults := []struct {
		name string
		f    func(i int)
	}{
		{"worker killed", func(i int) { s.workers[i].Kill(); s.workers[i] = s.worker() }},
		{"worker stopped", func(i int) { s.workers[i].Stop(); s.workers[i] = s.worker() }},
		{"worker frozen", func(i int) { s.workers[i].Pause(); s.moment(12 * time.Second); s.workers[i].Continue() }},
		{"serve killed", func(int) { s.serve.Kill(); s.serve = s.school.Serve() }},
		{"redis emptied", func(int) { emptyRedis(s.t, s.redis.Addr) }},
		{"redis killed", func(int) { s.redis.Kill(); s.moment(2 * time.Second); s.redis.Restart() }},
		{"redis frozen", func(int) { s.redis.Pause(); s.moment(8 * time.Second); s.redis.Continue() }},
		{"database stopped", func(int) { s.pg.Stop(); s.moment(2 * time.Second); s.pg.Restart() }},
		{"database killed", func(int) { s.pg.Kill(); s.pg.Restart() }},
	}
	s.moment(time.Second)
	f := faults[s.rand.IntN(len(faults))]
	s.struck[f.name]++
	f.f(s.rand.IntN(len(s.workers)))
}

// moment lets things run for up to limit: here time passing is the test, not a
// wait for something.
func (s *soak) moment(limit time.Duration) {
	<-time.After(time.Duration(s.rand.Int64N(int64(limit))))
}

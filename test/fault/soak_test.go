package fault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
	"schoolbell/wire"
)

// shortSoak is how long faults go on in a run of all tests.
const shortSoak = 20 * time.Second

// TestSoak breaks parts at random while events go out in both lanes, at once and later, to everybody and to one person,
// alone, in bulk and for jobs of other programs, and people are imported. Once the ledger is restored from a backup. Then it
// counts what everybody got. All the time it compares the numbers of events with their rows. SCHOOLBELL_SOAK says for how
// long, SCHOOLBELL_SOAK_SEED repeats the choices of an earlier run.
func TestSoak(t *testing.T) {
	t.Parallel()
	length, seed := testenv.Soak(t, shortSoak)
	s := newSoak(t, seed)
	counted := s.countTotals()
	over, restored := time.Now().Add(length), false
	for n := 0; time.Now().Before(over); n++ {
		s.add(n)
		s.producers.add(n)
		if !restored && time.Until(over) < length/2 {
			restored = true
			compared := counted()
			s.restore()
			more := s.countTotals()
			counted = func() int { return compared + more() }
		} else {
			s.strike()
		}
		s.probe(n)
		s.measure()
	}
	s.mail.Lossy(0)
	s.mail.Slow(0)
	s.results()
	t.Logf("totals of all events agreed with their rows %d times", counted())
	for _, w := range s.workers {
		w.Stop()
	}
	s.serve.Stop()
	if n := s.school.Ledger.Sending(); n != 0 {
		t.Errorf("%d rows are still claimed", n)
	}
}

const (
	soakPeople = 600
	soakBulk   = 20 // one-person events of a bulk request
)

// soak is a school on parts that can all be broken.
type soak struct {
	t       *testing.T
	rand    *rand.Rand
	mail    *system.Mail
	redis   *testenv.RedisProc
	pg      *testenv.PostgresProc
	ledger  *postgresBackup
	school  *system.School
	serve   *system.Process
	workers []*system.Process
	started int
	events  []soakEvent
	struck  map[string]int // faults by name
	memory  []int          // of the largest worker after each fault, in MB

	producers *producers
}

// soakEvent is an event and whom it concerns.
type soakEvent struct {
	id       string
	people   []string
	released bool      // it was held after the restore
	repaired time.Time // when the fault was repaired after which the event was created to see how long it takes
}

// everybody are the ids of all people.
func everybody() []string {
	ids := make([]string, soakPeople)
	for i := range ids {
		ids[i] = system.Person(i)
	}
	return ids
}

// add creates the events of one round: one for everybody in one of the lanes, now or soon, and many for one person each.
// Some rounds import all people again.
func (s *soak) add(n int) {
	s.t.Helper()
	ev := wire.NewEvent{Audience: schoolbell.Audience{Selector: schoolbell.Selector{Roles: schoolbell.Roles()}}}
	if n%2 == 1 {
		ev.Category = schoolbell.CategoryUrgent
	}
	if n%4 >= 2 {
		ev.SendAt = wire.At(time.Now().Add(time.Duration(s.rand.Int64N(int64(5 * time.Second)))))
	}
	s.events = append(s.events, soakEvent{id: s.school.CreateSurelyWith(ev, fmt.Sprintf("soak-%d", n)), people: everybody()})
	people := make([]string, soakBulk)
	for i := range people {
		people[i] = system.Person(s.rand.IntN(soakPeople))
	}
	for i, id := range s.school.CreateManySurely(people, fmt.Sprintf("bulk-%d", n)) {
		s.events = append(s.events, soakEvent{id: id, people: people[i : i+1]})
	}
	if n%5 == 0 {
		s.school.ImportSurely(soakPeople)
	}
}

// probe sends an urgent event to one person, now that a fault is repaired.
func (s *soak) probe(n int) {
	s.t.Helper()
	repaired := time.Now()
	person := system.Person(n % soakPeople)
	id := s.school.CreateSurelyWith(wire.NewEvent{Category: schoolbell.CategoryUrgent,
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{person}}}}, fmt.Sprintf("probe-%d", n))
	s.events = append(s.events, soakEvent{id: id, people: []string{person}, repaired: repaired})
}

// measure notes how much memory the largest worker uses.
func (s *soak) measure() {
	most := 0
	for _, w := range s.workers {
		most = max(most, w.Memory())
	}
	s.memory = append(s.memory, most>>20)
}

// countTotals compares the totals of all events with their rows, whenever the database answers. The returned
// function ends that and returns how often it did.
func (s *soak) countTotals() (stop func() int) {
	ctx, cancel := context.WithCancel(s.t.Context())
	counter, compared, ended := s.school.Counter(), 0, make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			differences, err := counter.Totals(ctx)
			switch {
			case err != nil: // the database may be down
			case differences != "":
				s.t.Error(differences)
				return
			default:
				compared++
			}
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}()
	return func() int { cancel(); <-ended; return compared }
}

// results waits until all events have ended and prints what the faults cost.
func (s *soak) results() {
	s.t.Helper()
	emails, lost, slowest := 0, 0, time.Duration(0)
	repeated, uncertain := map[bool]int{}, map[bool]int{} // by whether the event was released after the restore
	asked, unpromised := s.producers.events()
	s.events = append(s.events, asked...)
	for _, e := range s.events {
		f := s.school.ReachedPeople(s.mail, e.id, e.people)
		emails, lost = emails+f.Emails, lost+len(f.Lost)
		repeated[e.released] += len(f.Repeated)
		uncertain[e.released] += len(f.Uncertain)
		if times := f.Times[e.people[0]]; !e.repaired.IsZero() && len(times) > 0 {
			slowest = max(slowest, times[0].Sub(e.repaired))
		}
	}
	s.t.Logf("%d events, %d people, faults %v: %d emails, lost %d, repeated %d, uncertain %d", len(s.events), soakPeople, s.struck, emails, lost, repeated[false], uncertain[false])
	s.t.Logf("after the release of the events that were open in the backup: repeated %d, uncertain %d", repeated[true], uncertain[true])
	s.t.Logf("%d of the events were asked for by jobs, and %d requests repeated; %d requests were lost with Redis or a restore before their events were stored for good",
		len(asked), s.producers.again, unpromised)
	s.t.Logf("slowest recovery: an urgent email was accepted %.1f s after the fault before it was repaired", slowest.Seconds())
	s.t.Logf("memory of the largest worker after each fault, in MB: %v", s.memory)
}

func newSoak(t *testing.T, seed uint64) *soak {
	t.Helper()
	s := &soak{t: t, rand: rand.New(rand.NewPCG(seed, seed)), struck: map[string]int{}, mail: system.NewMail(t),
		redis: testenv.RedisServer(t, testenv.RedisOptions{}), pg: testenv.PostgresServer(t, testenv.PostgresOptions{Durable: true})}
	s.ledger = &postgresBackup{url: s.pg.Database()}
	s.school = system.New(t, system.Parts{Database: s.ledger.url, Redis: s.redis.Addr, SMTP: s.mail.Addr(), Settings: []string{"JOB_BACKOFF=200ms"}})
	s.serve = s.school.Serve()
	s.school.Import(soakPeople)
	for range 3 {
		s.workers = append(s.workers, s.worker())
	}
	s.mail.Slow(3 * time.Millisecond)
	s.mail.Lossy(301)
	s.producers = newProducers(t, s.rand, s.school, s.redis.Addr)
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
		{"redis emptied", func(int) { s.producers.redisLost(); emptyRedis(s.t, s.redis.Addr) }},
		{"redis killed", func(int) { s.producers.redisLost(); s.redis.Kill(); s.moment(2 * time.Second); s.redis.Restart() }},
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

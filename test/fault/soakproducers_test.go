package fault

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
)

// producers are programs that ask for events by adding jobs, as BullMQ does.
type producers struct {
	t        *testing.T
	rand     *rand.Rand
	school   *system.School
	normal   *bullmq.Queue
	urgent   *bullmq.Queue
	losses   int // how often Redis or the ledger has lost what it had
	requests []*request
	again    int      // requests that were repeated
	released []string // events that were held after the restore
}

// request is a job that asks for an event.
type request struct {
	queue  *bullmq.Queue
	id     string // that the producer has chosen; empty for a number
	key    string // the idempotency key of the job
	data   map[string]any
	delay  time.Duration
	people []string
	losses int    // before the job was added the last time
	event  string // that the ledger had at the latest loss; empty for none
}

func newProducers(t *testing.T, random *rand.Rand, school *system.School, redisAddr string) *producers {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: redisAddr})
	t.Cleanup(func() { _ = rdb.Close() })
	p := &producers{t: t, rand: random, school: school}
	for name, to := range map[string]**bullmq.Queue{"event-notifications": &p.normal, "event-notifications.urgent": &p.urgent} {
		q, err := bullmq.NewQueue(rdb, name, bullmq.QueueOptions{})
		if err != nil {
			t.Fatal(err)
		}
		*to = q
	}
	return p
}

// add adds the jobs of one round: to everybody or to one person, in each lane and in the queue of the wrong one, at once and
// with a delay, under chosen ids and under numbers. It also repeats an earlier request.
func (p *producers) add(n int) {
	p.t.Helper()
	for i := range 4 {
		r := &request{queue: p.normal, id: fmt.Sprintf("request-%d-%d", n, i), people: []string{system.Person(p.rand.IntN(soakPeople))}}
		audience := map[string]any{"users": r.people}
		if n%4 == 0 && i == 0 {
			r.people, audience = everybody(), map[string]any{"roles": schoolbell.Roles()}
		}
		r.data = map[string]any{"title": "Request", "body": "It takes place.", "audience": audience}
		if i%2 == 1 {
			r.data["category"] = schoolbell.CategoryUrgent // in the queue of the other lane once in two times
			if p.rand.IntN(2) == 0 {
				r.queue = p.urgent
			}
		}
		if p.rand.IntN(3) == 0 {
			r.delay = time.Duration(p.rand.Int64N(int64(15 * time.Second))).Truncate(time.Millisecond)
		}
		if i == 3 {
			r.id = ""
		}
		p.requests = append(p.requests, r)
		p.ask(r)
	}
	if r := p.requests[p.rand.IntN(len(p.requests))]; r.id != "" {
		p.again++
		p.ask(r)
	}
}

// ask adds the job of a request. Redis works at this moment.
func (p *producers) ask(r *request) {
	p.t.Helper()
	testenv.Eventually(p.t, promise, func() error {
		job, err := r.queue.Add(p.t.Context(), "event", r.data, bullmq.JobOptions{ID: r.id, Delay: r.delay, Attempts: 1})
		if err != nil || job.Existed {
			return err // a job that is there may have failed, because the ledger lost its event
		}
		r.losses, r.key = p.losses, r.id
		if r.id == "" {
			r.key = fmt.Sprintf("%s/%s@%d", r.queue.Name(), job.ID, job.Timestamp.UnixMilli())
		}
		return nil
	}, "a job that asks for an event is added")
}

// redisLost notes what is stored at the moment at which Redis loses its data: that must stay. Until an event is stored, only
// Redis has the request.
func (p *producers) redisLost() {
	p.t.Helper()
	p.losses++
	for _, r := range p.requests {
		if r.event == "" {
			r.event = p.school.Ledger.Requested(r.key)
		}
	}
}

// ledgerRestored notes what is stored in a restored ledger. What was stored after the backup is gone.
func (p *producers) ledgerRestored() {
	p.t.Helper()
	p.losses++
	for _, r := range p.requests {
		r.event = p.school.Ledger.Requested(r.key)
	}
}

// events returns the events of the requests, and how many requests were lost before anything was promised.
func (p *producers) events() (events []soakEvent, unpromised int) {
	p.t.Helper()
	for _, r := range p.requests {
		id := p.school.Ledger.Requested(r.key)
		switch {
		case r.event != "" && id != r.event:
			p.t.Errorf("job %s had event %s, and now it has %q", r.key, r.event, id)
			continue
		case id == "" && r.losses < p.losses:
			unpromised++
			continue
		case id == "":
			testenv.Eventually(p.t, 3*promise, func() bool { id = p.school.Ledger.Requested(r.key); return id != "" }, "the event of job %s is stored", r.key)
		}
		events = append(events, soakEvent{id: id, people: r.people, released: slices.Contains(p.released, id)})
	}
	return events, unpromised
}

package bench

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"schoolbell/internal/testenv"
)

const (
	singlePeople = 1_000 // of the school whose people get an event each
	singlePosts  = 8     // requests in flight
)

// singles is what was measured while events went to one person each.
type singles struct {
	events  int
	took    time.Duration // from the first POST to the last email accepted
	cost    costs
	commits int // transactions of the ledger
}

func (s singles) rate() float64 { return float64(s.events) / s.took.Seconds() }

func (s singles) each(v float64) float64 { return v / float64(s.events) }

// singles sends so many events to one person each and waits for the last email. It stops
// the system: a database counts the transactions of a connection when it closes.
func (s *system) singles(b testing.TB, srv *servers, events int) singles {
	b.Helper()
	before, emails, committed := costsOf(b, s, srv), s.sink.Count(), commits(b, s.dsn)
	start := time.Now()
	group, ctx := errgroup.WithContext(b.Context())
	for post := range singlePosts {
		group.Go(func() error { return s.postSingles(ctx, post, events) })
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	s.accepted(b, emails+events)
	r := singles{events: events, took: time.Since(start), cost: costsOf(b, s, srv).minus(before)}
	testenv.Eventually(b, patience, func() bool { return s.inApp() == 1 }, "the last event has one inbox row")
	if n := s.sink.Count() - emails; n != events {
		b.Errorf("%d events with one email each sent %d", events, n)
	}
	s.stop()
	r.commits = commits(b, s.dsn) - committed
	return r
}

func (s *system) postSingles(ctx context.Context, first, events int) error {
	for n := first; n < events; n += singlePosts {
		if _, err := s.tryPost(ctx, audience{users: []int{n % s.people}}); err != nil {
			return err
		}
	}
	return nil
}

// measureSingles sends many events to one person each.
func measureSingles(b *testing.B, srv *servers, out *report) {
	all := []*contender{{name: "Schoolbell", start: startSchoolbell}, {name: "Node", start: startPeer}}
	results := map[string][]singles{}
	alternate(*rounds, "one-person events", all, func(c *contender) {
		s := c.start(b, srv, setup{people: singlePeople, workers: 1, sink: testenv.SMTPSink(b)})
		r := s.singles(b, srv, *events)
		results[c.name] = append(results[c.name], r)
		fmt.Fprintf(os.Stderr, ", %s %.0f events/s", c.name, r.rate())
	}, func() {})
	for _, l := range []struct {
		measure string
		digits  int
		value   func(singles) float64
		goals   []goal
	}{
		{"events/s", 0, singles.rate, []goal{lead(3)}},
		{"ledger transactions per event", 1, func(r singles) float64 { return r.each(float64(r.commits)) }, []goal{atMost(5)}},
		{"Redis commands per event", 1, func(r singles) float64 { return r.each(float64(r.cost.commands)) }, []goal{atMost(40)}},
		{"CPU of serve, workers and PostgreSQL, µs/event", 0, func(r singles) float64 { return r.each(float64(r.cost.counted().Microseconds())) }, nil},
		{"not counted: CPU of Redis, µs/event", 0, func(r singles) float64 { return r.each(float64(r.cost.redis.Microseconds())) }, nil},
	} {
		of := func(name string) float64 {
			values := make([]float64, len(results[name]))
			for i, r := range results[name] {
				values[i] = l.value(r)
			}
			return median(values)
		}
		out.add(line{measure: "one-person events: " + l.measure, digits: l.digits, ours: of("Schoolbell"), peer: of("Node"), goals: l.goals})
	}
}

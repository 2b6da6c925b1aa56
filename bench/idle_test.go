package bench

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/testenv"
	"schoolbell/wire"
)

const (
	idlePeople = 1_000
	idleEvents = 100_000
	idleBulk   = 1_000 // events in a request
	idleRest   = 15 * time.Second
	idleTime   = time.Minute
)

// idle is what was used in a time in which nothing happened.
type idle struct {
	took    time.Duration
	cost    costs
	commits int
}

func (i idle) rate(n float64) float64 { return n / i.took.Seconds() }

// percent is the share of one processor.
func (i idle) percent(d time.Duration) float64 { return 100 * i.rate(d.Seconds()) }

// schedule creates events that start tomorrow, for one person each.
func schedule(b testing.TB, s *system, events int) {
	b.Helper()
	c, err := client.New(client.Config{URL: strings.TrimSuffix(s.url, "/v1/events"), Key: s.key, HTTPClient: httpClient})
	if err != nil {
		b.Fatal(err)
	}
	at := wire.At(time.Now().Add(24 * time.Hour))
	for created := 0; created < events; {
		list := make([]wire.BulkEvent, min(idleBulk, events-created))
		for n := range list {
			list[n].NewEvent = wire.NewEvent{Title: title, Body: body, SendAt: at,
				Audience: schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{userID((created + n) % s.people)}}}}
		}
		results, err := c.CreateEvents(b.Context(), list)
		if err != nil {
			b.Fatal(err)
		}
		for _, r := range results {
			if r.Event == nil {
				b.Fatalf("event %d was not stored: %+v", r.Index, r.Problem)
			}
		}
		created += len(list)
	}
}

// idle is what the system uses while it has nothing to do. What PostgreSQL does once after so many inserts is done before.
func (s *system) idle(b testing.TB, srv *servers, rest, during time.Duration) idle {
	b.Helper()
	execute(b, s.dsn, "VACUUM ANALYZE")
	<-time.After(rest) // statistics arrive late
	start, before, committed := time.Now(), costsOf(b, s, srv), commits(b, s.dsn)
	<-time.After(during)
	return idle{took: time.Since(start), cost: costsOf(b, s, srv).minus(before), commits: commits(b, s.dsn) - committed}
}

// measureIdle counts what serve and two workers use while many events wait for their start.
func measureIdle(b *testing.B, srv *servers, out *report) {
	var runs []idle
	for round := range *rounds {
		fmt.Fprintf(os.Stderr, "idle, round %d of %d\n", round+1, *rounds)
		s := startSchoolbell(b, srv, setup{people: idlePeople, workers: 2, sink: testenv.SMTPSink(b)})
		schedule(b, s, idleEvents)
		runs = append(runs, s.idle(b, srv, idleRest, idleTime))
		s.stop()
	}
	for _, l := range []struct {
		measure string
		digits  int
		value   func(idle) float64
		goals   []goal
	}{
		{"Redis commands/s", 1, func(i idle) float64 { return i.rate(float64(i.cost.commands)) }, []goal{atMost(20)}},
		{"ledger transactions/s", 1, func(i idle) float64 { return i.rate(float64(i.commits)) }, []goal{atMost(10)}},
		{"CPU of serve, workers and PostgreSQL, % of a processor", 2, func(i idle) float64 { return i.percent(i.cost.counted()) }, []goal{atMost(1)}},
		{"of this: PostgreSQL", 2, func(i idle) float64 { return i.percent(i.cost.postgres) }, nil},
		{"of this: serve", 2, func(i idle) float64 { return i.percent(i.cost.server) }, nil},
		{"not counted: CPU of Redis, % of a processor", 2, func(i idle) float64 { return i.percent(i.cost.redis) }, nil},
	} {
		values := make([]float64, len(runs))
		for i, r := range runs {
			values[i] = l.value(r)
		}
		out.add(line{measure: count(idleEvents) + " scheduled events, idle: " + l.measure, digits: l.digits, ours: median(values), goals: l.goals})
	}
}

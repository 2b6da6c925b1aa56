package bench

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell/internal/testenv"
)

// alongside is the time between two events that are posted beside the large one, one of each
// lane in turn.
const alongside = 100 * time.Millisecond

// measureLanes sends events to one person each while an event goes to everybody, and measures
// how long their emails take.
func measureLanes(b *testing.B, srv *servers, out *report) {
	n := sizeUpTo(b, pairLimit)
	var urgent, normal, rates []float64
	for round := range *rounds {
		fmt.Fprintf(os.Stderr, "lanes, round %d of %d\n", round+1, *rounds)
		s := startSchoolbell(b, srv, setup{people: n, workers: 1, sink: testenv.SMTPSink(b)})
		rates = append(rates, s.besideLarge(b, n))
		urgent, normal = append(urgent, emailTimes(b, s.dsn, "urgent")...), append(normal, emailTimes(b, s.dsn, "announcement")...)
		s.stop()
	}
	what := fmt.Sprintf("one-person events beside %s people: ", count(n))
	addLane(out, what+"urgent", urgent, 250)
	addLane(out, what+"normal", normal, 3000)
	out.add(line{measure: what + "emails/s in all", ours: median(rates)})
	measureLimited(b, srv, out, n)
}

// addLane adds the times of a lane in ms, with a goal for the 99th percentile.
func addLane(out *report, what string, took []float64, most float64) {
	out.add(line{measure: what + ", median, ms", ours: quantile(took, 0.5)})
	out.add(line{measure: what + ", 99 of 100 below, ms", ours: quantile(took, 0.99), goals: []goal{atMost(most)}})
}

const (
	limitedRate   = 14                     // emails a second, a common limit of a provider
	limitedEvents = 20                     // of each lane
	limitedPause  = 700 * time.Millisecond // between two of them: together they use a small part of the rate
)

// measureLimited is measureLanes at a low EMAIL_RATE. It does not wait for the large event, which takes hours.
func measureLimited(b *testing.B, srv *servers, out *report, people int) {
	var urgent, normal, rates []float64
	for round := range *rounds {
		fmt.Fprintf(os.Stderr, "lanes at %d emails a second, round %d of %d\n", limitedRate, round+1, *rounds)
		s := startSchoolbell(b, srv, limited(b, people))
		rates = append(rates, s.besideLimited(b, limitedEvents))
		urgent, normal = append(urgent, emailTimes(b, s.dsn, "urgent")...), append(normal, emailTimes(b, s.dsn, "announcement")...)
		s.stop()
	}
	what := fmt.Sprintf("the same at %d emails/s: ", limitedRate)
	addLane(out, what+"urgent", urgent, 2000)
	addLane(out, what+"normal", normal, 3000)
	out.add(line{measure: what + "emails/s in all", digits: 1, ours: median(rates), limit: limitedRate})
}

// limited is how a system with the low rate is started.
func limited(b testing.TB, people int) setup {
	return setup{people: people, workers: 1, sink: testenv.SMTPSink(b), env: []string{fmt.Sprintf("EMAIL_RATE=%d", limitedRate)}}
}

// besideLimited sends an event to everybody, and while it is being delivered, so many of each lane to one person. It returns
// how many emails were accepted in a second.
func (s *system) besideLimited(b testing.TB, events int) float64 {
	b.Helper()
	start := time.Now()
	s.post(b, audience{})
	next := time.NewTicker(limitedPause)
	defer next.Stop()
	for n := range 2 * events {
		<-next.C
		s.post(b, audience{users: []int{n % s.people}, urgent: n%2 == 0})
	}
	for _, category := range []string{"urgent", "announcement"} {
		testenv.Eventually(b, patience, func() bool { return len(sentTimes(b, s.dsn, category)) == events }, "events of category %s are sent", category)
	}
	return float64(s.sink.Count()) / time.Since(start).Seconds()
}

// besideLarge sends an event to everybody and, until nine tenths of its emails are accepted,
// others to one person each. It returns how many emails were accepted in a second.
func (s *system) besideLarge(b testing.TB, people int) float64 {
	b.Helper()
	start := time.Now()
	s.post(b, audience{})
	next := time.NewTicker(alongside)
	defer next.Stop()
	singles := 0
	for ; s.sink.Count() < people*9/10 || singles < 2; singles++ {
		s.post(b, audience{users: []int{singles % people}, urgent: singles%2 == 0})
		<-next.C
	}
	s.accepted(b, people+singles)
	rate := float64(people+singles) / time.Since(start).Seconds()
	testenv.Eventually(b, patience, func() bool { return s.inApp() >= 0 }, "the last event is completed")
	return rate
}

// emailTimes returns the ms from the creation of each event for one person of a category until
// its email was recorded as sent, a little after the mail server accepted it.
func emailTimes(b testing.TB, dsn, category string) []float64 {
	b.Helper()
	took := sentTimes(b, dsn, category)
	if len(took) == 0 {
		b.Fatalf("no event of category %s was sent", category)
	}
	return took
}

// sentTimes is emailTimes of the events that were sent so far.
func sentTimes(b testing.TB, dsn, category string) (took []float64) {
	b.Helper()
	db, err := pgx.Connect(b.Context(), dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close(b.Context())
	rows, err := db.Query(b.Context(), `
		SELECT 1000 * extract(epoch FROM d.updated_at - e.created_at)::float8
		FROM events e
		JOIN deliveries d ON d.event_seq = e.seq
		JOIN channels c ON c.id = d.channel
		WHERE e.category = $1 AND e.audience LIKE '%"users"%' AND c.name = 'email' AND d.status = 2`, category) // sent
	if err == nil {
		took, err = pgx.CollectRows(rows, pgx.RowTo[float64])
	}
	if err != nil {
		b.Fatal(err)
	}
	return took
}

func TestLanes(t *testing.T) {
	t.Parallel()
	t.Run("one-person events are timed", testLanesTimed)
	t.Run("events at a low rate are timed", testLanesLimited)
}

func testLanesLimited(t *testing.T) {
	srv := startServers(t)
	s := startSchoolbell(t, srv, limited(t, 100))
	defer s.stop()
	// What may be sent at once is a quarter of a second's emails.
	if rate := s.besideLimited(t, 2); rate <= 0 || rate > 2*limitedRate {
		t.Errorf("%f emails a second", rate)
	}
}

func testLanesTimed(t *testing.T) {
	const people = 200
	srv := startServers(t)
	s := startSchoolbell(t, srv, setup{people: people, workers: 1, sink: testenv.SMTPSink(t)})
	defer s.stop()
	if rate := s.besideLarge(t, people); rate <= 0 {
		t.Errorf("%f emails a second", rate)
	}
	for _, category := range []string{"urgent", "announcement"} {
		testenv.Eventually(t, patience, func() error {
			took := sentTimes(t, s.dsn, category)
			if len(took) == 0 {
				return fmt.Errorf("no event of category %s was sent", category)
			}
			for _, ms := range took {
				if ms <= 0 || ms > float64(patience.Milliseconds()) {
					return fmt.Errorf("an event of category %s took %f ms", category, ms)
				}
			}
			return nil
		}, "emails of category %s are timed", category)
	}
}

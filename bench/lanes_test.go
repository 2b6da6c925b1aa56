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
	for _, lane := range []struct {
		name string
		took []float64
		most float64
	}{{"urgent", urgent, 250}, {"normal", normal, 3000}} {
		out.add(line{measure: what + lane.name + ", median, ms", ours: quantile(lane.took, 0.5)})
		out.add(line{measure: what + lane.name + ", 99 of 100 below, ms", ours: quantile(lane.took, 0.99), goals: []goal{atMost(lane.most)}})
	}
	out.add(line{measure: what + "emails/s in all", ours: median(rates)})
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
func emailTimes(b testing.TB, dsn, category string) (took []float64) {
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
		WHERE e.category = $1 AND e.audience LIKE '%"users"%' AND c.name = 'email'`, category)
	if err == nil {
		took, err = pgx.CollectRows(rows, pgx.RowTo[float64])
	}
	if err != nil || len(took) == 0 {
		b.Fatalf("%d events of category %s, %v", len(took), category, err)
	}
	return took
}

func TestLanes(t *testing.T) {
	t.Parallel()
	const people = 200
	srv := startServers(t)
	s := startSchoolbell(t, srv, setup{people: people, workers: 1, sink: testenv.SMTPSink(t)})
	defer s.stop()
	if rate := s.besideLarge(t, people); rate <= 0 {
		t.Errorf("%f emails a second", rate)
	}
	for _, category := range []string{"urgent", "announcement"} {
		testenv.Eventually(t, patience, func() error {
			for _, ms := range emailTimes(t, s.dsn, category) {
				if ms <= 0 || ms > float64(patience.Milliseconds()) {
					return fmt.Errorf("an event of category %s took %f ms", category, ms)
				}
			}
			return nil
		}, "emails of category %s are timed", category)
	}
}

package fault

import (
	"flag"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell/internal/testenv"
	"schoolbell/test/system"
)

// atOnce is how many tests run at once unless -parallel says something else. They wait most of the time.
const atOnce = "4"

func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", atOnce); err != nil {
		panic(err)
	}
	testenv.Main(m)
}

const (
	everyone = 10_000
	before   = 3_000 // emails that go out before the fault

	promise = 30 * time.Second // within which work goes on after a crash, or after all else is done
)

// inDoubt expects that exactly the rows that were claimed at the crash are
// uncertain, and that the people whose mail was held, and so taken after the crash
// of its sender, got a second one. It returns the times from the crash to the
// first and the last mail with which others took up the rows.
func inDoubt(t *testing.T, f system.Facts, claimed, held []string, crash time.Time) (first, last time.Duration) {
	t.Helper()
	if !slices.Equal(f.Uncertain, claimed) {
		t.Errorf("%d rows are uncertain and %d were claimed; only uncertain: %v; only claimed: %v", len(f.Uncertain), len(claimed),
			system.Without(f.Uncertain, claimed), system.Without(claimed, f.Uncertain))
	}
	if once := system.Without(held, f.Repeated); len(once) > 0 {
		t.Errorf("mail was under way to these people at the crash, and they got one: %v", once)
	}
	var again []time.Duration
	for _, id := range claimed {
		times := f.Times[id] // none of these rows was recorded: the last mail is the one of the takeover
		if len(times) > 0 {
			again = append(again, times[len(times)-1].Sub(crash))
		}
	}
	if len(again) == 0 {
		t.Fatal("nobody whose row was claimed got a mail")
	}
	first, last = slices.Min(again), slices.Max(again)
	if late := first - othersDone(f, claimed, crash); late > promise {
		t.Errorf("work on the claimed rows went on after %v, %v after there was nothing else to do", first, late)
	}
	return first, last
}

// othersDone is the time from the crash to the last mail for a row that was in nobody's
// hands, 0 if there was none after it. The claimed rows come back at the end of the
// line, and how fast that moves is the machine's affair.
func othersDone(f system.Facts, claimed []string, crash time.Time) (done time.Duration) {
	inHand := map[string]bool{}
	for _, id := range claimed {
		inHand[id] = true
	}
	for id, times := range f.Times {
		if !inHand[id] {
			done = max(done, times[len(times)-1].Sub(crash))
		}
	}
	return done
}

func report(t *testing.T, f system.Facts, people int) {
	t.Helper()
	t.Logf("%d people, %d emails; %d got more than one; %d rows uncertain", people, f.Emails, len(f.Repeated), len(f.Uncertain))
}

// emptyRedis removes all keys of a Redis, as a failover to an empty one would.
func emptyRedis(t *testing.T, addr string) {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: addr})
	defer rdb.Close()
	if err := rdb.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
}

package fault

import (
	"slices"
	"testing"
	"time"

	"schoolbell/internal/testenv"
	"schoolbell/test/system"
)

func TestMain(m *testing.M) { testenv.Main(m) }

const (
	everyone = 10_000
	before   = 3_000 // mails that go out before the fault

	// What the defaults of the settings let a worker have in hand.
	connections = 20               // mails handed over and not answered
	inHand      = 5 * 25           // rows claimed: jobs at a time, and rows that each claims
	promise     = 30 * time.Second // within which work goes on after a crash
)

// inDoubt expects that exactly the rows that were claimed at the crash are
// uncertain, no more than a worker takes in hand, and that some of these people got a second mail: else the crash did
// not strike in the middle. It returns the times from the crash to the first and the last mail
// with which others took up the rows.
func inDoubt(t *testing.T, f system.Facts, claimed []string, crash time.Time) (first, last time.Duration) {
	t.Helper()
	if !slices.Equal(f.Uncertain, claimed) {
		t.Errorf("%d rows are uncertain and %d were in hand; only uncertain: %v; only in hand: %v", len(f.Uncertain), len(claimed),
			system.Without(f.Uncertain, claimed), system.Without(claimed, f.Uncertain))
	}
	if len(f.Repeated) < connections {
		t.Errorf("%d people got a second mail, and %d mails were waiting for their answer", len(f.Repeated), connections)
	}
	var again []time.Duration
	for _, id := range claimed {
		times := f.Times[id] // none of these rows was recorded: the last mail is the one of the takeover
		if len(times) > 0 {
			again = append(again, times[len(times)-1].Sub(crash))
		}
	}
	if len(again) == 0 {
		t.Fatal("nobody whose row was in hand got a mail")
	}
	first, last = slices.Min(again), slices.Max(again)
	if first > promise {
		t.Errorf("work on the rows in hand went on after %v", first)
	}
	return first, last
}

func report(t *testing.T, f system.Facts, people int) {
	t.Helper()
	t.Logf("%d people, %d mails; %d got more than one; %d rows uncertain", people, f.Mails, len(f.Repeated), len(f.Uncertain))
}

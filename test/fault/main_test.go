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

	promise = 30 * time.Second // within which work goes on after a crash
)

// inDoubt expects that exactly the rows that were claimed at the crash are
// uncertain, and that the people whose mail was held, and so taken after the crash
// of its sender, got a second one. It returns the times from the crash to the
// first and the last mail with which others took up the rows.
func inDoubt(t *testing.T, f system.Facts, claimed, held []string, crash time.Time) (first, last time.Duration) {
	t.Helper()
	if !slices.Equal(f.Uncertain, claimed) {
		t.Errorf("%d rows are uncertain and %d were in hand; only uncertain: %v; only in hand: %v", len(f.Uncertain), len(claimed),
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

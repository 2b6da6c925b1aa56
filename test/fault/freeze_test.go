package fault

import (
	"fmt"
	"testing"

	"schoolbell/internal/testenv"
	"schoolbell/test/system"
)

// A frozen worker cannot know that its time is up. When it moves again it must
// find out before it sends anything more.
func TestFrozenWorker(t *testing.T) {
	t.Parallel()
	const people = 2_000
	mail := system.NewMail(t)
	s := system.New(t, system.Parts{Database: testenv.Postgres(t), Redis: testenv.Redis(t), SMTP: mail.Addr()})
	api, frozen, other := s.Serve(), s.Worker("frozen"), s.Worker("other")
	s.Import(people)
	mail.HoldAfter(people / 4)
	id := s.Create().ID
	claimed, held := s.AwaitStuck(mail, "frozen", "other")
	frozen.Pause()
	mail.Release()
	testenv.Eventually(t, 2*promise, func() error {
		if n := s.Ledger.Sending(); n > 0 {
			return fmt.Errorf("%d rows are still claimed", n)
		}
		return nil
	}, "others take all rows over")
	asleep := mail.Accepted()
	frozen.Continue()

	f := s.Reached(mail, id, people)
	report(t, f, people)
	if once := system.Without(held, f.Repeated); len(once) > 0 {
		t.Errorf("the frozen worker's mail to these people was under way, and nobody took the rows over: %v", once)
	}
	if rest := system.Without(f.Uncertain, claimed); len(rest) > 0 {
		t.Errorf("rows are uncertain that the frozen worker did not have: %v", rest)
	}
	frozen.Stop()
	other.Stop()
	api.Stop()
	if n := mail.Accepted() - asleep; n > 0 {
		t.Errorf("the frozen worker sent %d emails after it woke up", n)
	}
}

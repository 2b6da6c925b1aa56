package fault

import (
	"fmt"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
)

// fewTries has emails that use up attempts fail within a second.
var fewTries = []string{"JOB_RETRIES=1", "JOB_BACKOFF=100ms"}

func TestSMTPHangUp(t *testing.T) {
	t.Parallel()
	t.Run("a hang-up without a reply spends no attempt", testHangUpSpendsNoAttempt)
	t.Run("a hang-up at one email does not delay others", testHangUpAtOneEmail)
}

// A mail server that ends connections at a command, without a reply, says
// nothing about the emails. They wait, spend no attempt and go out once it answers.
func testHangUpSpendsNoAttempt(t *testing.T) {
	t.Parallel()
	const people = 4
	for _, command := range []string{"MAIL FROM:", "RCPT TO:", "DATA"} {
		for _, ledger := range []string{"SQLite", "PostgreSQL"} {
			t.Run(command+" on "+ledger, func(t *testing.T) {
				t.Parallel()
				mail := system.NewMail(t)
				front := system.NewHangUp(t, mail.Addr())
				parts := system.Parts{Redis: testenv.Redis(t), SMTP: front.Addr(), Settings: fewTries}
				if ledger == "PostgreSQL" {
					parts.Database = testenv.Postgres(t)
				}
				s := system.New(t, parts)
				api, worker := s.Serve(), s.Worker("one")
				s.Import(people)
				front.At(command)
				id := s.Create().ID
				awaitHangUps(t, front, 3*people) // each mail met it more often than it has tries
				ev, err := s.Client.Event(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				if p := ev.Progress.Channels[schoolbell.ChannelEmail]; p.Failed != 0 || p.Uncertain != 0 {
					t.Errorf("the server said nothing about the emails, but they ended: %+v", p)
				}
				if n := s.Ledger.Attempts(id); n != 0 {
					t.Errorf("%d attempts were spent on what the server did not say", n)
				}
				front.At("")
				s.ReachedOnce(mail, id, people)
				if n := s.Ledger.Attempts(id); n != people {
					t.Errorf("%d attempts for %d emails", n, people)
				}
				worker.Stop()
				api.Stop()
			})
		}
	}
}

// One mail at which the server hangs up every time keeps no other waiting.
func testHangUpAtOneEmail(t *testing.T) {
	t.Parallel()
	const people = 20
	mail := system.NewMail(t)
	front := system.NewHangUp(t, mail.Addr())
	s := system.New(t, system.Parts{Redis: testenv.Redis(t), SMTP: front.Addr(), Settings: fewTries})
	api, worker := s.Serve(), s.Worker("one")
	s.Import(people)
	front.At("RCPT TO:<" + system.Address(0) + ">")
	first, second := s.Create().ID, s.Create().ID
	for _, id := range []string{first, second} {
		testenv.Eventually(t, 90*time.Second, func() error {
			ev, err := s.Client.Event(t.Context(), id)
			if err != nil {
				return err
			}
			if p := ev.Progress.Channels[schoolbell.ChannelEmail]; p.Sent != people-1 {
				return fmt.Errorf("%+v", p)
			}
			return nil
		}, "all but one have their mail")
	}
	awaitHangUps(t, front, 5)
	front.At("")
	s.ReachedOnce(mail, first, people)
	s.ReachedOnce(mail, second, people)
	if n := s.Ledger.Attempts(first) + s.Ledger.Attempts(second); n != 2*people {
		t.Errorf("%d attempts for %d emails", n, 2*people)
	}
	worker.Stop()
	api.Stop()
}

func awaitHangUps(t *testing.T, front *system.HangUp, n int) {
	t.Helper()
	testenv.Eventually(t, 90*time.Second, func() error {
		if got := front.Times(); got < n {
			return fmt.Errorf("%d connections ended", got)
		}
		return nil
	}, "%d connections have ended", n)
}

package fault

import (
	"fmt"
	"net"
	"strconv"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
)

const (
	upgradedPeople = 50_000
	upgradeLimit   = 10 * time.Minute // far longer than it takes
)

// TestUpgrade replaces all processes by those of the next version, one after the other, while an event is being delivered.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	old := testenv.PreviousProgram(t)
	mail := system.NewMail(t)
	s := system.New(t, system.Parts{Database: testenv.Postgres(t), Redis: testenv.Redis(t), SMTP: mail.Addr()})
	s.Limit(func(_ string, args []string) (string, []string) { return old.Binary, args })
	oldAPI, first, second := s.Serve(), s.Worker("old-1"), s.Worker("old-2")
	s.Import(upgradedPeople)
	s.Limit(nil)
	if old.Migrations {
		s.Does("migrate")
	}

	mail.Slow(10 * time.Millisecond) // so that the event lasts longer than what follows
	id := s.Create().ID
	sent := func(n int) {
		t.Helper()
		testenv.Eventually(t, upgradeLimit, func() error {
			if got := mail.Accepted(); got < n {
				return fmt.Errorf("%d emails", got)
			}
			return nil
		}, "%d emails are sent", n)
	}
	sent(2_000)
	third := s.Worker("new-1")
	sent(5_000)
	first.Stop()
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(testenv.FreePort(t)))
	beside := s.LaunchWith([]string{"HTTP_ADDR=" + addr}, "beside", "serve")
	beside.Await(" serves http://" + addr)
	sent(8_000)
	oldAPI.Stop()
	newAPI := s.Serve()
	fourth := s.Worker("new-2")
	sent(11_000)
	second.Stop()
	if ev, err := s.Client.Event(t.Context(), id); err != nil || ev.Status != schoolbell.EventProcessing {
		t.Errorf("the event is at %+v, %v: it should last longer than the change of all processes", ev, err)
	}
	mail.Slow(0)
	sent(upgradedPeople)
	s.ReachedOnce(mail, id, upgradedPeople)
	for _, p := range []*system.Process{third, fourth, beside, newAPI} {
		p.Stop()
	}
}

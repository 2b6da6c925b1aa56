package email

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/embedded"
	"schoolbell/internal/testenv"
)

func TestLanes(t *testing.T) {
	t.Parallel()
	t.Run("normal email leaves connections to urgent email", testLanesConnections)
}

// Normal email that the server is slow to take holds its own share of the connections, not that
// of urgent email.
func testLanesConnections(t *testing.T) {
	t.Parallel()
	c, _ := catcher(t, embedded.MailCatcherOptions{})
	going := make(chan struct{})
	release := sync.OnceFunc(func() { close(going) })
	t.Cleanup(release)
	var mu sync.Mutex
	held := 0
	c.SetFaults(&embedded.Faults{Delay: func(to string) time.Duration {
		if strings.HasPrefix(to, "normal") {
			mu.Lock()
			held++
			mu.Unlock()
			<-going
		}
		return 0
	}})
	s := sender(t, c.Addr(), func(c *SMTPConfig) { c.Connections, c.UrgentShare = 5, 20 })
	var batches sync.WaitGroup
	for range 3 {
		batches.Go(func() {
			msgs := make([]schoolbell.Message, 4*perConnection)
			for i := range msgs {
				msgs[i] = message("normal@example.org", i)
			}
			for _, r := range sendAll(t, context.Background(), s.Lane(schoolbell.LaneNormal), msgs) {
				if r.Verdict != schoolbell.VerdictSent {
					t.Errorf("normal email: %+v", r)
				}
			}
		})
	}
	holding := func() int { mu.Lock(); defer mu.Unlock(); return held }
	testenv.Eventually(t, 20*time.Second, func() bool { return holding() == 4 }, "normal email holds its four connections")
	urgent := sendAll(t, context.Background(), s.Lane(schoolbell.LaneUrgent), []schoolbell.Message{message("urgent@example.org", 1)})
	if urgent[0].Verdict != schoolbell.VerdictSent {
		t.Errorf("urgent email: %+v", urgent[0])
	}
	if n := holding(); n != 4 {
		t.Errorf("normal email holds %d of 5 connections, want 4", n)
	}
	release()
	batches.Wait()
}

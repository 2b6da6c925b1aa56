package email

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"schoolbell"
	"schoolbell/internal/embedded"
	"schoolbell/internal/testenv"
)

func TestLanes(t *testing.T) {
	t.Parallel()
	t.Run("normal email leaves connections to urgent email", testLanesConnections)
	t.Run("urgent email may use every connection", testLanesAll)
	t.Run("the next free connection is for urgent email", testLanesNextFree)
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

func testLanesAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(5, 20)
		for _, lane := range []schoolbell.Lane{schoolbell.LaneUrgent, schoolbell.LaneNormal} {
			got := 0
			for s.tryTake(lane) {
				got++
			}
			want := map[schoolbell.Lane]int{schoolbell.LaneUrgent: 5, schoolbell.LaneNormal: 4}[lane]
			if got != want {
				t.Errorf("the %s lane gets %d of 5 slots, want %d", lane, got, want)
			}
			for range got {
				s.put(lane)
			}
		}
	})
}

// With a single connection there is nothing to leave, but urgent email is the next to get it.
func testLanesNextFree(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(1, 20)
		if !s.tryTake(schoolbell.LaneNormal) {
			t.Fatal("normal email cannot use the only connection")
		}
		order := make(chan string, 9)
		wait := func(ctx context.Context, name string, lane schoolbell.Lane, needless chan struct{}) {
			go func() {
				if s.take(ctx, lane, needless) {
					order <- name
				} else {
					order <- name + " gives up"
				}
			}()
			synctest.Wait()
		}
		ended, end := context.WithCancel(t.Context())
		needless := make(chan struct{})
		wait(ended, "first", schoolbell.LaneNormal, nil)
		wait(t.Context(), "second", schoolbell.LaneNormal, nil)
		wait(t.Context(), "third", schoolbell.LaneUrgent, needless)
		wait(t.Context(), "fourth", schoolbell.LaneUrgent, nil)
		end()
		synctest.Wait()
		close(needless)
		synctest.Wait()
		for _, lane := range []schoolbell.Lane{schoolbell.LaneNormal, schoolbell.LaneUrgent, schoolbell.LaneNormal} {
			s.put(lane)
			synctest.Wait()
		}
		close(order)
		var got []string
		for name := range order {
			got = append(got, name)
		}
		if want := []string{"first gives up", "third gives up", "fourth", "second"}; !slices.Equal(got, want) {
			t.Errorf("the order is %q, want %q", got, want)
		}
	})
}

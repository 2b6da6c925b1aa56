package staff

import (
	"fmt"
	"testing"
	"time"
)

func TestThrottle(t *testing.T) {
	now := time.Date(2026, 11, 24, 7, 0, 0, 0, time.UTC)
	fresh := func() *throttle { return newThrottle(func() time.Time { return now }) }
	allowed := func(th *throttle, a attempt, n int) (k int) {
		for range n {
			if th.begin(a) == 0 {
				k++
			}
		}
		return k
	}
	t.Run("an address guesses five times at an account", func(t *testing.T) {
		th := fresh()
		thief, owner := attempt{email: "ada@example.org", address: "192.0.2.1"}, attempt{email: "ada@example.org", address: "192.0.2.2"}
		if n := allowed(th, thief, 50); n != failuresPerPair {
			t.Errorf("%d attempts", n)
		}
		if wait := th.begin(thief); wait != failurePeriod {
			t.Errorf("waits %v", wait)
		}
		if th.begin(owner) != 0 {
			t.Error("the owner at another address waits too")
		}
		now = now.Add(failurePeriod)
		if th.begin(thief) != 0 {
			t.Error("still waits after the period")
		}
	})
	t.Run("an address guesses at thirty accounts", func(t *testing.T) {
		th, n := fresh(), 0
		for i := range 100 {
			n += allowed(th, attempt{email: fmt.Sprint(i, "@example.org"), address: "192.0.2.1"}, 1)
		}
		if n != failuresPerAddress {
			t.Errorf("%d attempts", n)
		}
	})
	t.Run("many addresses cannot lock out a known browser", func(t *testing.T) {
		th, n := fresh(), 0
		for i := range 300 {
			n += allowed(th, attempt{email: "ada@example.org", address: fmt.Sprint("192.0.2.", i)}, 1)
		}
		if n != failuresPerAccount {
			t.Errorf("%d attempts", n)
		}
		if th.begin(attempt{email: "ada@example.org", address: "198.51.100.1", known: true}) != 0 {
			t.Error("the owner's browser waits too")
		}
	})
	t.Run("good passwords do not count", func(t *testing.T) {
		th := fresh()
		a := attempt{email: "ada@example.org", address: "192.0.2.1"}
		for range 100 {
			if th.begin(a) != 0 {
				t.Fatal("has to wait")
			}
			th.undo(a)
		}
	})
	t.Run("memory is bounded", func(t *testing.T) {
		th := fresh()
		for i := range 3 * maxCounted / 2 {
			th.begin(attempt{email: fmt.Sprint(i, "@example.org"), address: fmt.Sprint(i)})
		}
		if len(th.counts) > maxCounted {
			t.Errorf("%d entries", len(th.counts))
		}
	})
}

package slots_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"schoolbell"
	"schoolbell/internal/channel/slots"
)

func TestSlots(t *testing.T) {
	t.Parallel()
	t.Run("the urgent lane may use every slot", testSlotsAll)
	t.Run("the next free slot is for the urgent lane", testSlotsNextFree)
}

func testSlotsAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := slots.New(5, 20)
		for _, lane := range []schoolbell.Lane{schoolbell.LaneUrgent, schoolbell.LaneNormal} {
			got := 0
			for s.TryTake(lane) {
				got++
			}
			want := map[schoolbell.Lane]int{schoolbell.LaneUrgent: 5, schoolbell.LaneNormal: 4}[lane]
			if got != want {
				t.Errorf("the %s lane gets %d of 5 slots, want %d", lane, got, want)
			}
			for range got {
				s.Put(lane)
			}
		}
	})
}

// With a single slot there is nothing to leave, but the urgent lane is the next to get it.
func testSlotsNextFree(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := slots.New(1, 20)
		if !s.TryTake(schoolbell.LaneNormal) {
			t.Fatal("the normal lane cannot use the only slot")
		}
		order := make(chan string, 9)
		wait := func(ctx context.Context, name string, lane schoolbell.Lane, needless chan struct{}) {
			go func() {
				if s.Take(ctx, lane, needless) {
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
			s.Put(lane)
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

package schoolbell_test

import (
	"testing"

	"schoolbell"
)

func TestNormalSlots(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ n, share, want int }{
		{5, 20, 4}, {20, 20, 16}, {4, 20, 3}, {1, 20, 1}, {1, 90, 1}, {2, 1, 1}, {3, 90, 1}, {100, 90, 10}, {10, 21, 7}, {7, 0, 7}, {0, 20, 0},
	} {
		if got := schoolbell.NormalSlots(c.n, c.share); got != c.want {
			t.Errorf("of %d slots with a share of %d %%, normal work has %d, want %d", c.n, c.share, got, c.want)
		}
	}
}

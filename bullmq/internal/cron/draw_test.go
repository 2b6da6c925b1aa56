package cron

import (
	"strings"
	"testing"
	"time"
)

func lowest(int) int    { return 0 }
func highest(n int) int { return n - 1 }

func TestDraw(t *testing.T) {
	t.Parallel()
	t.Run("values stay within the bounds of their fields", testDrawBounds)
	t.Run("an impossible value is redrawn", testDrawImpossible)
}

// The bounds are those within which the parser of BullMQ 6 is seen to draw.
func testDrawBounds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ pattern, least, most string }{
		{"H * * * * *", "0 * * * * *", "59 * * * * *"},
		{"H H * * *", "0 0 * * *", "59 23 * * *"},
		{"0 0 H H *", "0 0 1 1 *", "0 0 31 12 *"},
		{"0 0 * * H", "0 0 * * 0", "0 0 * * 6"},
		{"H/7 * * * *", "0-59/7 * * * *", "6-59/7 * * * *"},
		{"H/100 * * * *", "0 * * * *", "59 * * * *"},
		{"H(3-20)/7 * * * *", "3-20/7 * * * *", "9-20/7 * * * *"},
		{"H(3-5)/7 * * * *", "3 * * * *", "5 * * * *"},
		{"0 0 * * H(MON-FRI)", "0 0 * * 1", "0 0 * * 5"},
		{"0 0 * H(jan-mar) *", "0 0 * 1 *", "0 0 * 3 *"},
		{"0 0 H(1-5),L * *", "0 0 1,L * *", "0 0 5,L * *"},
		{"0 0 * * H#2", "0 0 * * 0#2", "0 0 * * 6#2"},
		{"0 0 * * HL", "0 0 * * 0L", "0 0 * * 6L"},
		{"0 0 * * THU", "0 0 * * 4", "0 0 * * 4"},
		{"@hourly", "0 * * * *", "0 * * * *"},
	} {
		for want, pick := range map[string]func(int) int{tt.least: lowest, tt.most: highest} {
			got, err := Draw(tt.pattern, pick)
			if err != nil {
				t.Errorf("%q: %v", tt.pattern, err)
				continue
			}
			expected, err := Parse(want)
			if err != nil {
				t.Fatal(err)
			}
			if *got != *expected {
				t.Errorf("%q is %+v, want that of %q, %+v", tt.pattern, *got, want, *expected)
			}
		}
	}
}

func testDrawImpossible(t *testing.T) {
	t.Parallel()
	n := 0
	c, err := Draw("0 0 H 2 *", func(int) int { n++; return 31 - n }) // 31, 30, 29
	if err != nil || c.day != 1<<29 || n != 3 {
		t.Errorf("after %d draws: %+v, %v", n, c, err)
	}
	for _, pattern := range []string{"H(30-31) 0 30 2 *", "H(5) * * * *", "H(10-5) * * * *", "H(a-b) * * * *", "H/0 * * * *", "HH * * * *", "h h * * *", "H H H H H H H", "H(0-70) * * * *"} {
		if _, err := Draw(pattern, highest); err == nil {
			t.Errorf("%q is taken", pattern)
		}
	}
}

func FuzzDraw(f *testing.F) {
	for _, pattern := range []string{"H H * * *", "H(0-29)/10 H(1-3) * * MON-FRI", "H/0 H() * * *", "HHH", "\xff H", strings.Repeat("H,", 600) + " * * * *"} {
		f.Add(pattern, uint16(7))
	}
	f.Fuzz(func(t *testing.T, pattern string, seed uint16) {
		c, err := Draw(pattern, func(n int) int { return int(seed) % n })
		if err == nil && c.Next(time.Unix(1_790_000_000, 0), time.UTC).Before(time.Unix(0, 0)) && !c.Next(time.Unix(1_790_000_000, 0), time.UTC).IsZero() {
			t.Errorf("%q matches before 1970", pattern)
		}
	})
}

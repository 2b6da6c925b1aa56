package cron

import (
	"encoding/json"
	"os"
	"testing"
	"time"
)

// testdata/cron.json has rows of [pattern, zone, from ms, next ms or null], as the
// parser of BullMQ 6.7 answers: random patterns, many of them around the
// hours in which clocks are changed, and some of note. null means a refusal.
func table(t *testing.T) (rows []row) {
	t.Helper()
	text, err := os.ReadFile("testdata/cron.json")
	if err != nil {
		t.Fatal(err)
	}
	var raw [][4]any
	if err := json.Unmarshal(text, &raw); err != nil {
		t.Fatal(err)
	}
	for _, r := range raw {
		zone, err := time.LoadLocation(r[1].(string))
		if err != nil {
			t.Fatal(err)
		}
		row := row{r[0].(string), zone, time.UnixMilli(int64(r[2].(float64))), time.Time{}}
		if next, ok := r[3].(float64); ok {
			row.next = time.UnixMilli(int64(next))
		}
		rows = append(rows, row)
	}
	return rows
}

type row struct {
	pattern    string
	zone       *time.Location
	from, next time.Time
}

func TestCron(t *testing.T) {
	t.Parallel()
	t.Run("patterns match when they do in Node", testCronMatchesNode)
	t.Run("clock changes lose no run", testCronClockChanges)
}

func testCronMatchesNode(t *testing.T) {
	t.Parallel()
	for _, row := range table(t) {
		c, err := Parse(row.pattern)
		switch {
		case row.next.IsZero():
			if err == nil && c.Foreign == "" {
				t.Errorf("%q is taken, which Node refuses", row.pattern)
			}
		case err != nil:
			t.Errorf("%q is refused: %v", row.pattern, err)
		default:
			if got := c.Next(row.from, row.zone); !got.Equal(row.next) {
				t.Errorf("%q in %v after %v: %v, Node says %v", row.pattern, row.zone, row.from.In(row.zone), got.In(row.zone), row.next.In(row.zone))
			}
		}
	}
}

// Node's parser leaves out, or never finds, what these answer.
func testCronClockChanges(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, pattern, zone, from, want string }{
		{"midnight is skipped in Cairo", "0 0 * * *", "Africa/Cairo", "2026-04-23T12:00:00Z", "2026-04-23T22:00:00Z"},
		{"half an hour is skipped on Lord Howe Island", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", "2026-10-03T15:45:00Z"},
		{"half an hour is repeated on Lord Howe Island", "15 2 * * *", "Australia/Lord_Howe", "2026-04-04T12:00:00Z", "2026-04-04T15:45:00Z"},
		{"a whole day is skipped in Samoa", "0 12 30 12 *", "Pacific/Apia", "2011-12-28T12:00:00Z", "2011-12-30T22:00:00Z"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			zone, err := time.LoadLocation(tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			c, err := Parse(tt.pattern)
			if err != nil {
				t.Fatal(err)
			}
			from, _ := time.Parse(time.RFC3339, tt.from)
			if got := c.Next(from, zone).Format(time.RFC3339); got != tt.want {
				t.Errorf("next is %s, not %s", got, tt.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"*/5 * * * *", "0 0 L,15 * 5L", "0 0 * * FRI#2", "59 59 23 31 12 ?", "@daily", "1-5/2,7 * * jan-mar 0-7"} {
		f.Add(pattern, int64(1_790_000_000))
	}
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, pattern string, from int64) {
		c, err := Parse(pattern)
		if err != nil {
			return
		}
		after := time.Unix(from%(1<<36), 0)
		next := c.Next(after, zone)
		if !next.IsZero() && !next.After(after) {
			t.Fatalf("%q: %v does not follow %v", pattern, next, after)
		}
		if !next.IsZero() && c.second&(1<<next.In(zone).Second()) == 0 {
			t.Fatalf("%q: %v is not one of its seconds", pattern, next)
		}
	})
}

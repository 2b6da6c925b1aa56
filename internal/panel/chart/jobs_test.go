package chart

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"schoolbell/bullmq"
)

func TestNewJobs(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 3, 1, 7, 10, 30, 0, time.UTC)
	at := func(minutes int) time.Time { return now.Add(time.Duration(minutes) * time.Minute) }
	if c := newJobs(now, &bullmq.Metrics{}, &bullmq.Metrics{}, time.UTC, strconv.Itoa); c != nil {
		t.Errorf("no worker counts: %+v", c)
	}
	for name, x := range map[string]struct {
		m    bullmq.Metrics
		want []int // the last minutes
	}{
		"the first job, in this minute": {bullmq.Metrics{Count: 2, Until: at(0)}, []int{0, 0, 2}},
		"jobs before a pause":           {bullmq.Metrics{Count: 9, CountThen: 6, Until: at(-2), Points: []int64{4, 2}}, []int{2, 4, 3, 0, 0}},
		"jobs in each minute":           {bullmq.Metrics{Count: 7, CountThen: 6, Until: at(0), Points: []int64{4, 2}}, []int{2, 4, 1}},
		"long ago":                      {bullmq.Metrics{Count: 7, CountThen: 6, Until: at(-60), Points: []int64{4}}, []int{0}},
	} {
		counts := minuteCounts(now, &x.m)
		if got := counts[Minutes-len(x.want):]; !slices.Equal(got, x.want) || len(counts) != Minutes {
			t.Errorf("%s: %v, want %v at the end", name, counts, x.want)
		}
	}
	c := newJobs(now, &bullmq.Metrics{Count: 9, Until: at(0)}, &bullmq.Metrics{Count: 2, Until: at(-1)}, time.FixedZone("", 3600), strconv.Itoa)
	if c.Top != "10" || c.Times[0] != "07:11" || c.Times[4] != "08:10" || !strings.Contains(c.Label, "9 completed, 2 failed, at most 9") || len(c.Areas) != 2 {
		t.Errorf("%+v", c)
	}
}

package chart

import (
	"context"
	"time"

	"schoolbell/bullmq"
)

// Minutes is how many minutes the chart of jobs shows.
const Minutes = 60

// Jobs shows how many jobs of a queue finished in each of the last minutes.
type Jobs struct {
	Areas     []Area
	Top, Half string   // of the scale
	Times     []string // below the chart
	Label     string
	Legend    []Key
}

// OfQueue returns the chart of what the workers of a queue have counted, up to now. It is nil if no worker counts. Times are in a zone;
// number writes a number.
func OfQueue(ctx context.Context, q *bullmq.Queue, now time.Time, zone *time.Location, number func(int) string) (*Jobs, error) {
	completed, err := q.Metrics(ctx, bullmq.StateCompleted, 0, Minutes-1)
	if err != nil {
		return nil, err
	}
	failed, err := q.Metrics(ctx, bullmq.StateFailed, 0, Minutes-1)
	if err != nil {
		return nil, err
	}
	return newJobs(now, completed, failed, zone, number), nil
}

func newJobs(now time.Time, completed, failed *bullmq.Metrics, zone *time.Location, number func(int) string) *Jobs {
	if completed.Until.IsZero() && failed.Until.IsZero() {
		return nil
	}
	below, above := minuteCounts(now, completed), minuteCounts(now, failed)
	done, broken, most := 0, 0, 0
	for i := range below {
		done, broken = done+below[i], broken+above[i]
		above[i] += below[i]
		most = max(most, above[i])
	}
	top := roundUp(most)
	c := &Jobs{Top: short(top), Half: short(top / 2), Legend: []Key{{"email", "Completed", number(done)}, {"failed", "Failed", number(broken)}}}
	c.Areas = []Area{{"email", areaPath(below, make([]int, Minutes), float64(top))}, {"failed", areaPath(above, below, float64(top))}}
	first := now.Truncate(time.Minute).Add(-(Minutes - 1) * time.Minute)
	for i := range times {
		c.Times = append(c.Times, first.Add(time.Duration(i)*(Minutes-1)*time.Minute/(times-1)).In(zone).Format("15:04"))
	}
	c.Label = "Jobs a minute in the last hour: " + number(done) + " completed, " + number(broken) + " failed, at most " + number(most) + " in a minute."
	return c
}

// minuteCounts are the counts of the last minutes, the oldest first. A point is written when the first job of a later minute
// finishes; jobs that finished since then are not in a point yet. See collectMetrics of BullMQ.
func minuteCounts(now time.Time, m *bullmq.Metrics) []int {
	counts := make([]int, Minutes)
	written := m.Until.Truncate(time.Minute)
	for i := range counts {
		minute := now.Truncate(time.Minute).Add(time.Duration(i-Minutes+1) * time.Minute)
		before := int(written.Sub(minute)/time.Minute) - 1
		switch {
		case m.Until.IsZero() || minute.After(written):
		case minute.Equal(written):
			counts[i] = int(m.Count - m.CountThen)
		case before < len(m.Points):
			counts[i] = int(m.Points[before])
		}
	}
	return counts
}

package interop

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"schoolbell/bullmq"
)

// plus is the same strategy as in Node below: "plus N" runs N minutes after the run before,
// until the schedule's end.
func plus(after time.Time, s bullmq.Schedule, _ string) (time.Time, error) {
	var minutes int
	_, err := fmt.Sscanf(s.Pattern, "plus %d", &minutes)
	at := after.Add(time.Duration(minutes) * time.Minute)
	if !s.End.IsZero() && at.After(s.End) {
		return time.Time{}, err
	}
	return at, err
}

const nodePlus = `{ settings: { repeatStrategy: (millis, opts) => {
	const at = millis + 60000 * Number(opts.pattern.split(' ')[1]);
	return opts.endDate && at > new Date(opts.endDate).getTime() ? undefined : at;
} } }`

func TestRepeatStrategy(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		end := frozen.Add(70 * time.Minute)
		var names [2]string
		var ran [2][]string
		for first := range languages {
			now := frozen
			clock := func() time.Time { return now }
			q := r.queueWith(r.unused(), bullmq.QueueOptions{Clock: clock, Repeat: plus})
			names[first] = q.Name()
			r.node.do(nil, `$.freeze(args[1]); await $.queue(args[0], `+nodePlus+`).waitUntilReady()`, q.Name(), now.UnixMilli())
			if languages[first] == "go" {
				_, err := q.UpsertScheduler(r.Context(), "tick", bullmq.Schedule{Pattern: "plus 20", End: end}, bullmq.JobTemplate{Name: "n"})
				r.ok(err)
			} else {
				r.node.do(nil, `await $.queue(args[0]).upsertJobScheduler('tick', { pattern: 'plus 20', endDate: args[1] }, { name: 'n' })`, q.Name(), end.UnixMilli())
			}
			for turn := range 5 {
				ids := waiting(r, q.Name())
				if len(ids) == 0 {
					break
				}
				var at int64
				_, err := fmt.Sscanf(ids[0][strings.LastIndex(ids[0], ":")+1:], "%d", &at)
				r.ok(err)
				now = time.UnixMilli(at).UTC()
				r.node.do(nil, `$.freeze(args[0])`, at)
				if languages[(first+1+turn)%2] == "go" {
					at := now
					stop := r.work(q.Name(), func(context.Context, *bullmq.Job) (any, error) { return nil, nil },
						bullmq.WorkerOptions{Name: "w", Clock: func() time.Time { return at }, Repeat: plus})
					r.reaches(q, ids[0], bullmq.StateCompleted)
					stop()
				} else {
					r.node.do(nil, `await $.worker(args[0], async () => {}, { name: 'w', ...`+nodePlus+` })`, q.Name())
					r.reaches(q, ids[0], bullmq.StateCompleted)
					r.node.do(nil, `await $.close('worker ' + args[0])`, q.Name())
				}
				ran[first] = append(ran[first], ids[0])
			}
		}
		var want []string
		for n := 1; n <= 3; n++ {
			want = append(want, fmt.Sprint("repeat:tick:", frozen.Add(time.Duration(n)*20*time.Minute).UnixMilli()))
		}
		r.same("runs of the scheduler made by Go", ran[0], want)
		r.same("runs of the scheduler made by Node", ran[1], want)
		compareDumps(r, names, true)
		r.node.quiet()
	})
}

package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"schoolbell/bullmq"
	"schoolbell/internal/testenv"
)

func TestWorkersOfGoAreListedAsLongAsTheyRun(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		listed := func(want ...string) {
			r.Helper()
			testenv.Eventually(r.T, patience, func() error {
				var got []string
				r.node.do(&got, `return (await $.queue('q').getWorkers()).map((w) => w.rawname.split(':w:')[1]).sort()`)
				if fmt.Sprint(got) != fmt.Sprint(want) {
					return fmt.Errorf("Node lists %v", got)
				}
				return nil
			}, "Node lists the workers %v", want)
			board := r.board("get", "/api/queues/q/workers", map[string]any{}).Body
			for _, name := range []string{"kept", "killed"} {
				if shown := strings.Contains(string(board), name); shown != (count(want, name) == 1) {
					r.Errorf("the board shows %s: %t, want %v: %s", name, shown, want, board)
				}
			}
			if shown := r.boardOf("waiting").HasWorkers; shown != (len(want) > 0) {
				r.Errorf("the board says that there are workers: %t, want %v", shown, want)
			}
		}
		listed()
		stop := r.work("q", func(context.Context, *bullmq.Job) (any, error) { return nil, nil }, bullmq.WorkerOptions{Name: "kept"})
		killed := r.startVictim("go", "killed", 1, "q")
		listed("kept", "killed")
		killed.kill()
		listed("kept")
		stop()
		listed()
		r.node.quiet()
	})
}

// metrics are those of one state as Node reads them.
type metrics struct {
	Meta struct{ Count, PrevTS, PrevCount int64 }
	Data []json.Number
}

func TestMetricsCountTheJobsOfWorkersOfBothLanguages(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		mixed, alone := r.unused(), r.unused()
		for _, state := range []string{"completed", "failed"} {
			read := func(name string) (m metrics) {
				r.Helper()
				r.node.do(&m, `return $.queue(args[0]).getMetrics(args[1])`, name, state)
				return m
			}
			if state == "completed" { // the jobs are those of both states
				r.workForMinutes(mixed, true)
				r.workForMinutes(alone, false)
			}
			got := read(mixed)
			r.same("metrics of "+state+" jobs, beside those of Node alone", got, read(alone))
			if want := map[string]int64{"completed": 15, "failed": 6}[state]; got.Meta.Count != want || len(got.Data) == 0 {
				r.Errorf("Node counts %+v %s, want %d", got, state, want)
			}
		}
		r.node.quiet()
	})
}

// workForMinutes has a queue worked off again and again, minutes apart by the workers' clocks, in
// Node or by turns.
func (r *rig) workForMinutes(name string, turns bool) {
	r.Helper()
	q, now := r.queue(name), frozen
	for i, minute := range []struct {
		jobs int
		then time.Duration
	}{{1, time.Minute}, {4, time.Minute}, {3, 2 * time.Minute}, {0, time.Minute}, {5, 10 * time.Second}, {2, 0}} {
		for range minute.jobs {
			r.add(q, "good", nil, bullmq.JobOptions{})
		}
		r.add(q, "bad", nil, bullmq.JobOptions{})
		if turns && i%2 == 0 {
			at := now
			stop := r.work(name, workInGo, bullmq.WorkerOptions{MetricsPoints: 10, Clock: func() time.Time { return at }})
			r.counts(q, map[bullmq.State]int64{bullmq.StateWaiting: 0, bullmq.StateActive: 0}, "the jobs are worked off")
			stop()
		} else {
			r.node.do(nil, `$.freeze(args[1]);
				await $.workOff(args[0], async (job) => { if (job.name === 'bad') throw new Error('bad') }, { metrics: { maxDataPoints: 10 } })`, name, now.UnixMilli())
		}
		now = now.Add(minute.then)
	}
}

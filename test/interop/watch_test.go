package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"schoolbell/bullmq"
	"schoolbell/internal/testenv"
)

func TestWorkerList(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		workersAreListed(r)
		killed := r.startVictim("go", "killed", 1, "q")
		r.lists("killed")
		killed.kill()
		r.lists()
	})
}

func workersAreListed(r *rig) {
	r.lists()
	idle := func(context.Context, *bullmq.Job) (any, error) { return nil, nil }
	first := r.work("q", idle, bullmq.WorkerOptions{Name: "go-1"})
	second := r.work("q", idle, bullmq.WorkerOptions{Name: "go-2"})
	r.work("elsewhere", idle, bullmq.WorkerOptions{Name: "go-3"})
	r.node.do(nil, `await $.worker('q', async () => {}, { name: 'node' })`)
	r.lists("go-1", "go-2", "node")
	first()
	r.lists("go-2", "node")
	second()
	r.node.do(nil, `await $.close('worker q')`)
	r.lists()
	r.node.quiet()
}

// lists waits until queue q has these workers, as Node, Go and Bull Board say.
func (r *rig) lists(want ...string) {
	r.Helper()
	q := r.queue("q")
	testenv.Eventually(r.T, patience, func() error {
		var theirs, ours []string
		r.node.do(&theirs, `return (await $.queue('q').getWorkers()).map((w) => w.rawname.split(':w:')[1]).sort()`)
		workers, err := q.Workers(r.Context())
		for _, w := range workers {
			ours = append(ours, w.Name)
		}
		slices.Sort(ours)
		if !slices.Equal(theirs, want) || !slices.Equal(ours, want) {
			err = errors.Join(err, fmt.Errorf("Node lists %v, Go %v", theirs, ours))
		}
		return err
	}, "the workers %v are listed", want)
	board := string(r.board("get", "/api/queues/q/workers", map[string]any{}).Body)
	for _, name := range want {
		if !strings.Contains(board, name) {
			r.Errorf("the board does not show %s: %s", name, board)
		}
	}
	if shown := r.boardOf("waiting").HasWorkers; shown != (len(want) > 0) {
		r.Errorf("the board says that there are workers: %t, want %v: %s", shown, want, board)
	}
}

// metrics are those of one state as Node reads them.
type metrics struct {
	Meta struct{ Count, PrevTS, PrevCount int64 }
	Data []json.Number
}

func TestMetrics(t *testing.T) {
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

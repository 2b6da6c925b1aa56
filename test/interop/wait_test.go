package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"schoolbell/bullmq"
	"schoolbell/internal/testenv"
)

// told is how a wait for a job ended, as both languages say it.
type told struct {
	Value json.RawMessage `json:"value"`
	Error string          `json:"error"`
}

const nodeWaits = `return (await $.queue(args[0]).getJob(args[1])).waitUntilFinished(await $.events(args[0]), 60000)
	.then((value) => ({ value, error: '' }), (error) => ({ value: null, error: error.message }))`

// finishers are jobs that end in several ways.
const finishers = `async (job) => {
	if (job.name.startsWith('bad')) throw new Error('no paper');
	return { text: 'ready ✓', object: { pages: [3, 2.5] }, list: [], 'not kept': 7 }[job.name];
}`

func finishInGo(_ context.Context, job *bullmq.Job) (any, error) {
	switch job.Name {
	case "text":
		return "ready ✓", nil
	case "object":
		return map[string]any{"pages": []float64{3, 2.5}}, nil
	case "list":
		return []int{}, nil
	case "not kept":
		return 7, nil
	case "nothing":
		return nil, nil
	}
	return nil, errors.New("no paper")
}

// Go and Node wait for the same jobs, run by either, and get the same results, also when the
// jobs are not kept and when they have already finished.
func TestWaitUntilFinished(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		ids := []string{"text", "object", "nothing", "list", "bad", "bad twice", "not kept"}
		for _, language := range languages {
			name := r.unused()
			q := r.queue(name)
			for _, id := range ids {
				opts := bullmq.JobOptions{ID: id}
				if id == "bad twice" {
					opts.Attempts = 2
				}
				if id == "not kept" {
					opts.RemoveOnComplete = &bullmq.Keep{None: true}
				}
				r.add(q, id, nil, opts)
			}
			r.ok(r.rdb.ConfigResetStat(r.Context()).Err())
			ours, theirs := map[string]chan told{}, map[string]*call{}
			for _, id := range ids {
				end := make(chan told, 1)
				ours[id], theirs[id] = end, r.node.start(nodeWaits, name, id)
				go func() { end <- waitInGo(r.Context(), q, id) }()
			}
			r.scores(4 * len(ids)) // each has looked for each job in two sets
			if language == "go" {
				r.work(name, finishInGo, bullmq.WorkerOptions{})
			} else {
				r.node.do(nil, `await $.worker(args[0], `+finishers+`)`, name)
			}
			for _, id := range ids {
				var want, later told
				theirs[id].wait(&want)
				r.same(fmt.Sprintf("%s, run in %s", id, language), <-ours[id], want)
				if id != "not kept" {
					r.node.start(nodeWaits, name, id).wait(&later)
					r.same(fmt.Sprintf("%s, run in %s, asked afterwards", id, language), waitInGo(r.Context(), q, id), later)
				}
			}
			if _, err := q.WaitUntilFinished(r.Context(), "not kept"); !errors.Is(err, bullmq.ErrJobNotFound) {
				r.Errorf("a job that is gone: %v", err)
			}
		}
		r.node.quiet()
	})
}

func waitInGo(ctx context.Context, q *bullmq.Queue, id string) told {
	value, err := q.WaitUntilFinished(ctx, id)
	var failed *bullmq.JobFailedError
	switch {
	case errors.As(err, &failed):
		return told{Error: failed.Reason}
	case err != nil:
		return told{Error: "in Go: " + err.Error()}
	}
	return told{Value: value}
}

// scores waits until ZSCORE has been called so often.
func (r *rig) scores(n int) {
	r.Helper()
	testenv.Eventually(r.T, patience, func() error {
		stats, err := r.rdb.Info(r.Context(), "commandstats").Result()
		if err != nil {
			return err
		}
		_, after, _ := strings.Cut(stats, "cmdstat_zscore:calls=")
		calls, _, _ := strings.Cut(after, ",")
		if got, _ := strconv.Atoi(calls); got < n {
			return fmt.Errorf("it was called %d times", got)
		}
		return nil
	}, "ZSCORE was called %d times", n)
}

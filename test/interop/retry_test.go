package interop

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"schoolbell/bullmq"
	"schoolbell/internal/testenv"
)

// fives is the same strategy as in Node below: the base, and five times more each time.
func fives(attempt int, b bullmq.Backoff, _ error, _ *bullmq.Job) time.Duration {
	return b.Delay * time.Duration(math.Pow(5, float64(attempt-1)))
}

const nodeFives = `{ settings: { backoffStrategy: (attempt, type, error, job) => type === 'fives' ? job.opts.backoff.delay * 5 ** (attempt - 1) : -1 } }`

func TestRetry(t *testing.T) {
	t.Parallel()
	t.Run("attempt counts and waits are equal in both languages", testRetryInTurn)
	t.Run("a job without backoff is retried at once", testRetryWithoutBackoff)
	t.Run("a retried job does not overtake due jobs", testRetryBehindDueJobs)
	t.Run("an unknown strategy fails the job with a clear reason", testRetryUnknownStrategy)
}

func testRetryInTurn(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		for _, c := range []struct {
			name    string
			backoff bullmq.Backoff
			waits   [2][]time.Duration // shortest and longest before attempts 2, 3 and 4
		}{
			{"fixed", bullmq.Backoff{Type: "fixed", Delay: time.Hour}, [2][]time.Duration{{time.Hour, time.Hour, time.Hour}, {time.Hour, time.Hour, time.Hour}}},
			{"exponential", bullmq.Backoff{Type: "exponential", Delay: time.Hour}, [2][]time.Duration{{time.Hour, 2 * time.Hour, 4 * time.Hour}, {time.Hour, 2 * time.Hour, 4 * time.Hour}}},
			{"with jitter", bullmq.Backoff{Type: "fixed", Delay: time.Hour, Jitter: 0.5}, [2][]time.Duration{{30 * time.Minute, 30 * time.Minute, 30 * time.Minute}, {time.Hour, time.Hour, time.Hour}}},
			{"custom", bullmq.Backoff{Type: "fives", Delay: 5 * time.Second}, [2][]time.Duration{{5 * time.Second, 25 * time.Second, 125 * time.Second}, {5 * time.Second, 25 * time.Second, 125 * time.Second}}},
		} {
			for _, first := range []string{"go", "node"} {
				r.Run(c.name+", first in "+first, func(t *testing.T) {
					sub := r.within(t)
					failInTurns(sub, c.backoff, c.waits, first == "go")
				})
			}
		}
		r.node.quiet()
	})
}

// failInTurns has a job fail four times, by turns in Go and in Node, and looks at
// the wait each time.
func failInTurns(r *rig, backoff bullmq.Backoff, waits [2][]time.Duration, inGo bool) {
	r.Helper()
	name := r.unused()
	q := r.queue(name)
	id := r.add(q, "n", nil, bullmq.JobOptions{Attempts: 4, Backoff: &backoff})
	for attempt := 1; attempt <= 4; attempt, inGo = attempt+1, !inGo {
		failOnce(r, q, id, attempt, inGo)
		job, err := q.Job(r.Context(), id)
		r.ok(err)
		var theirs nodeJob
		r.node.do(&theirs, `return $.plain(await $.queue(args[0]).getJob(args[1]))`, name, id)
		sameJob(r, job, theirs)
		if job.AttemptsMade != attempt || len(job.StackTrace) != attempt || job.FailedReason != fmt.Sprint("attempt ", attempt) {
			r.Errorf("after attempt %d: %d made, %d traces, reason %q", attempt, job.AttemptsMade, len(job.StackTrace), job.FailedReason)
		}
		if attempt == 4 {
			break
		}
		if low, high := waits[0][attempt-1], waits[1][attempt-1]; job.Delay < low || job.Delay > high {
			r.Errorf("it waits %v before attempt %d, want %v to %v", job.Delay, attempt+1, low, high)
		}
		r.ok(q.Promote(r.Context(), id))
	}
	events, err := r.rdb.XRange(r.Context(), r.key(name, "events"), "-", "+").Result()
	r.ok(err)
	var told []string
	for _, e := range events {
		told = append(told, fmt.Sprint(e.Values["event"]))
	}
	try := "active delayed waiting "
	if got, want := strings.Join(told, " "), "added waiting "+try+try+try+"active failed retries-exhausted drained"; got != want {
		r.Errorf("events %s, want %s", got, want)
	}
}

// failOnce runs a worker in either language until the job has failed again.
func failOnce(r *rig, q *bullmq.Queue, id string, attempt int, inGo bool) {
	r.Helper()
	then := bullmq.StateDelayed
	if attempt == 4 {
		then = bullmq.StateFailed
	}
	if inGo {
		stop := r.work(q.Name(), func(context.Context, *bullmq.Job) (any, error) {
			return nil, fmt.Errorf("attempt %d", attempt)
		}, bullmq.WorkerOptions{Backoffs: map[string]bullmq.BackoffFunc{"fives": fives}})
		r.reaches(q, id, then)
		stop()
		return
	}
	r.node.do(nil, `await $.worker(args[0], async () => { throw new Error('attempt ' + args[1]) }, `+nodeFives+`)`, q.Name(), attempt)
	r.reaches(q, id, then)
	r.node.do(nil, `await $.close('worker ' + args[0])`, q.Name())
}

func testRetryWithoutBackoff(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		for _, first := range languages {
			q := r.queue(r.unused())
			r.node.do(nil, `await $.queue(args[0]).waitUntilReady()`, q.Name())
			id := r.add(q, "n", nil, bullmq.JobOptions{Attempts: 2})
			r.failAndPause(q, id, first)
			r.reaches(q, id, bullmq.StateWaiting)
			r.ok(q.Resume(r.Context()))
			r.failAndPause(q, id, other(first))
			r.reaches(q, id, bullmq.StateFailed)
			job, err := q.Job(r.Context(), id)
			r.ok(err)
			var theirs nodeJob
			r.node.do(&theirs, `return $.plain(await $.queue(args[0]).getJob(args[1]))`, q.Name(), id)
			sameJob(r, job, theirs)
			if job.AttemptsMade != 2 || len(job.StackTrace) != 2 || job.FailedReason != other(first) {
				r.Errorf("first in %s: %d attempts, %d traces, reason %q", first, job.AttemptsMade, len(job.StackTrace), job.FailedReason)
			}
			r.same("events", strings.Join(r.events(q.Name())[id], " "), "added waiting active waiting(prev active) active failed retries-exhausted")
		}
		r.node.quiet()
	})
}

// A job that is retried at once goes behind the delayed jobs that are due by then.
func testRetryBehindDueJobs(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		want := []string{"retried", "delayed-2", "delayed-3", "delayed-4", "retried"}
		for _, language := range languages {
			name := r.unused()
			q := r.queue(name)
			made := time.Now().Truncate(time.Millisecond)
			r.add(q, "n", nil, bullmq.JobOptions{ID: "retried", Attempts: 2})
			for _, id := range want[1:4] {
				r.add(q, "n", nil, bullmq.JobOptions{ID: id, Delay: 200 * time.Millisecond, Timestamp: made}) // due in the same millisecond
			}
			late := made.Add(250 * time.Millisecond)
			var got []string
			if language == "go" {
				rec := newRecorder(len(want))
				stop := r.work(name, func(ctx context.Context, job *bullmq.Job) (any, error) {
					result, err := rec.handle(ctx, job)
					if job.ID == "retried" && job.AttemptsMade == 0 {
						<-time.After(time.Until(late))
						err = errors.New("try again")
					}
					return result, err
				}, bullmq.WorkerOptions{})
				got = rec.first(r, len(want))
				stop()
			} else {
				r.node.do(&got, `const ran = [];
					await new Promise((done) => $.worker(args[0], async (job) => {
						if (ran.push(job.id) === args[1]) return done();
						if (job.id === 'retried') {
							await new Promise((due) => setTimeout(due, args[2] - Date.now()));
							throw new Error('try again');
						}
					}));
					await $.close('worker ' + args[0]);
					return ran`, name, len(want), late.UnixMilli())
			}
			r.same("order in "+language, got, want)
		}
		r.node.quiet()
	})
}

// failAndPause has a job fail in a language, which pauses the queue before, so that nobody
// takes the job at once.
func (r *rig) failAndPause(q *bullmq.Queue, id, language string) {
	r.Helper()
	failed := func() bool {
		job, err := q.Job(r.Context(), id)
		r.ok(err)
		return job.FailedReason == language
	}
	if language == "go" {
		stop := r.work(q.Name(), func(ctx context.Context, _ *bullmq.Job) (any, error) {
			return nil, errors.Join(q.Pause(ctx), errors.New("go"))
		}, bullmq.WorkerOptions{})
		testenv.Eventually(r.T, patience, failed, "the job has failed in Go")
		stop()
		return
	}
	r.node.do(nil, `await $.worker(args[0], async () => { await $.queue(args[0]).pause(); throw new Error('node') })`, q.Name())
	testenv.Eventually(r.T, patience, failed, "the job has failed in Node")
	r.node.do(nil, `await $.close('worker ' + args[0])`, q.Name())
}

func testRetryUnknownStrategy(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		q := r.queue("q")
		var id string
		r.node.do(&id, `return (await $.queue('q').add('n', {}, { attempts: 3, backoff: { type: 'moon phase', delay: 10 } })).id`)
		stop := r.work("q", func(context.Context, *bullmq.Job) (any, error) { return nil, errors.New("no paper") }, bullmq.WorkerOptions{})
		r.reaches(q, id, bullmq.StateFailed)
		stop()
		var theirs nodeJob
		r.node.do(&theirs, `return $.plain(await $.queue('q').getJob(args[0]))`, id)
		if !strings.Contains(theirs.FailedReason, "moon phase") || theirs.AttemptsMade != 1 {
			r.Errorf("it failed for %q after %d attempts; the reason must name the strategy", theirs.FailedReason, theirs.AttemptsMade)
		}
		r.node.quiet()
	})
}

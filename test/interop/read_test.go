package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"schoolbell/bullmq"
	"schoolbell/internal/testenv"
)

// everyState fills a queue from Go with at least one job in each state. Jobs hold
// their state until release is called.
func everyState(r *rig, q *bullmq.Queue) (release func()) {
	r.Helper()
	held, done := make(chan string, 1), make(chan struct{})
	stop := r.work(q.Name(), func(ctx context.Context, job *bullmq.Job) (any, error) {
		switch job.Name {
		case "complete":
			if err := job.UpdateProgress(ctx, map[string]int{"percent": 40}); err != nil {
				return nil, err
			}
			_, err := job.Log(ctx, "half way")
			if err == nil {
				_, err = job.Log(ctx, "nearly there")
			}
			return map[string]any{"sent": 3, "text": "déjà"}, err
		case "fail":
			return nil, errors.New("no such school")
		case "parent":
			if _, err := q.Add(ctx, "child", nil, bullmq.JobOptions{ID: "child", Delay: time.Hour, Parent: &bullmq.ParentRef{ID: job.ID, Queue: q.QualifiedName()}}); err != nil {
				return nil, err
			}
			return nil, bullmq.WaitForChildren()
		case "hold":
			held <- job.ID
			<-done
		}
		return nil, nil
	}, bullmq.WorkerOptions{Name: "go"})
	add := func(name string, opts bullmq.JobOptions) string {
		return r.add(q, name, map[string]string{"name": name}, opts)
	}
	for range 3 {
		r.reaches(q, add("complete", bullmq.JobOptions{}), bullmq.StateCompleted)
	}
	r.reaches(q, add("fail", bullmq.JobOptions{ID: "failed-one"}), bullmq.StateFailed)
	r.reaches(q, add("fail", bullmq.JobOptions{Attempts: 2}), bullmq.StateFailed)
	r.reaches(q, add("parent", bullmq.JobOptions{}), bullmq.StateWaitingChildren)
	add("hold", bullmq.JobOptions{ID: "active-one"})
	<-held
	for i := range 4 {
		add("wait", bullmq.JobOptions{ID: fmt.Sprint("waiting-", i)})
	}
	for i, p := range []int{7, 1, 7, bullmq.MaxPriority} {
		add("wait", bullmq.JobOptions{ID: fmt.Sprint("prioritized-", i), Priority: p})
	}
	add("late", bullmq.JobOptions{ID: "delayed-one", Delay: 2 * time.Hour, Attempts: 2})
	return func() { close(done); stop() }
}

// nodeStates are the states in which a job can be, in Node's words.
var nodeStates = []string{"waiting", "active", "delayed", "prioritized", "waiting-children", "completed", "failed"}

func TestReadInNode(t *testing.T) {
	t.Parallel()
	t.Run("jobs of all states are the same as in Go", testReadInNodeJobs)
	t.Run("events arrive for everything that Go does", testReadInNodeEvents)
	t.Run("results of jobs that Go runs can be awaited", testReadInNodeResults)
}

func testReadInNodeJobs(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		q := r.queue("q")
		release := everyState(r, q)
		defer release()
		counts, err := q.Counts(r.Context())
		r.ok(err)
		var nodeCounts map[string]int64
		r.node.do(&nodeCounts, `return $.queue('q').getJobCounts(...args[0])`, nodeStates)
		delete(nodeCounts, "paused") // which BullMQ 5 always adds
		r.same("counts", counts, nodeCounts)
		for _, state := range nodeStates {
			if counts[bullmq.State(state)] == 0 {
				r.Errorf("no job is %s: the test would show nothing", state)
			}
			sameJobs(r, q, state)
		}
		var perPriority map[string]int64
		r.node.do(&perPriority, `return $.queue('q').getCountsPerPriority([0, 1, 7, 2097151, 5])`)
		r.same("counts per priority", perPriority, map[string]int64{"0": 4, "1": 1, "7": 2, "2097151": 1, "5": 0})
		ours, err := q.CountsPerPriority(r.Context(), 0, 1, 7, bullmq.MaxPriority, 5)
		r.ok(err)
		r.same("counts per priority in Go", ours, perPriority)
		var logs struct {
			Logs  []string
			Count int64
		}
		lines, n, err := q.Logs(r.Context(), "1", bullmq.LogsOptions{})
		r.ok(err)
		r.node.do(&logs, `return $.queue('q').getJobLogs('1')`)
		r.same("logs", logs.Logs, lines)
		if logs.Count != n || n != 2 {
			r.Errorf("log lines: Node %d, Go %d, want 2", logs.Count, n)
		}
		r.node.quiet()
	})
}

// sameJobs reads all jobs of a state from both sides, in both orders.
func sameJobs(r *rig, q *bullmq.Queue, state string) {
	r.Helper()
	for _, asc := range []bool{true, false} {
		var theirs []nodeJob
		r.node.do(&theirs, `return (await $.queue('q').getJobs([args[0]], 0, -1, args[1])).map($.plain)`, state, asc)
		ours, err := q.Jobs(r.Context(), bullmq.JobsOptions{States: []bullmq.State{bullmq.State(state)}, OldestFirst: asc})
		r.ok(err)
		if len(ours) != len(theirs) {
			r.Errorf("%s: Go reads %d jobs, Node %d", state, len(ours), len(theirs))
			continue
		}
		for i, job := range ours {
			sameJob(r, job, theirs[i])
			var nodeState string
			r.node.do(&nodeState, `return (await $.queue('q').getJob(args[0])).getState()`, job.ID)
			goState, err := q.State(r.Context(), job.ID)
			r.ok(err)
			if nodeState != state || string(goState) != state {
				r.Errorf("job %s of %s: Node says %s, Go %s", job.ID, state, nodeState, goState)
			}
		}
	}
}

// sameJob compares what Go and Node read of a job.
func sameJob(r *rig, ours *bullmq.Job, theirs nodeJob) {
	r.Helper()
	ms := func(t time.Time) int64 {
		if t.IsZero() {
			return 0
		}
		return t.UnixMilli()
	}
	orElse := func(raw json.RawMessage, other string) json.RawMessage {
		if raw == nil {
			return json.RawMessage(other)
		}
		return raw
	}
	stacks := ours.StackTrace
	if stacks == nil {
		stacks = []string{}
	}
	got := nodeJob{ID: ours.ID, Name: ours.Name, Data: ours.Data, Progress: orElse(ours.Progress, "0"), ReturnValue: orElse(ours.ReturnValue, "null"),
		FailedReason: ours.FailedReason, StackTrace: stacks, Delay: ours.Delay.Milliseconds(), Priority: int64(ours.Priority),
		AttemptsMade: ours.AttemptsMade, AttemptsStarted: ours.AttemptsStarted, StalledCounter: ours.StalledCount,
		Timestamp: ms(ours.Timestamp), ProcessedOn: ms(ours.ProcessedOn), FinishedOn: ms(ours.FinishedOn),
		ProcessedBy: ours.ProcessedBy, ParentKey: ours.ParentKey}
	if got.Timestamp == 0 {
		r.Errorf("job %s has no timestamp", ours.ID)
	}
	theirs.Opts = nil // their own tests compare options
	r.same("job "+ours.ID, got, theirs)
}

func testReadInNodeEvents(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		q := r.queue("q")
		r.node.do(nil, `await $.events('q')`)
		ok := r.add(q, "ok", nil, bullmq.JobOptions{})
		bad := r.add(q, "bad", nil, bullmq.JobOptions{Attempts: 2})
		later := r.add(q, "later", nil, bullmq.JobOptions{Delay: time.Hour})
		stop := r.work("q", func(ctx context.Context, job *bullmq.Job) (any, error) {
			if job.Name == "bad" {
				return nil, errors.New("déjà \"quoted\"")
			}
			for _, progress := range []any{42, map[string]any{"done": []int{1, 2}}, "text"} {
				if err := job.UpdateProgress(ctx, progress); err != nil {
					return nil, err
				}
			}
			return map[string]string{"text": "ü"}, nil
		}, bullmq.WorkerOptions{})
		r.reaches(q, ok, bullmq.StateCompleted)
		r.reaches(q, bad, bullmq.StateFailed)
		r.ok(q.Promote(r.Context(), later))
		r.reaches(q, later, bullmq.StateCompleted)
		stop()
		r.ok(q.Remove(r.Context(), ok, bullmq.RemoveOptions{}))
		r.ok(q.Pause(r.Context()))
		r.ok(q.Resume(r.Context()))
		last := r.add(q, "last", nil, bullmq.JobOptions{}) // the consumer is still running
		testenv.Eventually(r.T, patience, func() (heard bool) {
			r.node.do(&heard, `return $.state.seen.some(({ event, jobId }) => event === 'waiting' && jobId === args[0])`, last)
			return heard
		}, "Node hears of job %s", last)
		of := func(id string) (events []json.RawMessage) {
			r.node.do(&events, `return $.state.seen.filter(({ jobId }) => jobId === args[0]).map(({ jobId, ...rest }) => rest)`, id)
			return events
		}
		added := func(name string) string { return fmt.Sprintf(`{"event":"added","name":%q}`, name) }
		r.same("events of the job that completed", of(ok), list(added("ok"), `{"event":"waiting"}`, `{"event":"active","prev":"waiting"}`,
			`{"event":"progress","data":42}`, `{"event":"progress","data":{"done":[1,2]}}`, `{"event":"progress","data":"text"}`,
			`{"event":"completed","returnvalue":{"text":"ü"},"prev":"active"}`, `{"event":"removed","prev":"completed"}`))
		r.same("events of the job that failed", of(bad), list(added("bad"), `{"event":"waiting"}`, `{"event":"active","prev":"waiting"}`,
			`{"event":"waiting","prev":"active"}`, `{"event":"active","prev":"waiting"}`,
			`{"event":"failed","failedReason":"déjà \"quoted\"","prev":"active"}`, `{"event":"retries-exhausted","attemptsMade":"2"}`))
		var own []string
		r.node.do(&own, `return $.state.seen.filter(({ jobId }) => jobId === undefined).map(({ event }) => event)`)
		r.same("events of the queue", own, []string{"drained", "paused", "resumed"})
		r.node.quiet()
	})
}

// list is a list of JSON values.
func list(values ...string) []json.RawMessage {
	out := make([]json.RawMessage, len(values))
	for i, v := range values {
		out[i] = json.RawMessage(v)
	}
	return out
}

func testReadInNodeResults(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		begin := make(chan struct{})
		r.work("q", func(_ context.Context, job *bullmq.Job) (any, error) {
			<-begin
			if job.Name == "bad" {
				return nil, errors.New("out of paper")
			}
			return map[string]int{"pages": 3}, nil
		}, bullmq.WorkerOptions{Concurrency: 2})
		const add = `const events = await $.events('q'); const job = await $.queue('q').add(args[0], {}); `
		ok := r.node.start(add+`return job.waitUntilFinished(events, 60000)`, "ok")
		bad := r.node.start(add+`return job.waitUntilFinished(events, 60000)`, "bad")
		close(begin)
		var value json.RawMessage
		ok.wait(&value)
		r.same("the value", value, map[string]int{"pages": 3})
		var thrown *nodeError
		if err := bad.result(nil); !errors.As(err, &thrown) || thrown.Message != "out of paper" {
			r.Errorf("Node got %v, want the reason of the failure", err)
		}
		// One that has finished before anybody asks.
		r.node.do(&value, `const job = await $.queue('q').getJob('1'); return job.waitUntilFinished(await $.events('q'), 60000).catch((error) => error.message)`)
		if s := canonical(r.T, value); s != `{"pages":3}` && s != `"out of paper"` {
			r.Errorf("asked afterwards, Node got %s", s)
		}
		r.node.quiet()
	})
}

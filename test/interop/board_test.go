package interop

import (
	"encoding/json"
	"testing"

	"schoolbell/bullmq"
)

// boardAnswer is what a route of Bull Board answered.
type boardAnswer struct {
	Status int
	Body   json.RawMessage
}

// boardQueue is a queue as Bull Board shows it.
type boardQueue struct {
	Name       string
	Counts     map[string]int64
	Jobs       []boardJob
	IsPaused   bool
	HasWorkers bool
}

type boardJob struct {
	ID, Name, FailedReason, ProcessedBy string
	IsFailed                            bool
}

// board calls a route of Bull Board on queue q and wants a good answer.
func (r *rig) board(method, path string, options any) boardAnswer {
	r.Helper()
	var answer boardAnswer
	r.node.do(&answer, `$.state.board ??= $.board('q'); return $.state.board(...args)`, method, path, options)
	if answer.Status != 200 && answer.Status != 204 {
		r.Errorf("%s %s: status %d %s", method, path, answer.Status, answer.Body)
	}
	return answer
}

// boardOf is the board's view of queue q with the jobs of one state.
func (r *rig) boardOf(state string) boardQueue {
	r.Helper()
	answer := r.board("get", "/api/queues", map[string]any{"query": map[string]any{"activeQueue": "q", "status": state, "page": "1", "jobsPerPage": "50"}})
	var page struct{ Queues []boardQueue }
	r.ok(json.Unmarshal(answer.Body, &page))
	if len(page.Queues) != 1 {
		r.Fatalf("the board shows %s", answer.Body)
	}
	return page.Queues[0]
}

func TestBullBoard(t *testing.T) {
	t.Parallel()
	t.Run("jobs from Go are shown", testBullBoardShowsJobs)
	t.Run("actions change jobs from Go", testBullBoardActions)
}

func testBullBoardShowsJobs(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		q := r.queue("q")
		release := everyState(r, q)
		defer release()
		counts, err := q.Counts(r.Context())
		r.ok(err)
		for _, state := range nodeStates {
			shown := r.boardOf(state)
			if len(shown.Jobs) != int(counts[bullmq.State(state)]) || shown.Counts[state] != counts[bullmq.State(state)] {
				r.Errorf("%s: the board lists %d jobs and counts %d, Go counts %d", state, len(shown.Jobs), shown.Counts[state], counts[bullmq.State(state)])
			}
			if !shown.HasWorkers || shown.IsPaused {
				r.Errorf("the board says workers %t, paused %t", shown.HasWorkers, shown.IsPaused)
			}
			for _, job := range shown.Jobs {
				if job.IsFailed != (state == "failed") {
					r.Errorf("the board shows %s job %s as failed: %t", state, job.ID, job.IsFailed)
				}
			}
		}
		for _, path := range []string{"/api/queues/q/1", "/api/queues/q/1/logs", "/api/queues/q/failed-one", "/api/queues/q/1/flow", "/api/queues/q/workers", "/api/queues/q/metrics", "/api/queues/q/rate-limit", "/api/redis/stats"} {
			r.board("get", path, map[string]any{})
		}
		var logs []string
		r.ok(json.Unmarshal(r.board("get", "/api/queues/q/1/logs", map[string]any{}).Body, &logs))
		r.same("the log", logs, []string{"half way", "nearly there"})
		r.node.quiet()
	})
}

func testBullBoardActions(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		q := r.queue("q")
		release := everyState(r, q)
		defer release()
		in := func(id string, want bullmq.State) {
			r.Helper()
			state, err := q.State(r.Context(), id)
			r.ok(err)
			if state != want {
				r.Errorf("job %s is %s, want %s", id, state, want)
			}
		}
		r.board("put", "/api/queues/q/pause", map[string]any{})
		paused, err := q.IsPaused(r.Context())
		r.ok(err)
		if !paused || !r.boardOf("waiting").IsPaused {
			r.Error("the board's pause is not seen")
		}
		r.board("put", "/api/queues/q/failed-one/retry", map[string]any{})
		in("failed-one", bullmq.StateWaiting)
		r.board("put", "/api/queues/q/delayed-one/promote", map[string]any{})
		in("delayed-one", bullmq.StateWaiting)
		r.board("put", "/api/queues/q/waiting-0/clean", map[string]any{})
		in("waiting-0", bullmq.StateUnknown)
		r.board("patch", "/api/queues/q/prioritized-0/priority", map[string]any{"body": map[string]any{"priority": 2}})
		r.board("patch", "/api/queues/q/child/delay", map[string]any{"body": map[string]any{"runAt": 0}})
		r.board("patch", "/api/queues/q/waiting-1/update-data", map[string]any{"body": map[string]any{"jobData": map[string]any{"name": "new"}}})
		job, err := q.Job(r.Context(), "prioritized-0")
		r.ok(err)
		if job.Priority != 2 {
			r.Errorf("priority %d after the board changed it to 2", job.Priority)
		}
		job, err = q.Job(r.Context(), "child")
		r.ok(err)
		if job.Delay != 0 {
			r.Errorf("delay %v after the board took it away", job.Delay)
		}
		job, err = q.Job(r.Context(), "waiting-1")
		r.ok(err)
		r.same("data that the board changed", job.Data, map[string]string{"name": "new"})
		r.board("put", "/api/queues/q/retry/completed", map[string]any{})
		r.board("put", "/api/queues/q/retry/failed", map[string]any{})
		counts, err := q.Counts(r.Context(), bullmq.StateCompleted, bullmq.StateFailed)
		r.ok(err)
		if counts[bullmq.StateCompleted] != 0 || counts[bullmq.StateFailed] != 0 {
			r.Errorf("%v after the board retried them", counts)
		}
		r.board("put", "/api/queues/q/empty", map[string]any{})
		if left := waiting(r, "q"); len(left) > 1 { // a delayed one may stay
			r.Errorf("%v wait after the board emptied the queue", left)
		}
		r.board("put", "/api/queues/q/resume", map[string]any{})
		r.node.quiet()
	})
}

package bullmq_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"schoolbell/bullmq"
	"schoolbell/bullmq/testproc"
)

// put makes a job of the given id and state, as real runs would leave it.
func put(t *testing.T, s *server, q *bullmq.Queue, id string, state bullmq.State) {
	t.Helper()
	ctx := context.Background()
	opts := bullmq.JobOptions{ID: id}
	switch state {
	case bullmq.StateDelayed:
		opts.Delay = time.Hour
	case bullmq.StatePrioritized:
		opts.Priority = 3
	}
	must[*bullmq.Job](t)(q.Add(ctx, "n", nil, opts))
	switch state {
	case bullmq.StateActive:
		s.rdb.LRem(ctx, "bull:q:wait", 1, id)
		s.rdb.LPush(ctx, "bull:q:active", id)
	case bullmq.StateCompleted, bullmq.StateFailed:
		s.rdb.LRem(ctx, "bull:q:wait", 1, id)
		s.rdb.ZAdd(ctx, "bull:q:"+string(state), zed(float64(time.Now().Add(-time.Minute).UnixMilli()), id))
		s.rdb.HSet(ctx, "bull:q:"+id, "finishedOn", 1, "processedOn", 1, "atm", 2, "ats", 2, "failedReason", "r")
	case bullmq.StateWaitingChildren:
		s.rdb.LRem(ctx, "bull:q:wait", 1, id)
		s.rdb.ZAdd(ctx, "bull:q:waiting-children", zed(1, id))
	case bullmq.StatePaused:
		s.rdb.LRem(ctx, "bull:q:wait", 1, id)
		s.rdb.LPush(ctx, "bull:q:paused", id)
	}
}

var states = []bullmq.State{
	bullmq.StateWaiting, bullmq.StatePaused, bullmq.StateActive, bullmq.StateDelayed, bullmq.StatePrioritized,
	bullmq.StateWaitingChildren, bullmq.StateCompleted, bullmq.StateFailed,
}

// TestMoveTable holds DESIGN.md's table.
func TestMoveTable(t *testing.T) {
	ctx := context.Background()
	const refused = bullmq.StateUnknown
	moves := []struct {
		name string
		do   func(q *bullmq.Queue) error
		code bullmq.Code                   // of the refusal
		to   map[bullmq.State]bullmq.State // where the move is allowed
	}{
		{"retry", func(q *bullmq.Queue) error { return q.Retry(ctx, "x", bullmq.RetryOptions{}) }, bullmq.CodeNotInState,
			map[bullmq.State]bullmq.State{bullmq.StateFailed: bullmq.StateWaiting}},
		{"retry what completed", func(q *bullmq.Queue) error {
			return q.Retry(ctx, "x", bullmq.RetryOptions{From: bullmq.StateCompleted})
		}, bullmq.CodeNotInState, map[bullmq.State]bullmq.State{bullmq.StateCompleted: bullmq.StateWaiting}},
		{"promote", func(q *bullmq.Queue) error { return q.Promote(ctx, "x") }, bullmq.CodeNotInState,
			map[bullmq.State]bullmq.State{bullmq.StateDelayed: bullmq.StateWaiting}},
		{"change delay", func(q *bullmq.Queue) error {
			j, err := q.Job(ctx, "x")
			if err != nil {
				return err
			}
			return j.ChangeDelay(ctx, time.Minute)
		}, bullmq.CodeNotInState, map[bullmq.State]bullmq.State{bullmq.StateDelayed: bullmq.StateDelayed}},
		{"prioritize", func(q *bullmq.Queue) error {
			j, err := q.Job(ctx, "x")
			if err != nil {
				return err
			}
			return j.ChangePriority(ctx, 9, bullmq.PriorityOptions{})
		}, 0, map[bullmq.State]bullmq.State{
			bullmq.StateWaiting: bullmq.StatePrioritized, bullmq.StatePaused: bullmq.StatePrioritized, bullmq.StatePrioritized: bullmq.StatePrioritized,
			bullmq.StateActive: bullmq.StateActive, bullmq.StateDelayed: bullmq.StateDelayed, bullmq.StateWaitingChildren: bullmq.StateWaitingChildren,
			bullmq.StateCompleted: bullmq.StateCompleted, bullmq.StateFailed: bullmq.StateFailed,
		}},
		{"bulk retry", func(q *bullmq.Queue) error { return q.RetryJobs(ctx, bullmq.StateFailed, time.Time{}) }, 0,
			map[bullmq.State]bullmq.State{bullmq.StateFailed: bullmq.StateWaiting}},
		{"bulk promote", func(q *bullmq.Queue) error { return q.PromoteJobs(ctx) }, 0,
			map[bullmq.State]bullmq.State{bullmq.StateDelayed: bullmq.StateWaiting}},
		{"remove", func(q *bullmq.Queue) error { return q.Remove(ctx, "x", bullmq.RemoveOptions{}) }, 0,
			map[bullmq.State]bullmq.State{
				bullmq.StateWaiting: refused, bullmq.StatePaused: refused, bullmq.StateActive: refused, bullmq.StateDelayed: refused,
				bullmq.StatePrioritized: refused, bullmq.StateWaitingChildren: refused, bullmq.StateCompleted: refused, bullmq.StateFailed: refused,
			}},
		{"drain", func(q *bullmq.Queue) error { return q.Drain(ctx, bullmq.DrainOptions{Delayed: true}) }, 0,
			map[bullmq.State]bullmq.State{
				bullmq.StateWaiting: refused, bullmq.StatePaused: refused, bullmq.StateDelayed: refused, bullmq.StatePrioritized: refused,
			}},
	}
	onServers(t, func(t *testing.T, s *server) {
		for _, move := range moves {
			for _, from := range states {
				ok(t, s.rdb.FlushAll(ctx).Err())
				q := newQueue(t, s.rdb, bullmq.QueueOptions{})
				put(t, s, q, "x", from)
				err := move.do(q)
				to, allowed := move.to[from]
				if !allowed {
					to = from
					if from == bullmq.StatePaused {
						to = bullmq.StateWaiting
					}
					var refusal *bullmq.ScriptError
					if move.code != 0 && (!errors.As(err, &refusal) || refusal.Code != move.code) {
						t.Errorf("%s from %s: got %v, want code %d", move.name, from, err, move.code)
					}
				} else if err != nil {
					t.Errorf("%s from %s: %v", move.name, from, err)
				}
				if got := must[bullmq.State](t)(q.State(ctx, "x")); got != to {
					t.Errorf("%s from %s leads to %s, want %s", move.name, from, got, to)
				}
				if n := len(placesOf(s, "x")); (to == refused && n != 0) || (to != refused && n != 1) {
					t.Errorf("%s from %s: the id is in %v", move.name, from, placesOf(s, "x"))
				}
				if to == refused && s.rdb.Exists(ctx, "bull:q:x").Val() != 0 {
					t.Errorf("%s from %s leaves the hash", move.name, from)
				}
			}
		}
	})
}

// placesOf lists all lists and sets that hold an id.
func placesOf(s *server, id string) []string {
	ctx := context.Background()
	var in []string
	for _, list := range []string{"wait", "paused", "active"} {
		if slices.Contains(s.rdb.LRange(ctx, "bull:q:"+list, 0, -1).Val(), id) {
			in = append(in, list)
		}
	}
	for _, set := range []string{"delayed", "prioritized", "waiting-children", "completed", "failed"} {
		if slices.Contains(s.rdb.ZRange(ctx, "bull:q:"+set, 0, -1).Val(), id) {
			in = append(in, set)
		}
	}
	return in
}

func TestUnknownIDs(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		if _, err := q.Job(ctx, "x"); !errors.Is(err, bullmq.ErrJobNotFound) {
			t.Errorf("Job: %v", err)
		}
		if err := q.Retry(ctx, "x", bullmq.RetryOptions{}); !errors.Is(err, bullmq.ErrJobNotFound) {
			t.Errorf("Retry: %v", err)
		}
		if err := q.Promote(ctx, "x"); !errors.Is(err, bullmq.ErrJobNotFound) {
			t.Errorf("Promote: %v", err)
		}
		ok(t, q.Remove(ctx, "x", bullmq.RemoveOptions{}))
		if got := must[bullmq.State](t)(q.State(ctx, "x")); got != bullmq.StateUnknown {
			t.Errorf("State: %s", got)
		}
		if _, err := q.Counts(ctx, "nonsense"); !errors.Is(err, bullmq.ErrInvalid) {
			t.Errorf("Counts: %v", err)
		}
	})
}

func TestRetryAttempts(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		for _, opts := range []bullmq.RetryOptions{
			{}, {ResetAttemptsMade: true}, {ResetAttemptsStarted: true},
			{From: bullmq.StateFailed, ResetAttemptsMade: true, ResetAttemptsStarted: true},
		} {
			id := fmt.Sprintf("x%t%t", opts.ResetAttemptsMade, opts.ResetAttemptsStarted)
			put(t, s, q, id, bullmq.StateFailed)
			s.rdb.HSet(ctx, "bull:q:"+id, "atm", 2, "ats", 3)
			ok(t, q.Retry(ctx, id, opts))
			job := must[*bullmq.Job](t)(q.Job(ctx, id))
			if (job.AttemptsMade == 0) != opts.ResetAttemptsMade || (job.AttemptsStarted == 0) != opts.ResetAttemptsStarted ||
				job.FailedReason != "" || !job.FinishedOn.IsZero() || !job.ProcessedOn.IsZero() {
				t.Errorf("%+v: %+v", opts, job)
			}
		}
		if err := q.Retry(ctx, "x", bullmq.RetryOptions{From: bullmq.StateDelayed}); !errors.Is(err, bullmq.ErrInvalid) {
			t.Errorf("from delayed: %v", err)
		}
	})
}

func TestNegativeLimits(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		job := must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{}))
		if err := job.ClearLogs(ctx, -1); !errors.Is(err, bullmq.ErrInvalid) {
			t.Errorf("ClearLogs: %v", err)
		}
		if _, err := q.TrimEvents(ctx, -1); !errors.Is(err, bullmq.ErrInvalid) {
			t.Errorf("TrimEvents: %v", err)
		}
	})
}

func TestCountsAndLogs(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		for _, state := range states {
			put(t, s, q, "a-"+string(state), state)
			put(t, s, q, "b-"+string(state), state)
		}
		want := map[bullmq.State]int64{}
		for _, state := range states {
			want[state] = 2
		}
		delete(want, bullmq.StatePaused)
		want[bullmq.StateWaiting] = 4
		if d := cmp.Diff(want, must[map[bullmq.State]int64](t)(q.Counts(ctx))); d != "" {
			t.Error(d)
		}
		for _, state := range states {
			for _, asc := range []bool{true, false} {
				var ids []string
				for _, job := range must[[]*bullmq.Job](t)(q.Jobs(ctx, bullmq.JobsOptions{States: []bullmq.State{state}, Limit: 1, OldestFirst: asc})) {
					ids = append(ids, job.ID)
				}
				first := map[bool]string{true: "a-", false: "b-"}[asc] + string(state)
				if !slices.Contains(ids, first) {
					t.Errorf("%s, asc %v: first is %v, want %s", state, asc, ids, first)
				}
			}
		}
		if all := must[[]*bullmq.Job](t)(q.Jobs(ctx, bullmq.JobsOptions{})); len(all) != 16 {
			t.Errorf("%d jobs, want 16", len(all))
		}
		job := must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{KeepLogs: 3}))
		for i := range 5 {
			if n, err := job.Log(ctx, fmt.Sprint(i)); err != nil || n != int64(min(i+1, 3)) {
				t.Errorf("Log: %d, %v", n, err)
			}
		}
		lines, n, err := q.Logs(ctx, job.ID, bullmq.LogsOptions{Limit: 2})
		if d := cmp.Diff([]string{"2", "3"}, lines); d != "" || n != 3 || err != nil {
			t.Errorf("oldest first: %v %d %v", lines, n, err)
		}
		lines, _, _ = q.Logs(ctx, job.ID, bullmq.LogsOptions{Limit: 2, NewestFirst: true})
		if d := cmp.Diff([]string{"4", "3"}, lines); d != "" {
			t.Errorf("newest first: %v", lines)
		}
	})
}

func TestBulkRemoval(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		for i := range 5 {
			put(t, s, q, fmt.Sprint("c", i), bullmq.StateCompleted)
			put(t, s, q, fmt.Sprint("w", i), bullmq.StateWaiting)
		}
		put(t, s, q, "a0", bullmq.StateActive)
		put(t, s, q, "a1", bullmq.StateActive)
		s.rdb.Set(ctx, "bull:q:a1:lock", "held", 0)
		if ids := must[[]string](t)(q.Clean(ctx, bullmq.StateCompleted, time.Hour, 0)); len(ids) != 0 {
			t.Errorf("too young, yet removed: %v", ids)
		}
		if ids := must[[]string](t)(q.Clean(ctx, bullmq.StateCompleted, time.Second, 2)); len(ids) != 2 {
			t.Errorf("limit 2 removed %v", ids)
		}
		if ids := must[[]string](t)(q.Clean(ctx, bullmq.StateCompleted, 0, 0)); len(ids) != 3 {
			t.Errorf("the rest: %v", ids)
		}
		if d := cmp.Diff([]string{"a0"}, must[[]string](t)(q.Clean(ctx, bullmq.StateActive, 0, 0))); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff([]string{"w0", "w1"}, must[[]string](t)(q.Clean(ctx, bullmq.StateWaiting, 0, 2))); d != "" {
			t.Error(d)
		}
		ok(t, q.Drain(ctx, bullmq.DrainOptions{}))
		if n := must[map[bullmq.State]int64](t)(q.Counts(ctx))[bullmq.StateWaiting]; n != 0 {
			t.Errorf("%d wait after a drain", n)
		}
		if err := q.Obliterate(ctx, bullmq.ObliterateOptions{}); !errors.Is(err, bullmq.ErrQueueActive) {
			t.Errorf("obliterate with a job being run: %v", err)
		}
		put(t, s, q, "d", bullmq.StateDelayed)
		ok(t, q.Obliterate(ctx, bullmq.ObliterateOptions{Force: true}))
		if left := s.rdb.Keys(ctx, "bull:q:*").Val(); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
	})
}

func TestReadEvents(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		must[*bullmq.Job](t)(q.Add(ctx, "before", nil, bullmq.JobOptions{ID: "a"}))
		ready := make(chan struct{})
		events := make(chan bullmq.Event, 100)
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			for e, err := range q.Events(ctx, bullmq.EventsOptions{Ready: func() { close(ready) }}) {
				if err != nil {
					t.Error(err)
					return
				}
				events <- e
			}
		}()
		<-ready
		job := must[*bullmq.Job](t)(q.Add(ctx, "after", nil, bullmq.JobOptions{ID: "b"}))
		ok(t, job.UpdateProgress(ctx, map[string]int{"pct": 5}))
		added, waiting, progress := <-events, <-events, <-events
		if added.Name != "added" || added.JobID != "b" || added.Fields["name"] != "after" || waiting.Name != "waiting" ||
			progress.Fields["data"] != `{"pct":5}` {
			t.Errorf("%+v %+v %+v", added, waiting, progress)
		}
		cancel()
		<-stopped
		var resumed []string
		for e, err := range q.Events(context.Background(), bullmq.EventsOptions{After: added.ID}) {
			ok(t, err)
			if resumed = append(resumed, e.Name); len(resumed) == 2 {
				break
			}
		}
		if d := cmp.Diff([]string{"waiting", "progress"}, resumed); d != "" {
			t.Error(d)
		}
	})
}

func TestRateLimitCalls(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		if ttl := must[time.Duration](t)(q.RateLimitTTL(ctx, bullmq.RateLimitTTLOptions{})); ttl != 0 {
			t.Errorf("no limit, yet %v", ttl)
		}
		ok(t, q.RateLimit(ctx, time.Hour))
		if ttl := must[time.Duration](t)(q.RateLimitTTL(ctx, bullmq.RateLimitTTLOptions{})); ttl < 59*time.Minute || ttl > time.Hour {
			t.Errorf("limit of an hour: %v", ttl)
		}
		ok(t, q.ClearRateLimit(ctx))
		ok(t, q.SetGlobalRateLimit(ctx, 5, time.Second))
		if got := s.rdb.HMGet(ctx, "bull:q:meta", "max", "duration").Val(); fmt.Sprint(got) != "[5 1000]" {
			t.Errorf("meta %v", got)
		}
		ok(t, q.SetGlobalRateLimit(ctx, 0, 0))
		if err := q.RateLimit(ctx, 0); !errors.Is(err, bullmq.ErrInvalid) {
			t.Errorf("limit of no time: %v", err)
		}
		testproc.Eventually(t, wait, func() bool { return s.rdb.HExists(ctx, "bull:q:meta", "max").Val() == false }, "removed")
	})
}

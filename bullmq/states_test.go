package bullmq_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"schoolbell/bullmq"
)

func TestStates(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, s *server) {
		q, ctx := newQueue(t, s.rdb, bullmq.QueueOptions{}), context.Background()
		w := newFetcher(t, s, bullmq.WorkerOptions{LockDuration: time.Hour})
		for _, ended := range []error{nil, bullmq.Unrecoverable(errors.New("no"))} {
			id := bullmq.StateCompleted
			if ended != nil {
				id = bullmq.StateFailed
			}
			must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "x-" + string(id)}))
			job := must[*bullmq.Job](t)(w.Fetch(ctx, ""))
			ok(t, w.Settle(ctx, job, "", nil, ended))
		}
		must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "x-active"}))
		must[*bullmq.Job](t)(w.Fetch(ctx, ""))
		for id, o := range map[string]bullmq.JobOptions{"delayed": {Delay: time.Hour}, "prioritized": {Priority: 3}, "waiting": {}} {
			o.ID = "x-" + id
			must[*bullmq.Job](t)(q.Add(ctx, "n", nil, o))
		}
		ok(t, s.rdb.LPush(ctx, "bull:q:paused", "x-paused").Err())
		ok(t, s.rdb.ZAdd(ctx, "bull:q:waiting-children", zed(1, "x-waiting-children")).Err())
		states := []string{"waiting", "nobody", "prioritized", "failed", "delayed", "waiting", "active", "paused", "completed", "waiting-children"}
		ids, want := make([]string, len(states)), make([]bullmq.State, len(states))
		for i, state := range states {
			ids[i], want[i] = "x-"+state, bullmq.State(state)
		}
		want[1], want[7] = bullmq.StateUnknown, bullmq.StateWaiting
		if d := cmp.Diff(want, must[[]bullmq.State](t)(q.States(ctx, ids...))); d != "" {
			t.Error(d)
		}
		if none := must[[]bullmq.State](t)(q.States(ctx)); len(none) != 0 {
			t.Errorf("the states of no jobs are %v", none)
		}
		if _, err := q.States(ctx, make([]string, 1001)...); !errors.Is(err, bullmq.ErrInvalid) {
			t.Errorf("the states of 1001 jobs: %v", err)
		}
	})
}

func TestRestricted(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, s *server) {
		q, ctx := newQueue(t, s.rdb, bullmq.QueueOptions{}), context.Background()
		restricted := func(when string, want bool) {
			t.Helper()
			if got := must[bool](t)(q.IsRestricted(ctx)); got != want {
				t.Errorf("%s: restricted %v, want %v", when, got, want)
			}
		}
		restricted("a queue without a key", false)
		must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{}))
		restricted("a queue with a job", false)
		for _, r := range []struct {
			when     string
			set, end func() error
		}{
			{"paused", func() error { return q.Pause(ctx) }, func() error { return q.Resume(ctx) }},
			{"limited by hand", func() error { return q.RateLimit(ctx, time.Hour) }, func() error { return q.ClearRateLimit(ctx) }},
			{"a global concurrency", func() error { return q.SetGlobalConcurrency(ctx, 9) }, func() error { return q.SetGlobalConcurrency(ctx, 0) }},
		} {
			ok(t, r.set())
			restricted(r.when, true)
			ok(t, r.end())
			restricted("no longer "+r.when, false)
		}
	})
}

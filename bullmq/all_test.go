package bullmq_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"schoolbell/bullmq"
)

// idsOf are the ids of all jobs that a loop over them yields.
func idsOf(t *testing.T, q *bullmq.Queue, states ...bullmq.State) (ids []string) {
	t.Helper()
	for job, err := range q.AllJobs(t.Context(), states...) {
		ok(t, err)
		ids = append(ids, job.ID)
	}
	return ids
}

func TestAllJobs(t *testing.T) {
	t.Parallel()
	t.Run("each job is yielded once and in order", testAllJobsOnceInOrder)
	t.Run("of delayed jobs, only those wanted are read", testDelayedJobs)
	t.Run("the loop may remove jobs", testAllJobsRemovedInLoop)
	t.Run("the loop ends at an error", testAllJobsError)
}

func testDelayedJobs(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		now := time.UnixMilli(1_900_000_000_000)
		for id, delay := range map[string]time.Duration{"a": time.Second, "b": 2 * time.Second, "c": time.Hour, "now": 0} {
			must[*bullmq.Job](t)(q.Add(t.Context(), "j", nil, bullmq.JobOptions{ID: id, Delay: delay, Timestamp: now}))
		}
		asked := map[string]time.Duration{}
		want := func(id string, due time.Time) bool { asked[id] = due.Sub(now); return id != "b" }
		var got []string
		for job, err := range q.DelayedJobs(t.Context(), want) {
			ok(t, err)
			got = append(got, job.ID)
		}
		if !maps.Equal(asked, map[string]time.Duration{"a": time.Second, "b": 2 * time.Second, "c": time.Hour}) || !slices.Equal(got, []string{"a", "c"}) {
			t.Errorf("asked for %v, got %v", asked, got)
		}
	})
}

func testAllJobsOnceInOrder(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		n := 12_000 // more than are read at a time
		if s.name == "miniredis" {
			n = 300 // it is slow
		}
		var specs []bullmq.JobSpec
		var want []string
		for i := range n {
			id := fmt.Sprint("job-", i)
			specs, want = append(specs, bullmq.JobSpec{Options: bullmq.JobOptions{ID: id}}), append(want, id)
		}
		for _, o := range []bullmq.JobOptions{{ID: "late", Delay: 2 * time.Hour}, {ID: "soon", Delay: time.Hour}, {ID: "second", Priority: 9}, {ID: "first", Priority: 1}} {
			specs = append(specs, bullmq.JobSpec{Options: o})
		}
		must[[]*bullmq.Job](t)(q.AddBulk(t.Context(), specs))
		ok(t, s.rdb.LPush(t.Context(), "bull:q:wait", "ghost").Err())
		if got := idsOf(t, q, bullmq.StateWaiting); !slices.Equal(got, want) {
			t.Errorf("%d waiting jobs, want %d in order", len(got), n)
		}
		if got := idsOf(t, q, bullmq.StateDelayed, bullmq.StatePrioritized); !slices.Equal(got, []string{"soon", "late", "first", "second"}) {
			t.Errorf("delayed and prioritized: %v", got)
		}
		if got := idsOf(t, q); len(got) != n+4 {
			t.Errorf("%d jobs in all", len(got))
		}
	})
}

// A loop may remove what it sees, and what it has not seen yet.
func testAllJobsRemovedInLoop(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		for i := range 350 {
			must[*bullmq.Job](t)(q.Add(t.Context(), "n", nil, bullmq.JobOptions{ID: fmt.Sprint("job-", i)}))
		}
		seen := 0
		for job, err := range q.AllJobs(t.Context(), bullmq.StateWaiting) {
			ok(t, err)
			ok(t, q.Remove(t.Context(), job.ID, bullmq.RemoveOptions{}))
			if seen++; seen == 1 {
				ok(t, q.Remove(t.Context(), "job-349", bullmq.RemoveOptions{}))
			}
		}
		if left := must[map[bullmq.State]int64](t)(q.Counts(t.Context()))[bullmq.StateWaiting]; seen != 349 || left != 0 {
			t.Errorf("%d were seen, %d are left", seen, left)
		}
		for range q.AllJobs(t.Context()) {
			t.Error("a job is left")
		}
	})
}

func TestAllSchedulers(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		for i := range 250 {
			must[*bullmq.Job](t)(q.UpsertScheduler(t.Context(), fmt.Sprint("s-", i), bullmq.Schedule{Every: time.Duration(i+1) * time.Hour}, bullmq.JobTemplate{}))
		}
		seen := map[string]bool{}
		var last time.Time
		for sch, err := range q.AllSchedulers(t.Context()) {
			ok(t, err)
			if seen[sch.ID] || sch.Next.Before(last) {
				t.Errorf("%s comes twice or out of order", sch.ID)
			}
			seen[sch.ID], last = true, sch.Next
			must[bool](t)(q.RemoveScheduler(t.Context(), sch.ID))
		}
		if n := must[int64](t)(q.SchedulerCount(t.Context())); len(seen) != 250 || n != 0 {
			t.Errorf("%d schedulers, %d are left", len(seen), n)
		}
	})
}

func testAllJobsError(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	q := newQueue(t, s.rdb, bullmq.QueueOptions{})
	for i := range 150 {
		must[*bullmq.Job](t)(q.Add(t.Context(), "n", nil, bullmq.JobOptions{ID: fmt.Sprint("job-", i)}))
		must[*bullmq.Job](t)(q.UpsertScheduler(t.Context(), fmt.Sprint("s-", i), bullmq.Schedule{Every: time.Hour}, bullmq.JobTemplate{}))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var errs []error
	for _, err := range q.AllJobs(ctx, bullmq.StateWaiting) {
		cancel() // after the first hundred
		if err != nil {
			errs = append(errs, err)
		}
	}
	for _, err := range q.AllSchedulers(ctx) {
		errs = append(errs, err)
	}
	if len(errs) != 2 || !errors.Is(errs[0], context.Canceled) || !errors.Is(errs[1], context.Canceled) {
		t.Errorf("%v", errs)
	}
	ok(t, s.rdb.Set(t.Context(), "bull:q:failed", "text", 0).Err())
	for job, err := range q.AllJobs(t.Context(), bullmq.StateFailed) {
		if job != nil || !errors.Is(err, bullmq.ErrDamagedKey) {
			t.Errorf("%v, %v", job, err)
		}
	}
	for range q.AllJobs(t.Context(), bullmq.StateWaiting) {
		break // which is all right
	}
}

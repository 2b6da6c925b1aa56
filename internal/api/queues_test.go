package api_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/client"
	"schoolbell/internal/api"
	"schoolbell/internal/testenv"
	"schoolbell/wire"
)

// withQueue gives the server one queue on a real Redis.
func withQueue(t *testing.T, addr string) (*server, *bullmq.Queue, *redis.Client) {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: addr})
	t.Cleanup(func() { must(t, rdb.Close()) })
	q, err := bullmq.NewQueue(rdb, "bells", bullmq.QueueOptions{})
	must(t, err)
	t.Cleanup(func() { must(t, q.Close()) })
	return newServer(t, func(c *api.Config) { c.Queues = []*bullmq.Queue{q} }), q, rdb
}

func TestQueues(t *testing.T) {
	t.Parallel()
	t.Run("queues and jobs are listed and managed", testQueuesManaged)
	t.Run("an age out of range removes nothing", testQueuesInvalidAge)
	t.Run("an action that the job state forbids is a conflict", testQueuesStateConflict)
	t.Run("a job with an impossible time can be listed", testQueuesImpossibleTime)
}

func testQueuesManaged(t *testing.T) {
	t.Parallel()
	s, q, rdb := withQueue(t, testenv.Redis(t))
	ctx := t.Context()
	add := func(id string, o bullmq.JobOptions) {
		o.ID = id
		_, err := q.Add(ctx, "ring", map[string]string{"event_id": id}, o)
		must(t, err)
	}
	for i := range 5 {
		add(fmt.Sprint("w", i), bullmq.JobOptions{})
	}
	add("later", bullmq.JobOptions{Delay: time.Hour})
	add("bad", bullmq.JobOptions{LIFO: true, Attempts: 1})
	fail(t, q, rdb)

	counts, err := s.QueueCounts(ctx, "bells")
	must(t, err)
	want := wire.Counts{"waiting": 5, "active": 0, "delayed": 1, "prioritized": 0, "waiting-children": 0, "completed": 0, "failed": 1, "paused": 0}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Error(diff)
	}

	var waiting []string
	for page := (client.Page{Limit: 2}); ; {
		got, err := s.Jobs(ctx, "bells", "waiting", page)
		must(t, err)
		for _, j := range got.Jobs {
			waiting = append(waiting, j.ID+" "+string(j.State))
		}
		if page.Cursor = got.Next; page.Cursor == "" {
			break
		}
	}
	if diff := cmp.Diff([]string{"w4 waiting", "w3 waiting", "w2 waiting", "w1 waiting", "w0 waiting"}, waiting); diff != "" {
		t.Error(diff)
	}

	bad, err := s.Job(ctx, "bells", "bad")
	must(t, err)
	if bad.State != "failed" || bad.FailedReason != "the bell is broken" || string(bad.Data) != `{"event_id":"bad"}` || bad.AttemptsMade != 1 ||
		bad.FinishedAt.IsZero() || len(bad.Logs) != 1 || bad.Logs[0] != "ringing" {
		t.Errorf("the failed job is %+v", bad)
	}
	if j, err := s.RetryJob(ctx, "bells", "bad"); err != nil || j.State != "waiting" || j.AttemptsMade != 0 {
		t.Errorf("retried: %+v, %v", j, err)
	}
	if j, err := s.PromoteJob(ctx, "bells", "later"); err != nil || j.State != "waiting" {
		t.Errorf("promoted: %+v, %v", j, err)
	}
	must(t, s.RemoveJob(ctx, "bells", "w0"))
	_, err = s.Job(ctx, "bells", "w0")
	wantProblem(t, err, 404, "not_found", "")

	must(t, s.PauseQueue(ctx, "bells"))
	if list, err := s.Queues(ctx); err != nil || len(list) != 1 || list[0].Name != "bells" || !list[0].Paused || list[0].Counts["waiting"] != 6 {
		t.Errorf("paused: %+v, %v", list, err)
	}
	must(t, s.ResumeQueue(ctx, "bells"))
	if list, err := s.Queues(ctx); err != nil || list[0].Paused {
		t.Errorf("resumed: %+v, %v", list, err)
	}
	if n, err := s.CleanQueue(ctx, "bells", "waiting", 0, 4); n != 4 || err != nil {
		t.Errorf("cleaned %d, %v", n, err)
	}
	if n, err := s.CleanQueue(ctx, "bells", "waiting", time.Hour, 0); n != 0 || err != nil {
		t.Errorf("cleaned %d that are young, %v", n, err)
	}
}

func testQueuesInvalidAge(t *testing.T) {
	t.Parallel()
	s, q, _ := withQueue(t, testenv.Redis(t))
	_, err := q.Add(t.Context(), "ring", nil, bullmq.JobOptions{ID: "fresh"})
	must(t, err)
	for _, age := range []string{"18446744073", "18446744074", "9223372036854775807", "315360001", "-1", "1e300", "92233720368547758070"} {
		p := s.raw("POST", "/v1/queues/bells/clean", `{"state":"waiting","older_than":`+age+`}`).problem(t)
		if p.Status < 400 || p.Status >= 500 {
			t.Errorf("%s seconds: answered %d %s", age, p.Status, p.Detail)
		}
	}
	for _, age := range []time.Duration{math.MaxInt64, math.MinInt64, -time.Nanosecond} {
		if n, err := s.CleanQueue(t.Context(), "bells", "waiting", age, 0); err == nil {
			t.Errorf("%v: removed %d", age, n)
		}
	}
	if counts, err := s.QueueCounts(t.Context(), "bells"); err != nil || counts["waiting"] != 1 {
		t.Errorf("%v wait, %v", counts, err)
	}
}

// fail lets one job be worked, and fail.
func fail(t *testing.T, q *bullmq.Queue, rdb *redis.Client) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w, err := bullmq.NewWorker(rdb, q.Name(), func(ctx context.Context, j *bullmq.Job) (any, error) {
		if _, err := j.Log(ctx, "ringing"); err != nil {
			return nil, err
		}
		must(t, q.Pause(ctx)) // so that it takes no other
		return nil, errors.New("the bell is broken")
	}, bullmq.WorkerOptions{Concurrency: 1})
	must(t, err)
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	testenv.Eventually(t, 10*time.Second, func() bool {
		state, err := q.State(ctx, "bad")
		return err == nil && state == bullmq.StateFailed
	}, "the job fails")
	cancel()
	must(t, <-done)
	must(t, q.Resume(t.Context()))
}

func testQueuesStateConflict(t *testing.T) {
	t.Parallel()
	s, q, _ := withQueue(t, testenv.Redis(t))
	ctx := t.Context()
	_, err := q.Add(ctx, "ring", nil, bullmq.JobOptions{ID: "w"})
	must(t, err)
	_, err = s.RetryJob(ctx, "bells", "w")
	wantProblem(t, err, 409, "conflict", "")
	_, err = s.PromoteJob(ctx, "bells", "w")
	wantProblem(t, err, 409, "conflict", "")
	for _, change := range []func(context.Context, string, string) (*wire.Job, error){s.RetryJob, s.PromoteJob, s.Job} {
		_, err = change(ctx, "bells", "ghost")
		wantProblem(t, err, 404, "not_found", "")
	}
	wantProblem(t, s.RemoveJob(ctx, "bells", "ghost"), 404, "not_found", "")
	_, err = s.CleanQueue(ctx, "bells", "lost", 0, 0)
	wantProblem(t, err, 422, "invalid", "state")
	_, err = s.as(s.keys[schoolbell.ScopeSend]).RetryJob(ctx, "bells", "w")
	wantProblem(t, err, 403, "forbidden", "")
}

// Other programs write jobs too. A time that RFC 3339 cannot write made every Go
// client fail on the whole page.
func testQueuesImpossibleTime(t *testing.T) {
	t.Parallel()
	s, q, rdb := withQueue(t, testenv.Redis(t))
	ctx := t.Context()
	for i, ms := range []string{"253402300800000", "9223372036854775807", "-62135596800001", "-99999999999999"} {
		id := fmt.Sprint("far", i)
		_, err := q.Add(ctx, "ring", nil, bullmq.JobOptions{ID: id})
		must(t, err)
		must(t, rdb.HSet(ctx, "bull:bells:"+id, "timestamp", ms, "processedOn", ms, "finishedOn", ms).Err())
	}
	page, err := s.Jobs(ctx, "bells", "waiting", client.Page{})
	must(t, err)
	if len(page.Jobs) != 4 {
		t.Fatalf("%d jobs are listed, want 4", len(page.Jobs))
	}
	for _, j := range page.Jobs {
		if _, err := s.Job(ctx, "bells", j.ID); err != nil || !j.CreatedAt.IsZero() || !j.ProcessedAt.IsZero() || !j.FinishedAt.IsZero() {
			t.Errorf("%+v, %v; want no times", j, err)
		}
	}
}

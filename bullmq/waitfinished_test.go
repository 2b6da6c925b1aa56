package bullmq_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq"
	"schoolbell/bullmq/testproc"
)

// waiting counts the connections that wait for a queue's events.
func waitingForEvents(t *testing.T, rdb *redis.Client) int {
	t.Helper()
	return strings.Count(must[string](t)(rdb.ClientList(t.Context()).Result()), "cmd=xread")
}

// looked waits until so many callers have looked whether their job has finished.
func looked(t *testing.T, rdb *redis.Client, callers int) {
	t.Helper()
	testproc.Eventually(t, wait, func() bool {
		_, after, _ := strings.Cut(must[string](t)(rdb.Info(t.Context(), "commandstats").Result()), "cmdstat_zscore:calls=")
		calls, _, _ := strings.Cut(after, ",")
		n, _ := strconv.Atoi(calls)
		return n >= 2*callers // in two sets
	}, "%d callers have looked", callers)
}

// waitFor starts to wait for a job's end, which it sends.
func waitFor(ctx context.Context, q *bullmq.Queue, id string) <-chan error {
	ended := make(chan error, 1)
	go func() {
		value, err := q.WaitUntilFinished(ctx, id)
		if err == nil && string(value) != fmt.Sprintf("%q", id) {
			err = fmt.Errorf("job %s returned %s", id, value)
		}
		ended <- err
	}()
	return ended
}

func TestWaitUntilFinished(t *testing.T) {
	t.Parallel()
	t.Run("many waits share one connection", testWaitOneConnection)
	t.Run("a wait survives a broken connection", testWaitBrokenConnection)
	t.Run("a wait ends with its context or its job", testWaitEnds)
	t.Run("a wait that cannot start fails", testWaitCannotStart)
	t.Run("concurrent waits miss no job", testWaitConcurrent)
}

func testWaitOneConnection(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	q := newQueue(t, s.rdb, bullmq.QueueOptions{})
	work := func(_ context.Context, j *bullmq.Job) (any, error) {
		if strings.HasSuffix(j.ID, "7") {
			return nil, errors.New("no paper")
		}
		return j.ID, nil
	}
	ends := map[string]<-chan error{}
	for i := range 200 {
		id := fmt.Sprint("job-", i)
		must[*bullmq.Job](t)(q.Add(t.Context(), "n", nil, bullmq.JobOptions{ID: id, RemoveOnComplete: &bullmq.Keep{None: true}}))
		ends[id] = waitFor(t.Context(), q, id)
		ends[id+" again"] = waitFor(t.Context(), q, id)
	}
	looked(t, s.rdb, len(ends))
	testproc.Eventually(t, wait, func() bool { return waitingForEvents(t, s.rdb) == 1 }, "one connection waits")
	start(t, s.rdb, work, bullmq.WorkerOptions{Concurrency: 5})
	for id, end := range ends {
		id, _, _ = strings.Cut(id, " ")
		err := <-end
		var failed *bullmq.JobFailedError
		switch bad := strings.HasSuffix(id, "7"); {
		case bad && (!errors.As(err, &failed) || failed.JobID != id || failed.Reason != "no paper"):
			t.Errorf("%s: %v, want its failure", id, err)
		case !bad && err != nil:
			t.Errorf("%s: %v", id, err)
		}
	}
	testproc.Eventually(t, wait, func() bool { return waitingForEvents(t, s.rdb) == 0 }, "the connection is closed when nobody waits")
}

func testWaitBrokenConnection(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	q := newQueue(t, s.rdb, bullmq.QueueOptions{})
	must[*bullmq.Job](t)(q.Add(t.Context(), "n", nil, bullmq.JobOptions{ID: "x"}))
	ended := waitFor(t.Context(), q, "x")
	looked(t, s.rdb, 1)
	for range 3 {
		testproc.Eventually(t, wait, func() bool { return waitingForEvents(t, s.rdb) == 1 }, "it waits")
		s.rdb.Do(t.Context(), "client", "kill", "type", "normal", "skipme", "yes")
	}
	start(t, s.rdb, func(_ context.Context, j *bullmq.Job) (any, error) { return j.ID, nil }, bullmq.WorkerOptions{})
	ok(t, <-ended)
}

func testWaitEnds(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := realServer(t)
	q := newQueue(t, s.rdb, bullmq.QueueOptions{})
	add := func(id string, opts bullmq.JobOptions) {
		opts.ID = id
		must[*bullmq.Job](t)(q.Add(ctx, "n", nil, opts))
	}
	for name, tt := range map[string]struct {
		then func(cancel context.CancelFunc) error
		want error
	}{
		"removed":         {func(context.CancelFunc) error { return q.Remove(ctx, "removed", bullmq.RemoveOptions{}) }, bullmq.ErrJobNotFound},
		"cleaned":         {func(context.CancelFunc) error { return second(q.Clean(ctx, bullmq.StateWaiting, 0, 0)) }, bullmq.ErrJobNotFound},
		"abandoned":       {func(cancel context.CancelFunc) error { cancel(); return nil }, context.Canceled},
		"never was there": {nil, bullmq.ErrJobNotFound},
		"meta":            {nil, bullmq.ErrInvalid},
	} {
		callerCtx, cancel := context.WithCancel(ctx)
		if tt.then != nil {
			add(name, bullmq.JobOptions{})
		}
		ended := waitFor(callerCtx, q, name)
		if tt.then != nil {
			testproc.Eventually(t, wait, func() bool { return waitingForEvents(t, s.rdb) == 1 }, "it waits")
			ok(t, tt.then(cancel))
		}
		if err := <-ended; !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
		cancel()
	}
}

func testWaitCannotStart(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	q := newQueue(t, s.rdb, bullmq.QueueOptions{})
	must[*bullmq.Job](t)(q.Add(t.Context(), "n", nil, bullmq.JobOptions{ID: "x"}))
	for _, key := range []string{"events", "completed", "failed"} {
		ok(t, s.rdb.Del(t.Context(), "bull:q:"+key).Err())
		ok(t, s.rdb.Set(t.Context(), "bull:q:"+key, "text", 0).Err())
		if _, err := q.WaitUntilFinished(t.Context(), "x"); !errors.Is(err, bullmq.ErrDamagedKey) {
			t.Errorf("with a damaged key %s: %v", key, err)
		}
		ok(t, s.rdb.Del(t.Context(), "bull:q:"+key).Err())
	}
	gone := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	defer func() { _ = gone.Close() }()
	if _, err := newQueue(t, gone, bullmq.QueueOptions{}).WaitUntilFinished(t.Context(), "x"); err == nil || t.Context().Err() != nil {
		t.Errorf("without a server: %v", err)
	}
}

// Callers come and go while the reader of the events ends and begins.
func testWaitConcurrent(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	q := newQueue(t, s.rdb, bullmq.QueueOptions{})
	start(t, s.rdb, func(_ context.Context, j *bullmq.Job) (any, error) { return j.ID, nil }, bullmq.WorkerOptions{Concurrency: 4})
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	defer cancel()
	var callers sync.WaitGroup
	for c := range 8 {
		callers.Go(func() {
			for i := range 25 {
				job, err := q.Add(ctx, "n", nil, bullmq.JobOptions{ID: fmt.Sprint("job-", c, "-", i)})
				var value json.RawMessage
				if err == nil {
					value, err = q.WaitUntilFinished(ctx, job.ID)
				}
				if err != nil || string(value) != fmt.Sprintf("%q", job.ID) {
					t.Errorf("%s: %v", value, err)
					return
				}
			}
		})
	}
	callers.Wait()
}

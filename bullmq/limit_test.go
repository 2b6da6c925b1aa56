package bullmq_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"schoolbell/bullmq"
	"schoolbell/bullmq/testproc"
)

func TestRateLimit(t *testing.T) {
	t.Parallel()
	t.Run("a limiter holds, and a start can be refunded", testRateLimitRefund)
	t.Run("a throttled job goes back to the front", testRateLimitThrottled)
}

func testRateLimitRefund(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	ctx := context.Background()
	q := newQueue(t, s.rdb, bullmq.QueueOptions{})
	limiter := &bullmq.Limiter{Max: 3, Duration: time.Hour}
	ran := make(chan string, 20)
	h := func(ctx context.Context, j *bullmq.Job) (any, error) {
		if j.Name == "free" {
			if err := j.RefundRateLimit(ctx); err != nil {
				return nil, err
			}
		}
		ran <- j.Name
		return nil, nil
	}
	for i := range 10 {
		name := "free"
		if i%2 == 1 {
			name = "counted"
		}
		must[*bullmq.Job](t)(q.Add(ctx, name, nil, bullmq.JobOptions{}))
	}
	start(t, s.rdb, h, bullmq.WorkerOptions{Limiter: limiter})
	testproc.Eventually(t, wait, func() bool { return len(ran) == 6 && s.rdb.LLen(ctx, "bull:q:active").Val() == 0 }, "the limit is reached")
	counted := 0
	for n := len(ran); n > 0; n-- {
		if <-ran == "counted" {
			counted++
		}
	}
	if counted != 3 {
		t.Errorf("%d limited jobs ran, want 3", counted)
	}
	if ttl := must[time.Duration](t)(q.RateLimitTTL(ctx, bullmq.RateLimitTTLOptions{})); ttl < 50*time.Minute {
		t.Errorf("the limit holds for %v", ttl)
	}
}

func testRateLimitThrottled(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	ctx := context.Background()
	q := newQueue(t, s.rdb, bullmq.QueueOptions{})
	must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "a"}))
	must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "b"}))
	order := make(chan string, 10)
	start(t, s.rdb, func(ctx context.Context, j *bullmq.Job) (any, error) {
		order <- j.ID
		if j.ID == "a" && j.AttemptsStarted == 1 {
			return nil, fmt.Errorf("provider says: %w", bullmq.Throttled(100*time.Millisecond))
		}
		return nil, nil
	}, bullmq.WorkerOptions{Limiter: &bullmq.Limiter{Max: 100, Duration: time.Second}})
	job := eventually(t, q, "a", bullmq.StateCompleted)
	if job.AttemptsMade != 1 || job.AttemptsStarted != 2 {
		t.Errorf("%+v", job)
	}
	eventually(t, q, "b", bullmq.StateCompleted)
	if got := []string{<-order, <-order, <-order}; !slices.Equal(got, []string{"a", "a", "b"}) {
		t.Errorf("order %v", got)
	}
}

func TestGlobalConcurrency(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		ok(t, q.SetGlobalConcurrency(ctx, 2))
		var mu sync.Mutex
		now, most := 0, 0
		h := func(context.Context, *bullmq.Job) (any, error) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			_ = s.rdb.Ping(context.Background()).Err() // long enough to overlap
			mu.Lock()
			now--
			mu.Unlock()
			return nil, nil
		}
		start(t, s.rdb, h, bullmq.WorkerOptions{Concurrency: 5})
		start(t, s.rdb, h, bullmq.WorkerOptions{Concurrency: 5})
		must[[]*bullmq.Job](t)(q.AddBulk(ctx, make([]bullmq.JobSpec, 100)))
		testproc.Eventually(t, wait, func() bool {
			return must[map[bullmq.State]int64](t)(q.Counts(ctx))[bullmq.StateCompleted] == 100
		}, "all completed")
		mu.Lock()
		defer mu.Unlock()
		if most > 2 {
			t.Errorf("%d ran at a time", most)
		}
	})
}

func TestRemoveOnComplete(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		for _, a := range []struct {
			id   string
			keep *bullmq.Keep
		}{{"a", nil}, {"b", &bullmq.Keep{None: true}}, {"c", &bullmq.Keep{}}, {"d", nil}, {"e", nil}} {
			must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: a.id, RemoveOnComplete: a.keep}))
		}
		var clock sync.Mutex
		at := time.UnixMilli(1800000000000)
		start(t, s.rdb, func(context.Context, *bullmq.Job) (any, error) { return nil, nil }, bullmq.WorkerOptions{
			RemoveOnComplete: &bullmq.Keep{Count: 2},
			Clock: func() time.Time {
				clock.Lock()
				defer clock.Unlock()
				at = at.Add(time.Second)
				return at
			},
		})
		eventually(t, q, "e", bullmq.StateCompleted)
		if d := cmp.Diff([]string{"d", "e"}, s.rdb.ZRange(ctx, "bull:q:completed", 0, -1).Val()); d != "" {
			t.Error(d)
		}
		if left := s.rdb.Exists(ctx, "bull:q:a", "bull:q:b", "bull:q:c").Val(); left != 0 {
			t.Errorf("%d hashes are left", left)
		}
	})
}

package bullmq_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"schoolbell/bullmq"
	"schoolbell/bullmq/testproc"
)

// hookLog is what the hooks of a worker were told, in order.
type hookLog struct {
	mu   sync.Mutex
	told []string
}

func (l *hookLog) add(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = append(l.told, fmt.Sprintf(format, args...))
}

// becomes waits until the hooks were told just that.
func (l *hookLog) becomes(t *testing.T, want ...string) {
	t.Helper()
	testproc.Eventually(t, wait, func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if d := cmp.Diff(want, l.told); d != "" {
			return errors.New(d)
		}
		return nil
	}, "the hooks are told %v", want)
}

func TestHooks(t *testing.T) {
	t.Run("OnDrained is called once when jobs run out", testHooksOnDrained)
	t.Run("OnActive gets a job that fails without a run", testHooksOnActive)
}

func testHooksOnDrained(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		q, ctx := newQueue(t, s.rdb, bullmq.QueueOptions{}), context.Background()
		var log hookLog
		start(t, s.rdb, func(context.Context, *bullmq.Job) (any, error) { return nil, nil }, bullmq.WorkerOptions{
			DrainDelay: 10 * time.Millisecond, // which must not be told each time
			Hooks: bullmq.WorkerHooks{
				OnDrained: func() { log.add("drained") },
				OnActive:  func(j *bullmq.Job) { log.add("active %s", j.ID) },
			},
		})
		log.becomes(t, "drained")
		must[[]*bullmq.Job](t)(q.AddBulk(ctx, []bullmq.JobSpec{{Options: bullmq.JobOptions{ID: "a"}}, {Options: bullmq.JobOptions{ID: "b"}}}))
		log.becomes(t, "drained", "active a", "active b", "drained")
		must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "c"}))
		log.becomes(t, "drained", "active a", "active b", "drained", "active c", "drained")
	})
}

func testHooksOnActive(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		q, ctx := newQueue(t, s.rdb, bullmq.QueueOptions{}), context.Background()
		must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "x", Attempts: 3}))
		ok(t, s.rdb.HSet(ctx, "bull:q:x", "defa", "its worker was lost").Err())
		var log hookLog
		start(t, s.rdb, func(context.Context, *bullmq.Job) (any, error) { log.add("run"); return nil, nil }, bullmq.WorkerOptions{Hooks: bullmq.WorkerHooks{
			OnActive: func(j *bullmq.Job) { log.add("active %s", j.ID) },
			OnFailed: func(j *bullmq.Job, err error) { log.add("failed %s: %v", j.ID, err) },
		}})
		log.becomes(t, "active x", "failed x: its worker was lost")
	})
}

func TestBackoffFallback(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		q, ctx := newQueue(t, s.rdb, bullmq.QueueOptions{}), context.Background()
		for id, kind := range map[string]string{"named": "hourly", "other": "theirs", "built in": "fixed"} {
			must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: id, Attempts: 2, Backoff: &bullmq.Backoff{Type: kind, Delay: 3 * time.Hour}}))
		}
		start(t, s.rdb, func(context.Context, *bullmq.Job) (any, error) { return nil, errors.New("no") }, bullmq.WorkerOptions{
			Backoffs: map[string]bullmq.BackoffFunc{"hourly": func(int, bullmq.Backoff, error, *bullmq.Job) time.Duration { return time.Hour }},
			Backoff: func(attempt int, b bullmq.Backoff, err error, j *bullmq.Job) time.Duration {
				if b.Type != "theirs" || attempt != 1 || err.Error() != "no" || j.ID != "other" {
					t.Errorf("asked for attempt %d of %s, %v: %v", attempt, j.ID, b, err)
				}
				return 2 * time.Hour
			},
		})
		for id, want := range map[string]time.Duration{"named": time.Hour, "other": 2 * time.Hour, "built in": 3 * time.Hour} {
			if job := eventually(t, q, id, bullmq.StateDelayed); job.Delay != want {
				t.Errorf("%s waits %v, want %v", id, job.Delay, want)
			}
		}
	})
}

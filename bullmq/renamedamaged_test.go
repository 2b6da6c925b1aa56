package bullmq_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq"
	"schoolbell/bullmq/testproc"
)

func TestRenameDamaged(t *testing.T) {
	t.Parallel()
	t.Run("keys of the wrong type are renamed", testRenameDamagedWrongType)
	t.Run("a job with a permanent lock goes to another worker", testRenameDamagedPermanentLock)
	t.Run("a job whose result cannot be stored stays active", testRenameDamagedResult)
}

func testRenameDamagedWrongType(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	ctx := context.Background()
	q := newQueue(t, s.rdb, bullmq.QueueOptions{})
	for _, id := range []string{"a", "b"} {
		must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: id}))
	}
	if renamed := must[[]bullmq.DamagedKey](t)(q.RenameDamaged(ctx, "a", "b", "gone")); len(renamed) > 0 {
		t.Fatalf("a sound queue: %+v", renamed)
	}
	want := map[string]string{
		"bull:q:meta": "string", "bull:q:wait": "string", "bull:q:events": "list", "bull:q:id": "string without a number",
		"bull:q:stalled-check": "string without an expiry", "bull:q:a": "list", "bull:q:b:dependencies": "string",
	}
	for key, was := range want {
		ok(t, s.rdb.Del(ctx, key).Err())
		if was == "list" {
			ok(t, s.rdb.RPush(ctx, key, "x").Err())
		} else {
			ok(t, s.rdb.Set(ctx, key, "x", 0).Err())
		}
	}
	ok(t, s.rdb.RPush(ctx, "bull:q:c", "x").Err()) // a job that is not asked for
	renamed := must[[]bullmq.DamagedKey](t)(q.RenameDamaged(ctx, "a", "b"))
	if len(renamed) != len(want) {
		t.Errorf("renamed %+v, want %d", renamed, len(want))
	}
	for _, d := range renamed {
		if want[d.Key] != d.Was || !strings.HasPrefix(d.NewName, d.Key+":wrong-type:") {
			t.Errorf("%+v, want %q", d, want[d.Key])
		}
		if n := s.rdb.Exists(ctx, d.Key).Val(); n != 0 {
			t.Errorf("%s is still there", d.Key)
		}
		if n := s.rdb.Exists(ctx, d.NewName).Val(); n != 1 {
			t.Errorf("%s is not there", d.NewName)
		}
	}
	if _, err := q.RenameDamaged(ctx, "meta"); err == nil {
		t.Error("the name of a key of the queue is taken for a job")
	}
	job := must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "a"}))
	if state := must[bullmq.State](t)(q.State(ctx, job.ID)); job.Existed || state != bullmq.StateWaiting {
		t.Errorf("added again, the job is %s, existed %v", state, job.Existed)
	}
}

// A worker's lock always expires. One that does not would keep its job in progress forever.
func testRenameDamagedPermanentLock(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for was, replace := range map[string]func(tx redis.Pipeliner, key string){
		"string without an expiry": func(tx redis.Pipeliner, key string) { tx.Set(ctx, key, "x", 0) },
		"list":                     func(tx redis.Pipeliner, key string) { tx.RPush(ctx, key, "x") },
	} {
		t.Run(was, func(t *testing.T) {
			t.Parallel()
			s := realServer(t)
			q, w := newQueue(t, s.rdb, bullmq.QueueOptions{}), newFetcher(t, s, bullmq.WorkerOptions{})
			must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "a"}))
			must[*bullmq.Job](t)(w.Fetch(ctx, ""))
			if renamed := must[[]bullmq.DamagedKey](t)(q.RenameDamaged(ctx, "a")); len(renamed) > 0 {
				t.Fatalf("a worker's lock is renamed: %+v", renamed)
			}
			_, err := s.rdb.TxPipelined(ctx, func(tx redis.Pipeliner) error {
				tx.Del(ctx, "bull:q:a:lock")
				replace(tx, "bull:q:a:lock")
				return nil
			})
			ok(t, err)
			renamed := must[[]bullmq.DamagedKey](t)(q.RenameDamaged(ctx))
			if len(renamed) != 1 || renamed[0].Key != "bull:q:a:lock" || renamed[0].Was != was {
				t.Fatalf("renamed %+v, want the lock", renamed)
			}
			if stalled := must[[]string](t)(w.CheckStalled(ctx)); len(stalled) != 1 || stalled[0] != "a" {
				t.Errorf("stalled are %v, want the job", stalled)
			}
		})
	}
}

// A job that has ended and cannot be kept must stay somewhere.
func testRenameDamagedResult(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	ctx := context.Background()
	q := newQueue(t, s.rdb, bullmq.QueueOptions{})
	ok(t, s.rdb.Set(ctx, "bull:q:completed", "x", 0).Err())
	job := must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{}))
	told := make(chan error, 100)
	start(t, s.rdb, func(context.Context, *bullmq.Job) (any, error) { return nil, nil }, bullmq.WorkerOptions{
		LockDuration: 2 * time.Second, StalledInterval: 100 * time.Millisecond, MaxStalledCount: -1,
		Hooks: bullmq.WorkerHooks{OnError: func(err error) {
			select {
			case told <- err:
			default:
			}
		}},
	})
	if err := <-told; !strings.Contains(err.Error(), "WRONGTYPE") {
		t.Errorf("the worker tells of %v", err)
	}
	if renamed := must[[]bullmq.DamagedKey](t)(q.RenameDamaged(ctx)); len(renamed) != 1 {
		t.Errorf("renamed %+v", renamed)
	}
	testproc.Eventually(t, wait, func() bool { return must[bullmq.State](t)(q.State(ctx, job.ID)) == bullmq.StateCompleted }, "the job completes")
}

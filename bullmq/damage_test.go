package bullmq_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"schoolbell/bullmq"
	"schoolbell/bullmq/redistest"
	"schoolbell/bullmq/testproc"
)

func TestDamagedKey(t *testing.T) {
	t.Parallel()
	t.Run("a worker continues once the key is repaired", testDamagedKeyRepaired)
}

// A key of another type than the protocol's makes scripts fail that would never succeed.
func testDamagedKeyRepaired(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"wait", "active", "prioritized", "delayed", "marker", "meta", "events", "stalled", "limiter"} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			s := realServer(t)
			ctx := context.Background()
			q := newQueue(t, s.rdb, bullmq.QueueOptions{})
			for i := range 5 {
				must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{Priority: i % 2}))
			}
			damaged := "bull:q:" + key
			kept := s.rdb.Rename(ctx, damaged, "kept").Err() == nil // not all are there yet
			if key == "limiter" {
				ok(t, s.rdb.RPush(ctx, damaged, "x").Err())
			} else {
				ok(t, s.rdb.Set(ctx, damaged, "x", 0).Err())
			}
			var told atomic.Int64
			start(t, s.rdb, func(context.Context, *bullmq.Job) (any, error) { return nil, nil }, bullmq.WorkerOptions{
				Limiter: &bullmq.Limiter{Max: 1000, Duration: time.Second}, LockDuration: time.Second, StalledInterval: 200 * time.Millisecond,
				MaxStalledCount: -1, DrainDelay: 100 * time.Millisecond, Hooks: bullmq.WorkerHooks{OnError: func(error) { told.Add(1) }},
			})
			testproc.Eventually(t, wait, func() bool { return told.Load() > 3 }, "the worker tells of it")
			ok(t, s.rdb.Del(ctx, damaged).Err())
			if kept {
				ok(t, s.rdb.Rename(ctx, "kept", damaged).Err())
			}
			testproc.Eventually(t, wait, func() bool { return s.rdb.ZCard(ctx, "bull:q:completed").Val() == 5 }, "all jobs complete")
		})
	}
}

// hashFields are the fields that FuzzJobHash fills, in the order of its arguments.
var hashFields = []string{
	"name", "data", "opts", "timestamp", "delay", "priority", "parent", "parentKey", "rjk", "deid", "atm", "ats", "stc", "stacktrace", "defa", "zz",
}

func FuzzJobHash(f *testing.F) {
	const all = 1<<16 - 1
	f.Add(uint16(all), "n", "{}", "{}", "1", "0", "0", `{"id":"p","queueKey":"bull:q"}`, "bull:q:p", "tick", "d", "0", "1", "0", "[]", "", "")
	f.Add(uint16(all), "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "")
	f.Add(uint16(0), "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "")
	f.Add(uint16(1<<10|1<<11), "", "", "", "", "", "", "", "", "", "", "3", "4", "", "", "", "")
	f.Add(uint16(all), "\xff", "{", `{"attempts":1e99,"backoff":{"type":[]},"removeOnComplete":{"age":-1},"de":{"ttl":"x"},"repeat":{"pattern":"H H 31 2 *"}}`,
		"soon", "-1e400", "nan", `{"id":{},"queueKey":[]}`, "::", "::", ":", "1e3", "-", "0x7", "{}", "because", "\x00")
	f.Add(uint16(all), "n", "null", `[{"attempts":3}]`, "9223372036854775807", "9223372036854775807", "9007199254740993", `{"id":7,"queueKey":"bull:q","fpof":true}`,
		"bull:q:7", "tick", "d", "9223372036854775807", "99999999999999999999", "inf", `["a",{}]`, "", "")
	f.Add(uint16(all), "n", "{}", `{"repeat":{"every":-5,"count":"x","offset":1.5,"startDate":"soon","tz":7}}`, "1", "0", "0", `{"id":"wait","queueKey":"bull:q","cpof":true}`,
		"bull:q:wait", "wait", "wait", "", "", "", "null", "", "")
	s := &server{rdb: client(f, redistest.Addr(f))}
	ctx := context.Background()
	q, err := bullmq.NewQueue(s.rdb, "q", bullmq.QueueOptions{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, which uint16, name, data, opts, timestamp, delay, priority, parent, parentKey, rjk, deid, atm, ats, stc, stacktrace, defa, zz string) {
		ok(t, s.rdb.FlushAll(ctx).Err())
		var hash []any
		for i, value := range []string{name, data, opts, timestamp, delay, priority, parent, parentKey, rjk, deid, atm, ats, stc, stacktrace, defa, zz} {
			if which&(1<<i) != 0 {
				hash = append(hash, hashFields[i], value)
			}
		}
		if len(hash) > 0 {
			ok(t, s.rdb.HSet(ctx, "bull:q:odd", hash...).Err())
		}
		ok(t, s.rdb.LPush(ctx, "bull:q:wait", "odd").Err())
		must[*bullmq.Job](t)(q.Add(ctx, "good", nil, bullmq.JobOptions{ID: "good"}))
		must[[]*bullmq.Job](t)(q.Jobs(ctx, bullmq.JobsOptions{OldestFirst: true}))
		if _, err := q.Flow(ctx, "odd", bullmq.FlowLimits{}); err != nil && len(hash) > 0 {
			t.Errorf("its tree: %v", err)
		}
		stop := start(t, s.rdb, func(context.Context, *bullmq.Job) (any, error) { return nil, nil }, bullmq.WorkerOptions{
			DrainDelay: 100 * time.Millisecond, LockDuration: time.Minute,
		})
		eventually(t, q, "good", bullmq.StateCompleted)
		stop()
		if n := s.rdb.LLen(ctx, "bull:q:active").Val() + s.rdb.LLen(ctx, "bull:q:wait").Val() + s.rdb.Exists(ctx, "bull:q:odd:lock").Val(); n != 0 {
			t.Errorf("it still waits or is locked; %v", s.rdb.HGetAll(ctx, "bull:q:odd").Val())
		}
	})
}

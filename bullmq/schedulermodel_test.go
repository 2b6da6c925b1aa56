package bullmq_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"schoolbell/bullmq"
)

// Whatever is done to a scheduler, in whatever order: while it is there it has one
// pending job, at the time it says, and a job that runs is followed by one later.
func TestSchedulerModel(t *testing.T) {
	t.Parallel()
	m := miniredis.RunT(t)
	rdb := client(t, m.Addr())
	rapid.Check(t, func(rt *rapid.T) {
		m.FlushAll()
		ctx, clock := context.Background(), newSteps()
		q, err := bullmq.NewQueue(rdb, "q", bullmq.QueueOptions{Clock: clock.time})
		if err != nil {
			rt.Fatal(err)
		}
		exists := false
		rt.Repeat(map[string]func(*rapid.T){
			"upsert": func(rt *rapid.T) {
				s := bullmq.Schedule{Every: time.Duration(rapid.IntRange(1, 100_000).Draw(rt, "every")) * time.Millisecond}
				if rapid.Bool().Draw(rt, "pattern") {
					s = bullmq.Schedule{Pattern: rapid.SampledFrom([]string{"* * * * *", "*/7 * * * * *", "@hourly", "0 0 L * *"}).Draw(rt, "cron")}
				} else if rapid.Bool().Draw(rt, "with offset") {
					s.Offset = s.Every / 2 / time.Millisecond * time.Millisecond
				}
				priority := rapid.IntRange(0, 1).Draw(rt, "priority")
				if _, err := q.UpsertScheduler(ctx, "tick", s, bullmq.JobTemplate{Options: bullmq.JobOptions{Priority: priority}}); err != nil {
					rt.Fatal(err)
				}
				exists = true
			},
			"remove": func(rt *rapid.T) {
				removed, err := q.RemoveScheduler(ctx, "tick")
				if err != nil || removed != exists {
					rt.Fatalf("removed: %v, %v", removed, err)
				}
				if exists { // a job that already waits is not removed
					if err := q.Drain(ctx, bullmq.DrainOptions{Delayed: true}); err != nil {
						rt.Fatal(err)
					}
				}
				exists = false
			},
			"wait": func(rt *rapid.T) {
				clock.set(clock.time().Add(time.Duration(rapid.IntRange(0, 200_000).Draw(rt, "ms")) * time.Millisecond))
			},
			"run": func(rt *rapid.T) {
				if !exists {
					rt.Skip("nothing to run")
				}
				before, err := q.Scheduler(ctx, "tick")
				if err != nil {
					rt.Fatal(err)
				}
				if before.Next.After(clock.time()) {
					clock.set(before.Next)
				}
				runOne(rt, rdb, clock)
				after, err := q.Scheduler(ctx, "tick")
				if err != nil || !after.Next.After(before.Next) || after.Iterations != before.Iterations+1 {
					rt.Fatalf("from %v it went to %v, %v", before.Next, after, err)
				}
			},
			"": func(rt *rapid.T) {
				var pending []string
				for _, key := range []string{"delayed", "prioritized"} {
					pending = append(pending, rdb.ZRange(ctx, "bull:q:"+key, 0, -1).Val()...)
				}
				pending = append(pending, rdb.LRange(ctx, "bull:q:wait", 0, -1).Val()...)
				if !exists {
					if len(pending) > 0 {
						rt.Fatalf("pending without a scheduler: %v", pending)
					}
					return
				}
				s, err := q.Scheduler(ctx, "tick")
				if err != nil {
					rt.Fatal(err)
				}
				if want := fmt.Sprintf("repeat:tick:%d", s.Next.UnixMilli()); strings.Join(pending, " ") != want {
					rt.Fatalf("pending are %v, want %s", pending, want)
				}
			},
		})
	})
}

// runOne runs the next job of a queue.
func runOne(rt *rapid.T, rdb *redis.Client, clock *steps) {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	ran := false
	w, err := bullmq.NewWorker(rdb, "q", func(context.Context, *bullmq.Job) (any, error) {
		ran = true
		cancel()
		return nil, nil
	}, bullmq.WorkerOptions{Clock: clock.time})
	if err == nil {
		err = w.Run(ctx)
	}
	if err != nil || !ran {
		rt.Fatalf("the job ran: %v, %v", ran, err)
	}
}

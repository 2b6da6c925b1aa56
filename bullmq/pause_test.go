package bullmq_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"schoolbell/bullmq"
)

func TestPause(t *testing.T) {
	t.Parallel()
	t.Run("no job is lost with either major version", testPauseBothMajors)
	t.Run("a paused queue starts nothing until resumed", testPauseStartsNothing)
}

func testPauseBothMajors(t *testing.T) {
	ctx := context.Background()
	v5pause := func(t *testing.T, s *server) {
		s.rdb.HSet(ctx, "bull:q:meta", "paused", 1, "version", "bullmq:5.81.5")
		if s.rdb.Exists(ctx, "bull:q:wait").Val() == 1 {
			ok(t, s.rdb.Rename(ctx, "bull:q:wait", "bull:q:paused").Err())
		}
	}
	v5resume := func(t *testing.T, s *server) {
		if s.rdb.Exists(ctx, "bull:q:paused").Val() == 1 {
			ok(t, s.rdb.Rename(ctx, "bull:q:paused", "bull:q:wait").Err())
		}
		s.rdb.HDel(ctx, "bull:q:meta", "paused")
	}
	ours := func(q *bullmq.Queue) (pause, resume func(t *testing.T, s *server)) {
		return func(t *testing.T, _ *server) { t.Helper(); ok(t, q.Pause(ctx)) },
			func(t *testing.T, _ *server) { t.Helper(); ok(t, q.Resume(ctx)) }
	}
	for _, mode := range []bullmq.PauseMode{bullmq.PauseAuto, bullmq.PauseInPlace, bullmq.PauseMoves} {
		for _, who := range []string{"ours ours", "ours v5", "v5 ours", "v5 v5"} {
			if mode == bullmq.PauseInPlace && who != "ours ours" && who != "v5 ours" {
				continue // a v5 resume overwrites what was added in place, which is why there are modes
			}
			if mode == bullmq.PauseAuto && who == "ours v5" {
				continue // nothing tells that a v5 is about to come
			}
			t.Run(fmt.Sprint("mode ", mode, ", pause and resume by ", who), func(t *testing.T) {
				onServers(t, func(t *testing.T, s *server) {
					q := newQueue(t, s.rdb, bullmq.QueueOptions{Pause: mode})
					pause, resume := ours(q)
					if who[:2] == "v5" {
						pause = v5pause
					}
					if who[len(who)-2:] == "v5" {
						resume = v5resume
					}
					add := func(id string, o bullmq.JobOptions) {
						o.ID = id
						must[*bullmq.Job](t)(q.Add(ctx, "n", nil, o))
					}
					add("a", bullmq.JobOptions{})
					pause(t, s)
					add("b", bullmq.JobOptions{})
					add("p", bullmq.JobOptions{Priority: 1})
					if who[:4] == "ours" {
						pause(t, s) // again
					}
					add("c", bullmq.JobOptions{})
					if !must[bool](t)(q.IsPaused(ctx)) {
						t.Error("not paused")
					}
					resume(t, s)
					for _, id := range []string{"a", "b", "c", "p"} {
						if got := placesOf(s, id); len(got) != 1 || got[0] == "paused" {
							t.Errorf("%s is in %v", id, got)
						}
					}
					if got := s.rdb.LRange(ctx, "bull:q:wait", 0, -1).Val(); got[len(got)-1] != "a" {
						t.Errorf("next to run is not the oldest: %v", got)
					}
				})
			})
		}
	}
}

func testPauseStartsNothing(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		ok(t, q.Pause(ctx))
		must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "x"}))
		ready := make(chan struct{})
		start(t, s.rdb, func(context.Context, *bullmq.Job) (any, error) {
			if paused, err := q.IsPaused(ctx); paused || err != nil {
				t.Errorf("ran while paused (%v)", err)
			}
			return nil, nil
		}, bullmq.WorkerOptions{DrainDelay: time.Minute, Hooks: bullmq.WorkerHooks{OnReady: func() { close(ready) }}})
		<-ready
		ok(t, q.Resume(ctx))
		eventually(t, q, "x", bullmq.StateCompleted)
	})
}

package interop

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"schoolbell/bullmq"
	"schoolbell/internal/testenv"
)

func TestHooks(t *testing.T) {
	t.Parallel()
	t.Run("hooks report the events of a worker in Node", testHooksMatchNode)
	t.Run("OnDrained runs again after a rate limit", testHooksDrainedAfterRateLimit)
}

// testHooksMatchNode compares what the hooks are told with the events of
// Node's Worker: each language works off a queue of its own.
func testHooksMatchNode(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		const inGo, inNode = "in-go", "in-node"
		var mu sync.Mutex
		told := []string{}
		tell := func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, fmt.Sprintf(format, args...))
		}
		r.work(inGo, func(_ context.Context, job *bullmq.Job) (any, error) {
			if job.Name == "fail" {
				return nil, errors.New("no")
			}
			return nil, nil
		}, bullmq.WorkerOptions{DrainDelay: hour, Hooks: bullmq.WorkerHooks{
			OnDrained:   func() { tell("drained") },
			OnActive:    func(j *bullmq.Job) { tell("active %s", j.ID) },
			OnCompleted: func(j *bullmq.Job) { tell("completed %s", j.ID) },
			OnFailed:    func(j *bullmq.Job, err error) { tell("failed %s: %v", j.ID, err) },
		}})
		r.node.do(nil, `const told = ($.state.told = []);
			const worker = new $.bull.Worker('in-node', async (job) => { if (job.name === 'fail') throw new Error('no') },
				{ connection: $.connection, drainDelay: args[0], autorun: false });
			worker.on('drained', () => told.push('drained'));
			worker.on('active', (job) => told.push('active ' + job.id));
			worker.on('completed', (job) => told.push('completed ' + job.id));
			worker.on('failed', (job, error) => told.push('failed ' + job.id + ': ' + error.message));
			$.state.worker = worker;
			await worker.waitUntilReady();
			worker.run()`, hour.Seconds())
		both := func(want ...string) {
			r.Helper()
			testenv.Eventually(r.T, patience, func() error {
				mu.Lock()
				defer mu.Unlock()
				if got := fmt.Sprint(told); got != fmt.Sprint(want) {
					return fmt.Errorf("got %s", got)
				}
				return nil
			}, "the hooks are told %v", want)
			testenv.Eventually(r.T, patience, func() error {
				var theirs []string
				r.node.do(&theirs, `return $.state.told`)
				if got := fmt.Sprint(theirs); got != fmt.Sprint(want) {
					return fmt.Errorf("got %s", got)
				}
				return nil
			}, "Node's worker emits %v", want)
		}
		want := []string{"drained"}
		both(want...)
		for _, step := range []struct {
			jobs []bullmq.JobSpec
			want []string
		}{
			{[]bullmq.JobSpec{{Name: "n", Options: bullmq.JobOptions{ID: "a"}}, {Name: "n", Options: bullmq.JobOptions{ID: "b"}}},
				[]string{"active a", "completed a", "active b", "completed b", "drained"}},
			{[]bullmq.JobSpec{{Name: "fail", Options: bullmq.JobOptions{ID: "c"}}}, []string{"active c", "failed c: no", "drained"}},
		} {
			for _, name := range []string{inGo, inNode} {
				_, err := r.queue(name).AddBulk(r.Context(), step.jobs)
				r.ok(err)
			}
			want = append(want, step.want...)
			both(want...)
		}
		for _, name := range []string{inGo, inNode} { // a job that fails without being run
			q := r.queue(name)
			r.add(q, "n", nil, bullmq.JobOptions{ID: "d", Delay: time.Hour})
			r.ok(r.rdb.HSet(r.Context(), r.key(name, "d"), "defa", "lost").Err())
			r.ok(q.Promote(r.Context(), "d"))
		}
		both(append(want, "active d", "failed d: lost", "drained")...)
		r.node.do(nil, `await $.state.worker.close()`)
		r.node.quiet()
	})
}

func TestExtendLock(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		q := r.queue("q")
		r.node.do(nil, `const released = new Promise((done) => { $.state.release = done });
			await $.worker('q', () => released)`)
		id := r.add(q, "n", nil, bullmq.JobOptions{})
		r.reaches(q, id, bullmq.StateActive)
		lock := r.key("q", id+":lock")
		token := r.rdb.Get(r.Context(), lock).Val()
		job, err := q.Job(r.Context(), id)
		r.ok(err)
		for _, with := range []string{token, "another"} {
			for _, language := range languages {
				r.ok(r.rdb.PExpire(r.Context(), lock, time.Minute).Err())
				r.ok(r.rdb.SAdd(r.Context(), r.key("q", "stalled"), id).Err())
				var extended bool
				if language == "go" {
					extended, err = job.ExtendLock(r.Context(), with, time.Hour)
					r.ok(err)
				} else {
					r.node.do(&extended, `return (await (await $.queue('q').getJob(args[0])).extendLock(args[1], 3600000)) === 1`, id, with)
				}
				mine := with == token
				long := r.rdb.PTTL(r.Context(), lock).Val() > 2*time.Minute
				suspected := r.rdb.SIsMember(r.Context(), r.key("q", "stalled"), id).Val()
				if extended != mine || long != mine || suspected == mine {
					r.Errorf("%s, with its token %t: says %t, is %t, still suspected %t", language, mine, extended, long, suspected)
				}
			}
		}
		r.node.do(nil, `$.state.release()`)
		r.reaches(q, id, bullmq.StateCompleted)
		r.node.quiet()
	})
}

// A wait for a rate limit ends with a fetch, which is reported again.
func testHooksDrainedAfterRateLimit(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		limit := bullmq.Limiter{Max: 1, Duration: 200 * time.Millisecond}
		var mu sync.Mutex
		drained := 0
		r.work("in-go", func(context.Context, *bullmq.Job) (any, error) { return nil, nil }, bullmq.WorkerOptions{DrainDelay: hour, Limiter: &limit,
			Hooks: bullmq.WorkerHooks{OnDrained: func() {
				mu.Lock()
				defer mu.Unlock()
				drained++
			}}})
		r.node.do(nil, `$.state.drained = 0;
			const worker = new $.bull.Worker('in-node', async () => {}, { connection: $.connection, drainDelay: args[0], limiter: { max: 1, duration: args[1] }, autorun: false });
			worker.on('drained', () => $.state.drained++);
			$.state.worker = worker;
			await worker.waitUntilReady();
			worker.run()`, hour.Seconds(), limit.Duration.Milliseconds())
		both := func(want int) {
			r.Helper()
			testenv.Eventually(r.T, patience, func() error {
				var theirs int
				r.node.do(&theirs, `return $.state.drained`)
				mu.Lock()
				defer mu.Unlock()
				if drained != want || theirs != want {
					return fmt.Errorf("%d times in Go, %d in Node", drained, theirs)
				}
				return nil
			}, "it is told %d times", want)
		}
		both(1)
		for _, name := range []string{"in-go", "in-node"} {
			r.add(r.queue(name), "n", nil, bullmq.JobOptions{})
		}
		both(3) // when the limit is met, and after it
		r.node.do(nil, `await $.state.worker.close()`)
		r.node.quiet()
	})
}

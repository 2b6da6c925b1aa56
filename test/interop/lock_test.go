package interop

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"schoolbell/bullmq"
	"schoolbell/internal/testenv"
)

func TestLongJobLock(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		release := make(chan struct{})
		r.work("in-go", func(ctx context.Context, _ *bullmq.Job) (any, error) {
			select {
			case <-release:
				return nil, nil
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}, bullmq.WorkerOptions{LockDuration: shortLock})
		r.node.do(nil, `const released = new Promise((done) => { $.state.release = done });
			await $.worker('in-node', () => released, { lockDuration: args[0] })`, shortLock.Milliseconds())
		ids := map[string]string{}
		for _, name := range []string{"in-go", "in-node"} {
			q := r.queue(name)
			ids[name] = r.add(q, "long", nil, bullmq.JobOptions{})
			r.reaches(q, ids[name], bullmq.StateActive)
		}
		r.rescue("node", "in-go") // looks for jobs of lost workers, and would take them
		r.rescue("go", "in-node")
		for name, id := range ids {
			r.renewed(r.key(name, id+":lock"), 3*shortLock)
		}
		close(release)
		r.node.do(nil, `$.state.release()`)
		for name, id := range ids {
			q := r.queue(name)
			r.reaches(q, id, bullmq.StateCompleted)
			job, err := q.Job(r.Context(), id)
			r.ok(err)
			if job.AttemptsStarted != 1 || job.StalledCount != 0 {
				r.Errorf("%s: started %d times, stalled %d", name, job.AttemptsStarted, job.StalledCount)
			}
			r.same("events of "+name, strings.Join(r.events(name)[id], " "), "added waiting active completed")
			if stalled := r.rdb.SIsMember(r.Context(), r.key(name, "stalled"), id).Val(); stalled {
				r.Errorf("%s: the job is still suspected to be stalled", name)
			}
		}
		r.node.quiet()
	})
}

// renewed waits until a lock has been renewed so often that it has been held for so
// long: each renewal adds what had run off before it.
func (r *rig) renewed(lock string, held time.Duration) {
	r.Helper()
	var ran, last time.Duration
	testenv.Eventually(r.T, patience, func() error {
		left, err := r.rdb.PTTL(r.Context(), lock).Result()
		r.ok(err)
		if left <= 0 {
			r.Fatalf("the lock %s is lost", lock)
		}
		if left > last && last > 0 {
			ran += left - last
		}
		last = left
		if ran < held {
			return fmt.Errorf("it has been renewed by %v", ran)
		}
		return nil
	}, "the lock %s is kept for %v", lock, held)
}

package interop

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"schoolbell/bullmq"
	"schoolbell/internal/testenv"
)

// hour is a DrainDelay with which an idle worker hears of a job by a marker or never.
const hour = time.Hour

// idle waits until n workers of a queue block.
func (r *rig) idle(n int) {
	r.Helper()
	testenv.Eventually(r.T, patience, func() error {
		list, err := r.rdb.ClientList(r.Context()).Result()
		if blocked := strings.Count(list, "cmd=bzpopmin"); err == nil && blocked != n {
			err = fmt.Errorf("%d block", blocked)
		}
		return err
	}, "%d workers are idle", n)
}

func TestIdleWorkers(t *testing.T) {
	t.Parallel()
	t.Run("a marker wakes a worker of the other language", testIdleWorkersMarker)
	t.Run("many jobs wake many workers", testIdleWorkersManyJobs)
}

func testIdleWorkersMarker(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		r.work("for-go", func(context.Context, *bullmq.Job) (any, error) { return nil, nil }, bullmq.WorkerOptions{DrainDelay: hour})
		r.node.do(nil, `await $.worker('for-node', async () => {}, { drainDelay: args[0] })`, hour.Seconds())
		r.idle(2)
		q := r.queue("for-go")
		for _, opts := range []string{`{}`, `{ priority: 3 }`, `{ lifo: true }`, `{ delay: 20 }`} {
			var id string
			r.node.do(&id, `return (await $.queue('for-go').add('n', {}, eval('(' + args[0] + ')'))).id`, opts)
			r.reaches(q, id, bullmq.StateCompleted)
			r.idle(2)
		}
		q = r.queue("for-node")
		for _, opts := range []bullmq.JobOptions{{}, {Priority: 3}, {LIFO: true}, {Delay: 20 * time.Millisecond}} {
			r.reaches(q, r.add(q, "n", nil, opts), bullmq.StateCompleted)
			r.idle(2)
		}
		r.node.quiet()
	})
}

func testIdleWorkersManyJobs(t *testing.T) {
	const each = 3
	withBothMajors(t, func(r *rig) {
		q := r.queue("q")
		release := make(chan struct{})
		hold := func(ctx context.Context, _ *bullmq.Job) (any, error) {
			select {
			case <-release:
			case <-ctx.Done():
			}
			return nil, nil
		}
		r.node.do(nil, `$.state.released = new Promise((done) => { $.state.release = done })`)
		for n := range each {
			r.work("q", hold, bullmq.WorkerOptions{Name: fmt.Sprint("go-", n), DrainDelay: hour})
			r.node.do(nil, `await $.worker('q', () => $.state.released, { label: args[0], drainDelay: args[1] })`, fmt.Sprint("node-", n), hour.Seconds())
		}
		r.idle(2 * each)
		freed := sync.OnceFunc(func() { close(release); r.node.do(nil, `$.state.release()`) })
		defer freed()
		specs := make([]bullmq.JobSpec, 2*each)
		for n := range specs {
			specs[n].Name = "n"
		}
		_, err := q.AddBulk(r.Context(), specs)
		r.ok(err)
		r.counts(q, map[bullmq.State]int64{bullmq.StateActive: 2 * each}, "each worker has a job")
		freed()
		r.counts(q, map[bullmq.State]int64{bullmq.StateCompleted: 2 * each}, "the jobs are completed")
		r.node.quiet()
	})
}

package interop

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq"
	"schoolbell/internal/testenv"
)

func TestRedisFaults(t *testing.T) {
	t.Parallel()
	t.Run("both languages survive faults under load", testRedisFaultsUnderLoad)
	t.Run("idle workers reconnect", testRedisFaultsIdleWorkers)
}

func testRedisFaultsUnderLoad(t *testing.T) {
	const jobs = 800
	inBothMajors(t, func(t *testing.T, major int) {
		server := testenv.RedisServer(t, testenv.RedisOptions{AOF: true})
		r := newRigAt(t, major, server.Addr)
		q := r.queue("q")
		r.node.do(nil, `await $.worker('q', () => new Promise((done) => setTimeout(() => done('node'), 5)),
			{ name: 'node', concurrency: 2, drainDelay: 1, lockDuration: args[0], stalledInterval: args[1], maxStalledCount: 100, runRetryDelay: 200 })`,
			shortLock.Milliseconds(), shortStalled.Milliseconds())
		r.work("q", func(context.Context, *bullmq.Job) (any, error) {
			<-time.After(5 * time.Millisecond) // the work
			return "go", nil
		}, bullmq.WorkerOptions{Name: "go", Concurrency: 2, DrainDelay: time.Second, LockDuration: shortLock, StalledInterval: shortStalled, MaxStalledCount: 100})
		added := make(chan error, 1)
		go func() { added <- r.addSurely(q, "job", jobs) }()
		for n, fault := range []func(){
			func() { r.ok(r.rdb.ScriptFlush(r.Context()).Err()) },
			func() { r.cut() },
			func() { server.Kill(); server.Restart() },
			func() { r.ok(r.rdb.ScriptFlush(r.Context()).Err()) },
			func() { r.cut() },
		} {
			r.completed(q, int64((n+1)*jobs/8))
			fault()
		}
		r.ok(<-added)
		r.counts(q, map[bullmq.State]int64{bullmq.StateCompleted: jobs, bullmq.StateActive: 0, bullmq.StateWaiting: 0, bullmq.StateFailed: 0}, "all jobs are completed")
		done, err := q.Jobs(r.Context(), bullmq.JobsOptions{States: []bullmq.State{bullmq.StateCompleted}, OldestFirst: true})
		r.ok(err)
		told, by := r.events("q"), map[string]int{}
		for _, job := range done {
			by[job.ProcessedBy]++
			if n := count(told[job.ID], "completed"); n != 1 || job.AttemptsMade != 1 {
				r.Errorf("job %s was completed %d times: %v", job.ID, n, told[job.ID])
			}
		}
		if len(done) != jobs || by["go"] == 0 || by["node"] == 0 {
			r.Errorf("%d jobs are completed by %v", len(done), by)
		}
	})
}

// addSurely adds jobs from Go, one by one, each again until Redis has taken it: its
// id makes sure that it is added once.
func (r *rig) addSurely(q *bullmq.Queue, name string, jobs int) error {
	for n := range jobs {
		for deadline := time.Now().Add(patience); ; {
			_, err := q.Add(r.Context(), "n", nil, bullmq.JobOptions{ID: fmt.Sprint(name, "-", n)})
			if err == nil {
				break
			}
			if errors.Is(err, bullmq.ErrInvalid) || time.Now().After(deadline) {
				return err
			}
		}
	}
	return nil
}

// completed waits until so many jobs are completed, whatever becomes of this client's own connection.
func (r *rig) completed(q *bullmq.Queue, jobs int64) {
	r.Helper()
	testenv.Eventually(r.T, patience, func() error {
		counts, err := q.Counts(r.Context(), bullmq.StateCompleted)
		if err == nil && counts[bullmq.StateCompleted] < jobs {
			err = fmt.Errorf("counts are %v", counts)
		}
		return err
	}, "%d jobs are completed", jobs)
}

// cut ends the connections of everyone but readers of events, which are not counted as
// normal, also those that block.
func (r *rig) cut() {
	r.Helper()
	own := redis.NewClient(&redis.Options{Addr: r.addr})
	defer own.Close()
	r.ok(own.ClientKillByFilter(r.Context(), "TYPE", "normal", "SKIPME", "yes").Err())
}

func testRedisFaultsIdleWorkers(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		r.work("for-go", func(context.Context, *bullmq.Job) (any, error) { return nil, nil }, bullmq.WorkerOptions{DrainDelay: hour})
		r.node.do(nil, `await $.worker('for-node', async () => {}, { drainDelay: args[0] })`, hour.Seconds())
		for range 2 {
			r.idle(2)
			r.ok(r.rdb.ScriptFlush(r.Context()).Err())
			r.cut()
			r.idle(2) // on new connections, which block again
			var id string
			r.node.do(&id, `return (await $.queue('for-go').add('n', {})).id`)
			r.reaches(r.queue("for-go"), id, bullmq.StateCompleted)
			q := r.queue("for-node")
			r.reaches(q, r.add(q, "n", nil, bullmq.JobOptions{}), bullmq.StateCompleted)
		}
	})
}

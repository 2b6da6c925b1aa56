package interop

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq"
	"schoolbell/internal/testenv"
)

func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given { // these tests mostly wait for other processes, whose number is not that of the cores
		_ = flag.Set("test.parallel", "6")
	}
	testenv.Main(m)
}

// patience is the longest that a test waits for anything.
const patience = 60 * time.Second

// rig is what one test works at: a Redis, Go on one side of it, Node on the other.
type rig struct {
	*testing.T
	site
	addr  string // of the server, or of one of them
	rdb   redis.UniversalClient
	node  *node
	major int
	names *int // queue names given out
}

// site is where a rig's queues are. driver.mjs reads it.
type site struct {
	Prefix  string   `json:"prefix"`
	Servers []string `json:"servers"`          // one, the nodes of a Cluster, or Sentinels
	Master  string   `json:"master,omitempty"` // by which Sentinels know the server
}

// key is the key of a queue that ends in suffix.
func (s site) key(queue, suffix string) string { return s.Prefix + ":" + queue + ":" + suffix }

// unused is the name of a queue that no other test has.
func (r *rig) unused() string {
	*r.names++
	return fmt.Sprintf("q%d", *r.names)
}

// withBothMajors runs a test beside BullMQ 5 and beside BullMQ 6.
func withBothMajors(t *testing.T, test func(r *rig)) {
	t.Helper()
	inBothMajors(t, func(t *testing.T, major int) { test(newRig(t, major)) })
}

// inBothMajors is withBothMajors for a test that starts its own Redis.
func inBothMajors(t *testing.T, test func(t *testing.T, major int)) {
	t.Helper()
	t.Parallel()
	for _, major := range []int{5, 6} {
		t.Run(fmt.Sprintf("BullMQ %d", major), func(t *testing.T) {
			t.Parallel()
			test(t, major)
		})
	}
}

func newRig(t *testing.T, major int) *rig {
	t.Helper()
	return newRigAt(t, major, testenv.Redis(t))
}

// newRigAt is newRig with a Redis that is there already.
func newRigAt(t *testing.T, major int, addr string) *rig {
	t.Helper()
	return newRigIn(t, major, site{Prefix: bullmq.DefaultPrefix, Servers: []string{addr}})
}

func newRigIn(t *testing.T, major int, s site) *rig {
	t.Helper()
	r := &rig{T: t, site: s, addr: s.Servers[0], major: major, names: new(int)}
	r.rdb = redis.NewUniversalClient(&redis.UniversalOptions{Addrs: s.Servers, MasterName: s.Master})
	t.Cleanup(func() { _ = r.rdb.Close() })
	r.node = startNode(t, major, s)
	return r
}

// within is the rig for a test inside the test.
func (r *rig) within(t *testing.T) *rig {
	sub := *r
	sub.T, sub.node = t, r.node.with(t)
	return &sub
}

// queue is a queue seen from Go.
func (r *rig) queue(name string) *bullmq.Queue {
	r.Helper()
	return r.queueWith(name, bullmq.QueueOptions{})
}

func (r *rig) queueWith(name string, opts bullmq.QueueOptions) *bullmq.Queue {
	r.Helper()
	opts.Prefix = r.Prefix
	q, err := bullmq.NewQueue(r.rdb, name, opts)
	r.ok(err)
	r.Cleanup(func() { _ = q.Close() })
	return q
}

// work runs a Go worker until the test ends or stop is called.
func (r *rig) work(queue string, h bullmq.Handler, opts bullmq.WorkerOptions) (stop func()) {
	r.Helper()
	ready := make(chan struct{})
	opts.Hooks.OnReady = func() { close(ready) }
	opts.Prefix = r.Prefix
	w, err := bullmq.NewWorker(r.rdb, queue, h, opts)
	r.ok(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			r.Errorf("the Go worker ended with %v", err)
		}
	}
	r.Cleanup(stop)
	select {
	case <-ready:
	case <-time.After(patience):
		r.Fatal("the Go worker did not get ready")
	}
	return stop
}

func (r *rig) ok(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// add adds a job from Go.
func (r *rig) add(q *bullmq.Queue, name string, data any, opts bullmq.JobOptions) string {
	r.Helper()
	job, err := q.Add(r.Context(), name, data, opts)
	r.ok(err)
	return job.ID
}

// reaches waits until a job is in a state.
func (r *rig) reaches(q *bullmq.Queue, id string, want bullmq.State) {
	r.Helper()
	testenv.Eventually(r.T, patience, func() error {
		state, err := q.State(r.Context(), id)
		if err == nil && state != want {
			err = fmt.Errorf("it is %s", state)
		}
		return err
	}, "job %s of %s is %s", id, q.Name(), want)
}

// same compares two values as JSON.
func (r *rig) same(what string, got, want any) {
	r.Helper()
	if g, w := canonical(r.T, got), canonical(r.T, want); g != w {
		r.Errorf("%s:\n got %s\nwant %s", what, g, w)
	}
}

// canonical is a value as JSON with sorted keys.
func canonical(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var plain any
	if err := json.Unmarshal(text, &plain); err != nil {
		t.Fatal(err)
	}
	text, err = json.Marshal(plain)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

package bullmq_test

import (
	"context"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq"
	"schoolbell/bullmq/redistest"
	"schoolbell/bullmq/testproc"
)

func TestMain(m *testing.M) { testproc.Main(m) }

// wait is the longest that tests wait for something to happen.
const wait = 20 * time.Second

// server is one kind of Redis that the suite runs on.
type server struct {
	name string
	rdb  *redis.Client
}

// onServers runs a test on a real Redis and on miniredis, which lacks commands
// and whose Lua is another.
func onServers(t *testing.T, test func(t *testing.T, s *server)) {
	t.Helper()
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		test(t, realServer(t))
	})
	t.Run("miniredis", func(t *testing.T) {
		t.Parallel()
		m := miniredis.RunT(t)
		t.Cleanup(passTime(m))
		test(t, &server{name: "miniredis", rdb: client(t, m.Addr())})
	})
}

// passTime moves miniredis's clock, by which keys expire, with ours until stop is called.
func passTime(m *miniredis.Miniredis) (stop func()) {
	ended, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		last := time.Now()
		for {
			select {
			case <-ended:
				return
			case now := <-tick.C:
				m.FastForward(now.Sub(last))
				last = now
			}
		}
	}()
	return func() { close(ended); <-stopped }
}

func realServer(t *testing.T) *server {
	t.Helper()
	return &server{name: "redis", rdb: client(t, redistest.Addr(t))}
}

func client(t testing.TB, addr string) *redis.Client {
	t.Helper()
	// Under the race detector miniredis takes its time.
	rdb := redis.NewClient(&redis.Options{Addr: addr, ReadTimeout: wait})
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

func newQueue(t *testing.T, rdb redis.UniversalClient, opts bullmq.QueueOptions) *bullmq.Queue {
	t.Helper()
	q, err := bullmq.NewQueue(rdb, "q", opts)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// start runs a worker until the test ends or stop is called, which waits for it.
func start(t *testing.T, rdb redis.UniversalClient, h bullmq.Handler, opts bullmq.WorkerOptions) (stop func()) {
	t.Helper()
	w, err := bullmq.NewWorker(rdb, "q", h, opts)
	if err != nil {
		t.Fatal(err)
	}
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
			t.Errorf("Run: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func zed(score float64, member string) redis.Z { return redis.Z{Score: score, Member: member} }

package redistest

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq/testproc"
)

func TestMain(m *testing.M) { testproc.Main(m) }

func dialRedis(t *testing.T, addr string) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1, ReadTimeout: 300 * time.Millisecond})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestServer(t *testing.T) {
	t.Parallel()
	t.Run("a server stops with its test", testServerStops)
	t.Run("data survives a crash only with an append-only file", testServerCrash)
	t.Run("a paused server does not answer", testServerPaused)
}

func testServerStops(t *testing.T) {
	t.Parallel()
	var addr string
	t.Run("inner", func(t *testing.T) {
		addr = Addr(t)
		c := dialRedis(t, addr)
		if err := c.Set(t.Context(), "k", "v", 0).Err(); err != nil {
			t.Fatal(err)
		}
		if saved := c.ConfigGet(t.Context(), "save").Val()["save"]; saved != "" {
			t.Errorf("it saves to disk: %q", saved)
		}
	})
	if conn, err := net.Dial("tcp", addr); err == nil {
		conn.Close()
		t.Errorf("%s still listens after its test", addr)
	}
}

func testServerCrash(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		aof  bool
		want int64
	}{
		{"with an append-only file nothing is lost", true, 1},
		{"without one everything is lost", false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := Start(t, Options{AOF: c.aof, Args: []string{"--maxmemory-policy", "noeviction"}})
			if err := dialRedis(t, r.Addr).Set(t.Context(), "k", "v", 0).Err(); err != nil {
				t.Fatal(err)
			}
			r.Kill()
			if err := dialRedis(t, r.Addr).Ping(t.Context()).Err(); err == nil {
				t.Fatal("it answers after Kill")
			}
			r.Restart()
			if got := dialRedis(t, r.Addr).Exists(t.Context(), "k").Val(); got != c.want {
				t.Errorf("keys after the restart: %d, want %d", got, c.want)
			}
			r.Stop()
			r.Stop()
		})
	}
}

func testServerPaused(t *testing.T) {
	t.Parallel()
	r := Start(t, Options{})
	c := dialRedis(t, r.Addr)
	r.Pause()
	err := c.Ping(t.Context()).Err()
	if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
		t.Errorf("ping of a paused server: %v, want a timeout", err)
	}
	r.Continue()
	testproc.Eventually(t, 10*time.Second, func() error { return c.Ping(t.Context()).Err() }, "ping after Continue")
}

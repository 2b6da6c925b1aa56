package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"schoolbell/internal/embedded"
	"schoolbell/internal/testenv"
)

// startRedis runs an in-process Redis to the end of the test.
func startRedis(t *testing.T) *embedded.Redis {
	t.Helper()
	r, err := embedded.NewRedis()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if err := r.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return r
}

// target is a Redis to test: the in-process one, or a real one at an address.
type target struct {
	inside *embedded.Redis
	addr   string
}

func dial(t *testing.T, at target, change ...func(*redis.Options)) *redis.Client {
	t.Helper()
	o := &redis.Options{Addr: at.addr, ReadTimeout: 20 * time.Second, MaxRetries: -1}
	if at.inside != nil {
		o.Dialer = at.inside.Dial
	}
	for _, f := range change {
		f(o)
	}
	c := redis.NewClient(o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// onBoth runs f against the in-process Redis and against a real one: what the
// queues need must be the same on both.
func onBoth(t *testing.T, f func(t *testing.T, addr target)) {
	t.Run("in process", func(t *testing.T) { t.Parallel(); f(t, target{inside: startRedis(t)}) })
	t.Run("real", func(t *testing.T) { t.Parallel(); f(t, target{addr: testenv.Redis(t)}) })
}

// command is one command and the reply that both servers must give.
type command struct {
	args []any
	want any
}

func cmd(want any, args ...any) command { return command{args: args, want: want} }

type list = []any

func TestRedisCommands(t *testing.T) {
	t.Parallel()
	suites := map[string][]command{
		"strings and expiry": {
			cmd("OK", "SET", "lock", "token", "PX", 30000),
			cmd(nil, "SET", "lock", "other", "NX", "PX", 30000),
			cmd("token", "GET", "lock"),
			cmd(int64(1), "INCR", "id"),
			cmd(int64(1), "PEXPIRE", "id", 60000),
			cmd(int64(-2), "PTTL", "none"),
			cmd(int64(1), "PERSIST", "id"),
			cmd(int64(-1), "PTTL", "id"),
			cmd(int64(2), "DEL", "id", "lock"),
			cmd(int64(0), "EXISTS", "id"),
		},
		"hashes": {
			cmd(int64(2), "HSET", "job", "name", "n", "data", "{}"),
			cmd("OK", "HMSET", "job", "opts", "{}", "delay", 0),
			cmd(int64(1), "HINCRBY", "job", "ats", 1),
			cmd(list{"n", nil}, "HMGET", "job", "name", "none"),
			cmd(int64(1), "HEXISTS", "job", "delay"),
			cmd(int64(5), "HLEN", "job"),
			cmd(int64(1), "HDEL", "job", "ats"),
			cmd(int64(0), "HSETNX", "job", "name", "other"),
		},
		"lists": {
			cmd(int64(3), "LPUSH", "wait", "1", "2", "3"),
			cmd("1", "RPOPLPUSH", "wait", "active"),
			cmd("2", "LMOVE", "wait", "active", "RIGHT", "LEFT"),
			cmd(int64(0), "LPOS", "active", "2"),
			cmd(nil, "LPOS", "active", "3"),
			cmd(int64(1), "LREM", "active", -1, "1"),
			cmd(int64(1), "LLEN", "active"),
			cmd(int64(3), "RPUSH", "wait", "4", "5"),
			cmd("OK", "LTRIM", "wait", -2, -1),
			cmd(list{"4", "5"}, "LRANGE", "wait", 0, -1),
			cmd(int64(3), "LINSERT", "wait", "BEFORE", "5", "x"),
			cmd("4", "LINDEX", "wait", 0),
			cmd("5", "RPOP", "wait"),
		},
		"sets": {
			cmd(int64(2), "SADD", "stalled", "1", "2"),
			cmd(int64(1), "SREM", "stalled", "1"),
			cmd(int64(1), "SCARD", "stalled"),
			cmd(list{"2"}, "SMEMBERS", "stalled"),
			cmd(int64(1), "SISMEMBER", "stalled", "2"),
		},
		"sorted sets": {
			cmd(int64(1), "ZADD", "delayed", "7372800004096001", "a"),
			cmd(int64(2), "ZADD", "delayed", "7372800004096002", "b", "1.5", "c"),
			cmd(list{"c", "a", "b"}, "ZRANGEBYSCORE", "delayed", 0, "+inf", "LIMIT", 0, 1000),
			cmd(list{"b"}, "ZREVRANGEBYSCORE", "delayed", "+inf", "7372800004096001", "LIMIT", 0, 1),
			cmd(int64(3), "ZCARD", "delayed"),
			cmd(int64(2), "ZCOUNT", "delayed", "(1.5", "+inf"),
			cmd(int64(0), "ZRANK", "delayed", "c"),
			cmd(int64(1), "ZREM", "delayed", "a"),
			cmd(list{"b", "c"}, "ZREVRANGE", "delayed", 0, -1),
			cmd(int64(1), "ZREMRANGEBYRANK", "delayed", 0, -2),
			cmd(int64(1), "ZREMRANGEBYSCORE", "delayed", 0, "+inf"),
			cmd(list{}, "ZPOPMIN", "delayed"),
		},
		"streams": {
			cmd("1-1", "XADD", "events", "MAXLEN", "~", 10000, "1-1", "event", "added", "jobId", "1"),
			cmd("1-2", "XADD", "events", "1-2", "event", "waiting", "jobId", "1"),
			cmd(int64(2), "XLEN", "events"),
			cmd(list{list{"1-2", list{"event", "waiting", "jobId", "1"}}}, "XREVRANGE", "events", "+", "-", "COUNT", 1),
			cmd(int64(0), "XTRIM", "events", "MAXLEN", "~", 10000),
			cmd(int64(1), "XTRIM", "events", "MAXLEN", 1),
			cmd(list{list{"1-2", list{"event", "waiting", "jobId", "1"}}}, "XRANGE", "events", "-", "+"),
		},
	}
	for name, commands := range suites {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, addr target) {
				// RESP2: replies have one shape whatever the client makes of them.
				c := dial(t, addr, func(o *redis.Options) { o.Protocol = 2 })
				for _, x := range commands {
					got, err := c.Do(t.Context(), x.args...).Result()
					if err != nil && !errors.Is(err, redis.Nil) {
						t.Errorf("%v: %v", x.args, err)
					} else if diff := cmp.Diff(x.want, got); diff != "" {
						t.Errorf("%v (-want +got):\n%s", x.args, diff)
					}
				}
			})
		})
	}
}

func TestRedisScripts(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr target) {
		c := dial(t, addr)
		ctx := t.Context()
		sha, err := c.ScriptLoad(ctx, `
			local job = cjson.decode(ARGV[1])
			redis.call('HSET', KEYS[1], 'name', job.name, 'data', cjson.encode(job.data))
			local r = redis.call('HMGET', KEYS[1], 'name', 'none')
			local bad = redis.pcall('LPUSH', KEYS[1], 'x')
			return {r[1], r[2] == false and 1 or 0, bad.err and 1 or 0, #KEYS, tonumber(ARGV[2]) + 1, string.format('%d', 2^52)}`).Result()
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.EvalSha(ctx, sha, []string{"j"}, `{"name":"näme","data":{"n":1}}`, "41").Result()
		if err != nil {
			t.Fatal(err)
		}
		want := list{"näme", int64(1), int64(1), int64(1), int64(42), "4503599627370496"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("script result (-want +got):\n%s", diff)
		}
		if data := c.HGet(ctx, "j", "data").Val(); data != `{"n":1}` {
			t.Errorf("cjson.encode wrote %s", data)
		}
		if err := c.EvalSha(ctx, strings.Repeat("0", 40), nil).Err(); err == nil || !strings.HasPrefix(err.Error(), "NOSCRIPT") {
			t.Errorf("an unknown script gives %v, want NOSCRIPT", err)
		}
	})
}

func TestRedisTransactions(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr target) {
		c, waiting := dial(t, addr), dial(t, addr)
		got := popAsync(t.Context(), waiting, "marker", "10")
		_, err := c.TxPipelined(t.Context(), func(p redis.Pipeliner) error {
			p.LPush(t.Context(), "wait", "1")
			p.ZAdd(t.Context(), "marker", redis.Z{Score: 0, Member: "0"})
			p.Eval(t.Context(), `return redis.call('LLEN', KEYS[1])`, []string{"wait"})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(popped{val: list{"marker", list{"0", 0.0}}}, <-got, allowPopped); diff != "" {
			t.Errorf("BZPOPMIN woken by EXEC (-want +got):\n%s", diff)
		}
	})
}

func TestRedisExpiry(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr target) {
		c, ctx := dial(t, addr), t.Context()
		start := time.Now()
		for key, ttl := range map[string]int{"short": 150, "long": 60_000} {
			if err := c.Do(ctx, "SET", key, "v", "PX", ttl).Err(); err != nil {
				t.Fatal(err)
			}
		}
		testenv.Eventually(t, 10*time.Second, func() bool { return c.Exists(ctx, "short").Val() == 0 }, "the short-lived key is gone")
		if gone := time.Since(start); gone < 100*time.Millisecond {
			t.Errorf("a key of 150 ms went after %v", gone)
		}
		testenv.Eventually(t, 20*time.Second, func() error { // in the process, the clock of the keys moves in steps
			ttl, passed := c.PTTL(ctx, "long").Val(), time.Since(start)
			if ttl > time.Minute-passed+2*time.Second || ttl < time.Minute-passed-2*time.Second {
				return fmt.Errorf("after %v a key of one minute has %v to live", passed, ttl)
			}
			return nil
		}, "the time to live follows the clock")
		now, err := c.Time(ctx).Result()
		if off := time.Since(now); err != nil || off.Abs() > 10*time.Second {
			t.Errorf("TIME is off by %v (%v)", off, err)
		}
	})
}

// The clock of the keys waits while a script runs. That is not work of the clock, after
// which it would have to rest.
func TestRedisSlowScript(t *testing.T) {
	t.Parallel()
	c, ctx := dial(t, target{inside: startRedis(t)}), t.Context()
	start := time.Now()
	for time.Since(start) < 2*time.Second {
		if err := c.Eval(ctx, `for i = 1, 5e6 do end return 1`, nil).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Do(ctx, "SET", "short", "v", "PX", 1500).Err(); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 5*time.Second, func() bool { return c.Exists(ctx, "short").Val() == 0 }, "the key is gone")
}

type popped struct {
	val any
	err error
}

var allowPopped = cmp.AllowUnexported(popped{})

// popAsync begins BZPOPMIN and delivers what comes of it.
func popAsync(ctx context.Context, c *redis.Client, args ...any) <-chan popped {
	out := make(chan popped, 1)
	go func() {
		v, err := c.Do(ctx, append([]any{"BZPOPMIN"}, args...)...).Result()
		if l, ok := v.([]any); ok && len(l) == 3 { // RESP2 and RESP3 differ in nothing but this
			v = list{l[0], list{l[1], l[2]}}
		}
		out <- popped{v, err}
	}()
	return out
}

// connected waits until n clients that bear the name waiter are connected: what
// they wait for must come to them whether they are blocked already or not.
func connected(t *testing.T, c *redis.Client, n int) {
	t.Helper()
	testenv.Eventually(t, 10*time.Second, func() bool {
		return strings.Count(c.ClientList(t.Context()).Val(), "name=waiter") == n
	}, "%d clients are connected", n)
}

func named(o *redis.Options) { o.ClientName = "waiter" }

func TestRedisBZPopMin(t *testing.T) {
	t.Parallel()
	t.Run("takes a member at once from the first key that has one", func(t *testing.T) {
		onBoth(t, func(t *testing.T, addr target) {
			c, ctx := dial(t, addr), t.Context()
			c.ZAdd(ctx, "b", redis.Z{Score: 2.5, Member: "later"}, redis.Z{Score: -1, Member: "first"})
			got := <-popAsync(ctx, c, "a", "b", "0")
			if diff := cmp.Diff(popped{val: list{"b", list{"first", -1.0}}}, got, allowPopped); diff != "" {
				t.Error(diff)
			}
			if n := c.ZCard(ctx, "b").Val(); n != 1 {
				t.Errorf("%d members left, want 1", n)
			}
		})
	})
	t.Run("gives nil after a fractional timeout", func(t *testing.T) {
		onBoth(t, func(t *testing.T, addr target) {
			start := time.Now()
			if got := <-popAsync(t.Context(), dial(t, addr), "none", "0.25"); !errors.Is(got.err, redis.Nil) {
				t.Errorf("got %v", got)
			}
			if d := time.Since(start); d < 240*time.Millisecond {
				t.Errorf("gave up after %v", d)
			}
		})
	})
	t.Run("refuses nonsense", func(t *testing.T) {
		onBoth(t, func(t *testing.T, addr target) {
			c, ctx := dial(t, addr), t.Context()
			c.Set(ctx, "text", "v", 0)
			for _, args := range [][]any{{"k"}, {"k", "x"}, {"k", "-1"}, {"text", "1"}} {
				if got := <-popAsync(ctx, c, args...); got.err == nil || errors.Is(got.err, redis.Nil) {
					t.Errorf("BZPOPMIN %v gives %v", args, got)
				}
			}
		})
	})
	t.Run("ZADD, also in a script, wakes one waiter per member", func(t *testing.T) {
		onBoth(t, func(t *testing.T, addr target) {
			c, ctx := dial(t, addr), t.Context()
			const waiters = 6
			got := make(chan popped, waiters)
			for range waiters {
				w := popAsync(ctx, dial(t, addr, named), "marker", "15")
				go func() { got <- <-w }()
			}
			connected(t, c, waiters)
			for i := range waiters {
				if i%2 == 0 {
					c.ZAdd(ctx, "marker", redis.Z{Score: float64(i), Member: "0"})
				} else if err := c.Eval(ctx, `redis.call('ZADD', KEYS[1], ARGV[1], '0'); return redis.call('INCR', 'n')`, []string{"marker"}, i).Err(); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(popped{val: list{"marker", list{"0", float64(i)}}}, <-got, allowPopped); diff != "" {
					t.Fatal(diff)
				}
			}
			if n := c.Exists(ctx, "marker").Val(); n != 0 {
				t.Error("the key outlives its last member")
			}
		})
	})
	t.Run("leaves nothing behind when the client goes away", func(t *testing.T) {
		onBoth(t, func(t *testing.T, addr target) {
			c, ctx := dial(t, addr), t.Context()
			connect := func(context.Context, string, string) (net.Conn, error) { return net.Dial("tcp", addr.addr) }
			if addr.inside != nil {
				connect = addr.inside.Dial
			}
			conn, err := connect(ctx, "", "")
			if err != nil {
				t.Fatal(err)
			}
			name := "*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$6\r\nwaiter\r\n"
			if _, err := conn.Write([]byte(name + "*3\r\n$8\r\nBZPOPMIN\r\n$6\r\nmarker\r\n$1\r\n0\r\n")); err != nil {
				t.Fatal(err)
			}
			connected(t, c, 1)
			_ = conn.Close()
			connected(t, c, 0)
			c.ZAdd(ctx, "marker", redis.Z{Member: "0"})
			if n := c.ZCard(ctx, "marker").Val(); n != 1 {
				t.Error("a client that is gone took the marker")
			}
		})
	})
}

func TestRedisClose(t *testing.T) {
	t.Parallel()
	r, err := embedded.NewRedis()
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, args := range [][]any{{"BZPOPMIN", "k", "0"}, {"XREAD", "BLOCK", "0", "STREAMS", "s", "$"}} {
		c := dial(t, target{inside: r}, named)
		wg.Go(func() {
			if err := c.Do(t.Context(), args...).Err(); err == nil || errors.Is(err, redis.Nil) {
				t.Errorf("%v ended with %v, want a broken connection", args, err)
			}
		})
	}
	connected(t, dial(t, target{inside: r}), 2)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
}

func TestRedisStreamReader(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr target) {
		reader, c := dial(t, addr, named), dial(t, addr)
		c.XAdd(t.Context(), &redis.XAddArgs{Stream: "events", ID: "1-1", Values: []string{"event", "added"}})
		got := make(chan []redis.XStream, 1)
		go func() {
			s, _ := reader.XRead(t.Context(), &redis.XReadArgs{Streams: []string{"events", "1-1"}, Block: 15 * time.Second}).Result()
			got <- s
		}()
		connected(t, c, 1)
		c.Eval(t.Context(), `return redis.call('XADD', KEYS[1], 'MAXLEN', '~', '100', '2-1', 'event', 'active')`, []string{"events"})
		want := []redis.XStream{{Stream: "events", Messages: []redis.XMessage{{ID: "2-1", Values: map[string]any{"event": "active"}}}}}
		if diff := cmp.Diff(want, <-got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestRedisInfo(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr target) {
		c, ctx := dial(t, addr), t.Context()
		info := c.Info(ctx).Val()
		for _, want := range []string{"redis_version:", "maxmemory_policy:noeviction", "connected_clients:", "# Server"} {
			if !strings.Contains(info, want) {
				t.Errorf("INFO lacks %q", want)
			}
		}
		if info := c.Info(ctx, "server").Val(); !strings.Contains(info, "redis_version:") || strings.Contains(info, "used_memory:") {
			t.Errorf("INFO server says %q", info)
		}
		want := map[string]string{"maxmemory-policy": "noeviction"}
		if diff := cmp.Diff(want, c.ConfigGet(ctx, "maxmemory-p*").Val()); diff != "" {
			t.Error(diff)
		}
		worker := dial(t, addr, func(o *redis.Options) { o.ClientName = "bull:cXVldWU=" })
		if err := worker.Ping(ctx).Err(); err != nil {
			t.Fatal(err)
		}
		if l := c.ClientList(ctx).Val(); !strings.Contains(l, "name=bull:cXVldWU=") {
			t.Errorf("CLIENT LIST says %q", l)
		}
		if id := worker.ClientID(ctx).Val(); id < 1 {
			t.Errorf("CLIENT ID is %d", id)
		}
	})
}

package testenv

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestSentinel(t *testing.T) {
	t.Parallel()
	s := Sentinel(t)
	c := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: s.Name, SentinelAddrs: s.Addrs})
	t.Cleanup(func() { _ = c.Close() })
	if err := c.Set(t.Context(), "before", 1, 0).Err(); err != nil {
		t.Fatal(err)
	}
	s.Master.Kill()
	Eventually(t, time.Minute, func() error { return c.Set(t.Context(), "after", 1, 0).Err() }, "writing goes on")
	if n := dialRedis(t, s.Heir.Addr).Exists(t.Context(), "after").Val(); n != 1 {
		t.Error("the replica was not written to")
	}
}

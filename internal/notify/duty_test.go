package notify

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell/internal/testenv"
)

func TestDuty(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	rdb := redis.NewClient(&redis.Options{Addr: testenv.Redis(t)})
	t.Cleanup(func() { _ = rdb.Close() })
	process := func() *duty { return &duty{rdb: rdb, key: "bull:q.round", every: time.Hour, last: time.Now()} }
	one, two := process(), process()
	takes := func(what string, of *duty, force, want bool) {
		t.Helper()
		if taken, err := of.take(ctx, force); err != nil || taken != want {
			t.Errorf("%s: taken %t, %v; want %t", what, taken, err, want)
		}
	}
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	takes("the first", one, false, true)
	takes("another one", two, false, false)
	takes("the first again", one, false, false)
	takes("one that must", two, true, true)

	ok(rdb.PExpire(ctx, one.key, time.Minute).Err())
	ok(one.extend(ctx))
	if left := rdb.PTTL(ctx, one.key).Val(); left < 50*time.Minute {
		t.Errorf("an extended duty lasts %v", left)
	}
	ok(rdb.FlushDB(ctx).Err())
	ok(one.extend(ctx))
	takes("after Redis has lost its data", one, false, true)

	ok(rdb.Del(ctx, one.key).Err())
	ok(rdb.RPush(ctx, one.key, "overwritten").Err())
	takes("a key of another type", two, false, false)
	two.last = time.Now().Add(-forgotten*two.every - time.Minute)
	takes("a key of another type after a long time", two, false, true)
	takes("a duty like all others", one, false, false)
	if left := rdb.PTTL(ctx, one.key).Val(); left <= 0 {
		t.Errorf("the duty lasts %v", left)
	}
}

package notify

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell"
)

// duty is what one process of an installation does every so often. The process that makes a key in Redis has
// the duty until the key expires. A Redis that has lost its data has lost the key too, so that somebody takes the
// duty at once.
type duty struct {
	rdb   redis.UniversalClient
	key   string
	every time.Duration
	last  time.Time // when this process had it
}

// forgotten is after how many times of duty a process takes it that it was not given: another program may have
// overwritten the key, so that it never expires.
const forgotten = 10

func (q *queues) duty(name string, every time.Duration) *duty {
	return &duty{rdb: q.rdb, key: q.events(schoolbell.LaneNormal).QualifiedName() + "." + name, every: every, last: time.Now()}
}

// take reports whether this process has the duty. With force it has, even if another process has it too.
func (d *duty) take(ctx context.Context, force bool) (taken bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	if force || time.Since(d.last) > forgotten*d.every {
		taken, err = true, d.rdb.Set(ctx, d.key, 1, d.every).Err()
	} else {
		taken, err = d.rdb.SetNX(ctx, d.key, 1, d.every).Result()
	}
	if err != nil {
		return false, fmt.Errorf("take the duty %s: %w", d.key, err)
	}
	if taken {
		d.last = time.Now()
	}
	return taken, nil
}

// extend begins the time of duty again. A key that is gone stays so.
func (d *duty) extend(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	if err := d.rdb.PExpire(ctx, d.key, d.every).Err(); err != nil {
		return fmt.Errorf("extend the duty %s: %w", d.key, err)
	}
	return nil
}

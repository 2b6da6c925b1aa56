package bullmq

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq/redistest"
)

// damagedKeys are the keys that a move may write, with their types.
var damagedKeys = map[string]string{
	"meta": "hash", "id": "string", "wait": "list", "paused": "list", "active": "list", "prioritized": "zset", "pc": "string",
	"delayed": "zset", "waiting-children": "zset", "completed": "zset", "failed": "zset", "stalled": "set", "limiter": "string",
	"events": "stream", "marker": "zset", "repeat": "zset", "repeat:s": "hash", "metrics:completed": "hash", "metrics:completed:data": "list",
	"metrics:failed": "hash", "de:d": "string", "dn:d": "hash", "stalled-check": "string",
	"j": "hash", "j:lock": "string", "j:logs": "list", "j:dependencies": "set", "j:unsuccessful": "zset",
	"p": "hash", "p:dependencies": "set", "p:processed": "hash", "p:failed": "hash", "p:unsuccessful": "zset",
	"k": "hash", "old": "hash",
}

func TestDamagedMoves(t *testing.T) {
	t.Parallel()
	t.Run("a move succeeds or changes nothing", testDamagedMovesAtomic)
}

// A script that fails half way is not undone. Whatever key of the queue another program
// has overwritten, a move is refused before it has changed anything, or succeeds.
func testDamagedMovesAtomic(t *testing.T) {
	t.Parallel()
	for _, mv := range append(movesOfQueues(), movesOfWorkers()...) {
		t.Run(mv.name, func(t *testing.T) {
			t.Parallel()
			rdb := redis.NewClient(&redis.Options{Addr: redistest.Addr(t)})
			t.Cleanup(func() { _ = rdb.Close() })
			q, err := NewQueue(rdb, "q", QueueOptions{Pause: PauseMoves})
			if err != nil {
				t.Fatal(err)
			}
			m := &mover{t, rdb, q}
			for _, key := range slices.Sorted(maps.Keys(damagedKeys)) {
				for _, as := range []string{"string", "list", "zset", "hash"} {
					if as == damagedKeys[key] && as != "string" || as == "string" && strings.HasPrefix(key, "de:") {
						continue
					}
					if err := mv.meets(m, "bull:q:"+key, as); err != nil {
						t.Errorf("%s is a %s: %v", key, as, err)
					}
				}
			}
		})
	}
}

// meets makes the move while key holds another type, and again when it does not.
func (mv *move) meets(m *mover, key, as string) error {
	ctx := m.t.Context()
	m.ok(m.rdb.FlushAll(ctx).Err())
	call := mv.begin(m)
	kept := m.rdb.Rename(ctx, key, "kept").Err() == nil // not all are there
	m.overwrite(key, as)
	before := m.read(key)
	err := call(ctx)
	if err == nil {
		return m.placed(key)
	}
	if after := m.read(key); !maps.Equal(before, after) {
		return fmt.Errorf("%w, but it changed\n%v to\n%v", err, before, after)
	}
	var refused *ScriptError
	if !errors.As(err, &refused) && !errors.Is(err, ErrJobLocked) && (!errors.Is(err, ErrDamagedKey) || !strings.Contains(err.Error(), key)) {
		return fmt.Errorf("the error does not name the key: %w", err)
	}
	m.ok(m.rdb.Del(ctx, key).Err())
	if kept {
		m.ok(m.rdb.Rename(ctx, "kept", key).Err())
	}
	if err := call(ctx); err != nil {
		return fmt.Errorf("after the repair: %w", err)
	}
	return m.placed(key)
}

func (m *mover) overwrite(key, as string) {
	ctx := m.t.Context()
	switch as {
	case "string":
		m.ok(m.rdb.Set(ctx, key, "x", 0).Err())
	case "list":
		m.ok(m.rdb.RPush(ctx, key, "x").Err())
	case "zset":
		m.ok(m.rdb.ZAdd(ctx, key, redis.Z{Score: 1, Member: "x"}).Err())
	case "hash":
		m.ok(m.rdb.HSet(ctx, key, "x", "y").Err())
	}
}

// read reads all that tells of jobs: places, hashes, locks and what hangs on parents.
func (m *mover) read(damaged string) map[string]string {
	ctx := m.t.Context()
	all := map[string]string{}
	for _, key := range m.rdb.Keys(ctx, "*").Val() {
		switch strings.TrimPrefix(key, "bull:q:") {
		case "id", "pc", "meta", "events", "marker", "stalled-check": // of no job
		default:
			all[key] = m.content(key)
		}
	}
	delete(all, damaged)
	return all
}

func (m *mover) content(key string) string {
	ctx := m.t.Context()
	switch m.rdb.Type(ctx, key).Val() {
	case "string":
		return m.rdb.Get(ctx, key).Val()
	case "list":
		return fmt.Sprint(m.rdb.LRange(ctx, key, 0, -1).Val())
	case "zset":
		return fmt.Sprint(m.rdb.ZRangeWithScores(ctx, key, 0, -1).Val())
	case "set":
		return fmt.Sprint(m.rdb.SMembers(ctx, key).Val())
	case "hash":
		return fmt.Sprint(m.rdb.HGetAll(ctx, key).Val())
	}
	return ""
}

// placed finds each job that has a hash in one list or set, or among what was moved aside.
func (m *mover) placed(damaged string) error {
	ctx := m.t.Context()
	for _, key := range m.rdb.Keys(ctx, "bull:q:*").Val() {
		id := strings.TrimPrefix(key, "bull:q:")
		if key == damaged || strings.HasPrefix(id, "dn:") || strings.Count(id, ":") == 1 || !m.rdb.HExists(ctx, key, "timestamp").Val() {
			continue
		}
		places := 0
		for _, list := range []string{"bull:q:wait", "bull:q:paused", "bull:q:active", "kept"} {
			if m.rdb.LPos(ctx, list, id, redis.LPosArgs{}).Err() == nil {
				places++
			}
		}
		for _, set := range []string{"prioritized", "delayed", "waiting-children", "completed", "failed"} {
			if m.rdb.ZScore(ctx, "bull:q:"+set, id).Err() == nil {
				places++
			}
		}
		if m.rdb.ZScore(ctx, "kept", id).Err() == nil {
			places++
		}
		if places != 1 {
			return fmt.Errorf("job %s is in %d places: %v", id, places, m.read(damaged))
		}
	}
	return nil
}

package app

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq"
)

const (
	listQueuesEvery = 30 * time.Second // looking for queues reads the names of all keys
	maxQueues       = 200
	scanCount       = 1000
)

// queueList knows the queues of a prefix, also those of other programs. It is safe for concurrent use.
type queueList struct {
	own    []*bullmq.Queue
	rdb    redis.UniversalClient
	prefix string

	mu    sync.Mutex
	found []*bullmq.Queue
	at    time.Time
}

func newQueueList(own []*bullmq.Queue, rdb redis.UniversalClient, prefix string) *queueList {
	return &queueList{own: own, rdb: rdb, prefix: prefix}
}

// Own implements panel.Queues.
func (l *queueList) Own(name string) bool {
	return slices.ContainsFunc(l.own, func(q *bullmq.Queue) bool { return q.Name() == name })
}

// All implements panel.Queues. Queues of other programs are looked for every half minute.
func (l *queueList) All(ctx context.Context) ([]*bullmq.Queue, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.at.IsZero() && time.Since(l.at) < listQueuesEvery {
		return slices.Concat(l.own, l.found), nil
	}
	names, err := l.others(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for queues: %w: %w", bullmq.ErrUnavailable, err)
	}
	l.found = nil
	for _, name := range names {
		q, err := bullmq.NewQueue(l.rdb, name, bullmq.QueueOptions{Prefix: l.prefix})
		if err != nil {
			continue // a key that only looks like a queue's
		}
		l.found = append(l.found, q)
	}
	l.at = time.Now()
	return slices.Concat(l.own, l.found), nil
}

// others returns the names of the queues of other programs, sorted: those that have a key prefix:name:meta.
func (l *queueList) others(ctx context.Context) (names []string, err error) {
	var mu sync.Mutex
	scan := func(ctx context.Context, node redis.Cmdable) error {
		keys := node.Scan(ctx, 0, globEscape.Replace(l.prefix)+":*:meta", scanCount).Iterator()
		for keys.Next(ctx) {
			name := strings.TrimSuffix(strings.TrimPrefix(keys.Val(), l.prefix+":"), ":meta")
			mu.Lock()
			if name != "" && !strings.Contains(name, ":") && !l.Own(name) && len(names) < maxQueues {
				names = append(names, name)
			}
			mu.Unlock()
		}
		return keys.Err()
	}
	if cluster, ok := l.rdb.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return scan(ctx, node) })
	} else {
		err = scan(ctx, l.rdb)
	}
	slices.SortFunc(names, cmp.Compare[string])
	return slices.Compact(names), err
}

// globEscape makes a text match only itself in a pattern of Redis.
var globEscape = strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`, "]", `\]`)

package system

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Dump returns every column of every row of every table of the ledger, a line each.
func (l *Ledger) Dump() string {
	l.t.Helper()
	tables := `SELECT name FROM sqlite_master WHERE type = 'table'`
	if l.driver == "pgx" {
		tables = `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'`
	}
	var out strings.Builder
	for _, table := range l.texts(tables) {
		l.rows(`SELECT * FROM "`+table+`"`, func(r *sql.Rows) error {
			names, err := r.Columns()
			if err != nil {
				return err
			}
			values, into := make([]any, len(names)), make([]any, len(names))
			for i := range values {
				into[i] = &values[i]
			}
			if err := r.Scan(into...); err != nil {
				return err
			}
			for i, v := range values {
				if b, ok := v.([]byte); ok {
					v = string(b)
				}
				fmt.Fprintf(&out, "ledger %s.%s: %v\n", table, names[i], v)
			}
			return nil
		})
	}
	return out.String()
}

// DumpRedis returns every key of the Redis at addr with all that is in it, a line each.
func DumpRedis(t testing.TB, addr string) string {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: addr})
	defer rdb.Close()
	ctx := t.Context()
	var out strings.Builder
	for keys := rdb.Scan(ctx, 0, "*", 1000).Iterator(); keys.Next(ctx); {
		value, err := everything(ctx, rdb, keys.Val())
		if err != nil {
			t.Fatalf("read key %s: %v", keys.Val(), err)
		}
		fmt.Fprintf(&out, "redis %s: %v\n", keys.Val(), value)
	}
	return out.String()
}

// everything returns the value of a key of any type that queues use.
func everything(ctx context.Context, rdb *redis.Client, key string) (any, error) {
	kind, err := rdb.Type(ctx, key).Result()
	if err != nil {
		return nil, err
	}
	switch kind {
	case "string":
		return rdb.Get(ctx, key).Result()
	case "hash":
		return rdb.HGetAll(ctx, key).Result()
	case "list":
		return rdb.LRange(ctx, key, 0, -1).Result()
	case "set":
		return rdb.SMembers(ctx, key).Result()
	case "zset":
		return rdb.ZRangeWithScores(ctx, key, 0, -1).Result()
	case "stream":
		return rdb.XRange(ctx, key, "-", "+").Result()
	case "none": // it expired meanwhile
		return nil, nil
	}
	return nil, fmt.Errorf("unexpected type %s", kind)
}

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell/internal/testenv"
	"schoolbell/test/system"
)

// Jobs of other programs fail; nothing of what is in them goes into the log.
func TestForeignJobs(t *testing.T) {
	t.Parallel()
	mail := system.NewMail(t)
	s := system.New(t, system.Parts{Redis: testenv.Redis(t), SMTP: mail.Addr(), Settings: []string{"LOG_LEVEL=debug", "RATE_LIMIT_MAX=0"}})
	serve, worker := s.Serve(), s.Worker("one")
	s.AwaitReady()
	rdb := redis.NewClient(&redis.Options{Addr: s.Redis})
	defer rdb.Close()
	ctx := t.Context()
	secret := strings.Repeat("family secret ", 300_000)
	add := func(queue, id string, fields ...any) {
		prefix := "bull:" + queue + ":"
		must(t, rdb.HSet(ctx, prefix+id, append([]any{"name", secret, "opts", `{"attempts":1}`, "timestamp", "1700000000000"}, fields...)...).Err())
		must(t, rdb.LPush(ctx, prefix+"wait", id).Err())
		must(t, rdb.ZAdd(ctx, prefix+"marker", redis.Z{Score: 0, Member: "0"}).Err())
	}
	for _, queue := range []string{"event-notifications", "event-notifications-email"} {
		add(queue, "plain", "data", `"`+secret+`"`)
		add(queue, "named", "data", `{"event_id":"`+secret+`","channel":"email","seq":1}`)
		add(queue, "deferred", "data", "{}", "defa", secret)
		add(queue, strings.Repeat("long-id", 10_000), "data", secret)
		failed := "bull:" + queue + ":failed"
		testenv.Eventually(t, 30*time.Second, func() error {
			if n := rdb.ZCard(ctx, failed).Val(); n != 4 {
				return fmt.Errorf("%d jobs", n)
			}
			return nil
		}, "the jobs in %s fail", queue)
	}
	worker.Stop()
	serve.Stop()
	for name, p := range map[string]*system.Process{"worker": worker, "serve": serve} {
		if log := p.Output(); len(log) > 50_000 || strings.Count(log, "family secret") > 2*36 { // what other programs call a failure is cut
			t.Errorf("the log of %s has %d bytes, %d times the secret", name, len(log), strings.Count(log, "family secret"))
		}
	}
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	t.Run("Redis is not ready while it rejects writes", testReadinessRedisRejectsWrites)
}

// A Redis that answers PING and refuses changes is not ready.
func testReadinessRedisRejectsWrites(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]func(t *testing.T, rdb *redis.Client){
		"its disk is full": func(t *testing.T, rdb *redis.Client) {
			dir := rdb.ConfigGet(t.Context(), "dir").Val()["dir"]
			must(t, os.Mkdir(filepath.Join(dir, "dump.rdb"), 0o700)) // a snapshot cannot replace a folder
			must(t, rdb.ConfigSet(t.Context(), "save", "3600 1").Err())
			must(t, rdb.BgSave(t.Context()).Err())
			testenv.Eventually(t, 20*time.Second, func() bool {
				return strings.HasPrefix(fmt.Sprint(rdb.Set(t.Context(), "x", "y", 0).Err()), "MISCONF")
			}, "Redis refuses changes")
		},
		"its memory is full": func(t *testing.T, rdb *redis.Client) { must(t, rdb.ConfigSet(t.Context(), "maxmemory", "1").Err()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mail := system.NewMail(t)
			s := system.New(t, system.Parts{Redis: testenv.Redis(t), SMTP: mail.Addr()})
			serve := s.Serve()
			s.AwaitReady()
			rdb := redis.NewClient(&redis.Options{Addr: s.Redis})
			defer rdb.Close()
			refuse(t, rdb)
			before := rdb.DBSize(t.Context()).Val()
			testenv.Eventually(t, 30*time.Second, func() error {
				r, err := s.Readiness()
				if err == nil && (r.Code != 503 || r.Dependency("redis") != "down" || !r.Accepting) {
					err = fmt.Errorf("it says %+v", r)
				}
				return err
			}, "/readyz says that Redis is down")
			if after := rdb.DBSize(t.Context()).Val(); after > before {
				t.Errorf("there were %d keys and are %d", before, after)
			}
			serve.Stop()
		})
	}
}

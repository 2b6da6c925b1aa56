package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"schoolbell/internal/testenv"
	"schoolbell/test/system"
)

func TestRedisOutage(t *testing.T) {
	t.Parallel()
	mail, redis := system.NewMail(t), testenv.RedisServer(t, testenv.RedisOptions{})
	s := system.New(t, system.Parts{Database: testenv.Postgres(t), Redis: redis.Addr, SMTP: mail.Addr()})
	serve, worker := s.Serve(), s.Worker("worker")
	s.AwaitReady()
	s.Import(people)
	redis.Kill()
	testenv.Eventually(t, time.Minute, func() error {
		r, err := s.Readiness()
		if err == nil && (r.Code != http.StatusServiceUnavailable || r.Status != "degraded" || !r.Accepting || r.Dependency("redis") != "down" || r.Dependency("ledger") != "ok") {
			err = fmt.Errorf("it says %+v", r)
		}
		return err
	}, "the API says that Redis is down")
	created := s.Create()
	t.Logf("without Redis an event for %d people was accepted in %v", people, created.Took)
	if created.Status != "queued" || mail.Accepted() != 0 {
		t.Errorf("the event is %s and %d emails have left", created.Status, mail.Accepted())
	}
	redis.Restart()
	s.ReachedOnce(mail, created.ID, people)
	s.AwaitReady()
	worker.Stop()
	serve.Stop()
}

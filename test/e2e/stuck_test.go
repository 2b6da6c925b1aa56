package e2e

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"schoolbell/internal/testenv"
	"schoolbell/test/system"
)

// Whatever does not answer, SIGTERM ends each process within its grace time.
func TestStuckShutdown(t *testing.T) {
	t.Parallel()
	const grace = 4 * time.Second
	for name, stick := range map[string]func(s *system.School, mail *system.Mail, redis *testenv.RedisProc){
		"the mail server": func(_ *system.School, mail *system.Mail, _ *testenv.RedisProc) {},
		"Redis":           func(_ *system.School, _ *system.Mail, redis *testenv.RedisProc) { redis.Pause() },
		"clients": func(s *system.School, _ *system.Mail, _ *testenv.RedisProc) {
			for _, request := range []string{
				"POST /v1/users:import HTTP/1.1\r\nContent-Type: text/csv\r\nContent-Length: 5000\r\n\r\nid,name\r\n",
				"POST /v1/events HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n{",
				"GET /v1/users/" + system.Person(0) + "/inbox/stream HTTP/1.1\r\n\r\n",
				"GET /v1/eve",
			} {
				conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = conn.Close() })
				head, body, _ := strings.Cut(request, "\r\n")
				if _, err := fmt.Fprintf(conn, "%s\r\nHost: x\r\nAuthorization: Bearer %s\r\n%s", head, system.Key, body); err != nil {
					t.Fatal(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mail, redis := system.NewMail(t), testenv.RedisServer(t, testenv.RedisOptions{})
			s := system.New(t, system.Parts{Redis: redis.Addr, SMTP: mail.Addr(), Settings: []string{"SHUTDOWN_GRACE=" + grace.String()}})
			serve, worker := s.Serve(), s.Worker("one")
			s.AwaitReady()
			s.Import(200)
			mail.HoldAfter(10)
			s.Create()
			testenv.Eventually(t, 20*time.Second, func() bool { return mail.Accepted() >= 10 }, "mail is held back")
			stick(s, mail, redis)
			for what, p := range map[string]*system.Process{"serve": serve, "worker": worker} {
				began := time.Now()
				p.Terminate()
				p.Exit(grace + 10*time.Second) // the machine may be slow to start and end processes
				t.Logf("%s ended after %v", what, time.Since(began).Round(time.Millisecond))
			}
			mail.Release()
		})
	}
}

// Nobody else on the machine can reach the Redis in the process: it has no port.
func TestEmbeddedRedisPort(t *testing.T) {
	t.Parallel()
	mail := system.NewMail(t)
	s := system.New(t, system.Parts{SMTP: mail.Addr()})
	serve := s.Serve()
	s.AwaitReady()
	ports := listening(t, serve.PID())
	if len(ports) != 1 || !strings.HasSuffix(s.URL, ":"+ports[0]) {
		t.Errorf("serve at %s listens on %v", s.URL, ports)
	}
	serve.Stop()
}

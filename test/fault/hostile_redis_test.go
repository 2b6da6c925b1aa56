package fault

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"schoolbell/internal/testenv"
	"schoolbell/test/system"
)

// hostileProxy stands before a Redis. While it is hostile it sends its words instead of
// each reply.
type hostileProxy struct {
	addr  string
	words atomic.Pointer[string]
	sent  atomic.Int64
}

func newHostileProxy(t *testing.T, redis string) *hostileProxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &hostileProxy{addr: ln.Addr().String()}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { p.serve(client, redis) })
		}
	})
	t.Cleanup(func() { _ = ln.Close(); serving.Wait() })
	return p
}

func (p *hostileProxy) serve(client net.Conn, redis string) {
	defer client.Close()
	server, err := net.Dial("tcp", redis)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	}()
	b := make([]byte, 32<<10)
	for {
		n, err := server.Read(b)
		if err != nil {
			return
		}
		reply := b[:n]
		if words := p.words.Load(); words != nil {
			reply = []byte(*words)
			p.sent.Add(1)
		}
		if _, err := client.Write(reply); err != nil {
			return
		}
	}
}

// A Redis that announces replies which nobody could hold must not end the program:
// clients allocate what is announced.
func TestHostileRedis(t *testing.T) {
	t.Parallel()
	for name, words := range map[string]string{
		"a string of a terabyte": "$999999999999\r\n",
		"a list of two billion":  "*2147483647\r\n",
		"a map of two billion":   "%2147483647\r\n",
		"lists within lists":     strings.Repeat("*1048576\r\n", 1_000),
		"a line without end":     "+" + strings.Repeat("x", 1<<20),
		"another protocol":       "HTTP/1.1 400 Bad Request\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const people = 50
			mail := system.NewMail(t)
			proxy := newHostileProxy(t, testenv.Redis(t))
			s := system.New(t, system.Parts{Redis: proxy.addr, SMTP: mail.Addr()})
			api, worker := s.Serve(), s.Worker("one")
			s.AwaitReady()
			s.Import(people)
			proxy.words.Store(&words)
			id := s.Create().ID
			testenv.Eventually(t, promise, func() bool { return proxy.sent.Load() > 20 }, "the program has been told such replies")
			for _, p := range []*system.Process{api, worker} {
				if mb := highWater(t, p.PID()); mb > 400 {
					t.Errorf("it has used %d MB", mb)
				}
			}
			proxy.words.Store(nil)
			s.ReachedOnce(mail, id, people)
			worker.Stop()
			api.Stop()
		})
	}
}

// highWater is the most memory that a process has had resident, in MB.
func highWater(t *testing.T, pid int) (mb int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		var kb int
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kb); n == 1 {
			return kb >> 10
		}
	}
	t.Fatal("the system does not tell")
	return 0
}

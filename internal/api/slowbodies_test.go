package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/testenv"
)

// Bodies that do not come to their end hold memory. However many there are, it is
// bounded, and small requests are served meanwhile.
func TestSlowBodies(t *testing.T) { // not parallel: it counts what the process holds
	s := newServer(t)
	s.user("u1")
	const (
		large = 120 // events of nearly 1 MiB, of which 32 MiB may be there
		small = 400 // preferences of nearly 32 KiB
	)
	before := heap()
	refused := make(chan answer, large)
	send := func(head string, size int) *net.TCPConn {
		conn := s.dial()
		_, err := fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
			head, s.keys[schoolbell.ScopeAdmin], size)
		must(t, err)
		return conn
	}
	var sending sync.WaitGroup
	for range large {
		conn := send("POST /v1/events", 1<<20)
		sending.Go(func() { // all but the last byte
			_, _ = io.Copy(conn, io.LimitReader(spaces{}, 1<<20-1)) // a refused connection may be closed meanwhile
			if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
				body, _ := io.ReadAll(resp.Body)
				refused <- answer{resp, string(body)}
			}
		})
	}
	for range small {
		conn := send("PUT /v1/users/u1/preferences", 32<<10)
		_, err := io.Copy(conn, io.LimitReader(spaces{}, 32<<10-1))
		must(t, err)
	}
	for range large - 64 { // 31 to 63 of them have room, as far as they have come
		a := <-refused
		if p := a.problem(t); p.Status != 503 || p.Code != "unavailable" || a.Header.Get("Retry-After") == "" {
			t.Errorf("answered %d %s, headers %v", p.Status, p.Code, a.Header)
		}
	}
	if a := s.raw("POST", "/v1/events", event()); a.StatusCode != 201 {
		t.Errorf("a small event meanwhile: %d %s", a.StatusCode, a.body)
	}
	if held := int64(heap()) - int64(before); held > 160<<20 {
		t.Errorf("%d MiB are held", held>>20)
	}
	s.hangUp()
	sending.Wait()
	testenv.Eventually(t, 20*time.Second, func() bool {
		return s.raw("POST", "/v1/events", event("body", `"`+strings.Repeat("x", 20_000)+`"`, "data", `{"x":"`+strings.Repeat("x", 16_000)+`"}`)).StatusCode == 201
	}, "a large event is accepted when the others are gone")
}

// heap is how many bytes are reachable.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// spaces is white space without end.
type spaces struct{}

func (spaces) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

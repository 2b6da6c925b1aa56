package system

import (
	"bufio"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// HangUp stands before a mail server and ends connections instead of handing a
// command on. Its methods are safe for concurrent use.
type HangUp struct {
	l      net.Listener
	server string

	mu    sync.Mutex
	at    string // beginning of the commands it does not hand on; empty for none
	times int
}

// NewHangUp starts one before the server at addr that hands everything on.
func NewHangUp(t testing.TB, addr string) *HangUp {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &HangUp{l: l, server: addr}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { h.serve(conn) })
		}
	})
	t.Cleanup(func() { _ = l.Close() })
	return h
}

// Addr is the address that mail goes to.
func (h *HangUp) Addr() string { return h.l.Addr().String() }

// At has connections ended at commands that begin like this, such as "MAIL FROM:"; empty for none.
func (h *HangUp) At(command string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = command
}

// Times is how many connections it ended.
func (h *HangUp) Times() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.times
}

func (h *HangUp) ends(line string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	end := h.at != "" && strings.HasPrefix(line, h.at)
	if end {
		h.times++
	}
	return end
}

func (h *HangUp) serve(conn net.Conn) {
	defer conn.Close()
	server, err := net.Dial("tcp", h.server)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(conn, server)
		_ = conn.Close()
	}()
	commands := bufio.NewReader(conn)
	for {
		line, err := commands.ReadString('\n')
		if err != nil || h.ends(line) {
			return
		}
		if _, err := io.WriteString(server, line); err != nil {
			return
		}
	}
}

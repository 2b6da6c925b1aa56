package fake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// maxRequest is the largest request that is read, in bytes.
const maxRequest = 41 << 20

// Server is what all fakes have in common: an HTTP server, its script, the counts of what it accepted, and the requests
// that it makes itself. It is safe for concurrent use.
type Server struct {
	listener net.Listener
	http     *http.Server
	script   atomic.Pointer[Script]

	client   *http.Client    // of reports
	stopping context.Context // ends with Close
	stop     context.CancelFunc
	work     sync.WaitGroup // reports

	mu       sync.Mutex
	accepted map[string]int // by token
	total    int
	closed   bool
	watch    func(line string) // nil for nobody
}

// newServer returns a server that listens on addr, "127.0.0.1:0" if empty, and answers once it is run.
func newServer(addr string, script Script, handler http.Handler) (*Server, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	s := &Server{listener: l, accepted: make(map[string]int), client: &http.Client{Timeout: reportTimeout}}
	s.stopping, s.stop = context.WithCancel(context.Background())
	s.http = &http.Server{
		Handler: http.MaxBytesHandler(handler, maxRequest), ReadHeaderTimeout: 10 * time.Second,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	s.SetScript(script)
	return s, nil
}

// URL returns the base URL of the server.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Run answers requests until ctx ends or the server is closed. It may be called once.
func (s *Server) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", s.URL(), err)
	}
	return nil
}

// Close stops listening and reporting, and ends all connections.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	err := s.http.Close()
	s.work.Wait()
	s.client.CloseIdleConnections()
	if closed := s.listener.Close(); !errors.Is(closed, net.ErrClosed) {
		err = errors.Join(err, closed)
	}
	return err
}

// SetScript changes what happens to further messages; nil means [ByRecipient].
func (s *Server) SetScript(script Script) {
	if script == nil {
		script = ByRecipient
	}
	s.script.Store(&script)
}

func (s *Server) act(to string) Act { return (*s.script.Load())(to) }

// Accepted returns how many times the message with a token was accepted.
func (s *Server) Accepted(token string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted[token]
}

// Total returns how many messages were accepted, and how many different tokens they had.
func (s *Server) Total() (messages, tokens int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total, len(s.accepted)
}

// accept counts a message and returns its number, from 1 on.
func (s *Server) accept(token string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accepted[token]++
	s.total++
	return s.total
}

// Watch calls f with a line for each message that is accepted and for each report, from several goroutines at once.
func (s *Server) Watch(f func(line string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watch = f
}

func (s *Server) say(format string, args ...any) {
	s.mu.Lock()
	watch := s.watch
	s.mu.Unlock()
	if watch != nil {
		watch(fmt.Sprintf(format, args...))
	}
}

// bucket lets so many messages through in a second. The zero rate lets all through.
type bucket struct {
	rate float64 // messages per second

	mu    sync.Mutex
	level float64 // messages that may pass now
	at    time.Time
}

// take takes n messages if they may pass.
func (b *bucket) take(n float64, now time.Time) bool {
	if b.rate <= 0 {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	most := max(1, b.rate)
	if b.at.IsZero() {
		b.level = most
	} else {
		b.level = min(most, b.level+now.Sub(b.at).Seconds()*b.rate)
	}
	b.at = now
	if b.level < n {
		return false
	}
	b.level -= n
	return true
}

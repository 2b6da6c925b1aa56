package api_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/api"
	"schoolbell/internal/auth"
	"schoolbell/internal/testenv"
	"schoolbell/wire"
)

// openStream opens a live stream and returns its response, whose body the caller reads.
func (s *server) openStream(path, credential string) *http.Response {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), "GET", s.url+path, nil)
	must(s.t, err)
	req.Header.Set("Authorization", "Bearer "+credential)
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	must(s.t, err)
	s.t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// ends waits until the stream has ended and returns what came.
func ends(t *testing.T, resp *http.Response) string {
	t.Helper()
	if resp.StatusCode != 200 {
		t.Fatalf("the stream answered %d", resp.StatusCode)
	}
	text := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(resp.Body)
		text <- string(b)
	}()
	select {
	case got := <-text:
		return got
	case <-time.After(20 * time.Second):
		t.Fatal("the stream has not ended within 20 seconds")
		return ""
	}
}

func TestStreams(t *testing.T) {
	t.Parallel()
	t.Run("a stream ends with its user, key or tokens", testStreamsRevoked)
	t.Run("a stream ends when its token expires", testStreamsTokenExpiry)
	t.Run("the number of open streams is limited", testStreamsLimit)
}

func testStreamsRevoked(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(s *server){
		"the user's tokens are revoked": func(s *server) { must(s.t, s.RevokeTokens(s.t.Context(), "u1")) },
		"the user is deleted":           func(s *server) { must(s.t, s.DeleteUser(s.t.Context(), "u1")) },
		"another user gets the id": func(s *server) {
			must(s.t, s.DeleteUser(s.t.Context(), "u1"))
			s.user("u1")
			s.notice("private", "u1")
		},
		"the key is revoked": func(s *server) {
			_, err := auth.New(s.ledger.Auth, auth.Options{}).Revoke(s.t.Context(), auth.Fingerprint(s.key(schoolbell.ScopeSend)))
			must(s.t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, func(c *api.Config) { c.StreamCheck = 20 * time.Millisecond })
			s.user("u1")
			ev := s.notice("One", "u1")
			tok, err := s.as(s.keys[schoolbell.ScopeSend]).CreateToken(t.Context(), "u1", 0)
			must(t, err)
			streams := map[string]*http.Response{"inbox by token": s.openStream("/v1/users/u1/inbox/stream", tok.Token)}
			if !strings.Contains(name, "tokens") {
				streams["inbox by key"] = s.openStream("/v1/users/u1/inbox/stream", s.keys[schoolbell.ScopeSend])
			}
			if strings.Contains(name, "key") {
				streams["event by key"] = s.openStream("/v1/events/"+ev.ID+"/stream", s.keys[schoolbell.ScopeSend])
			}
			end(s)
			for what, resp := range streams {
				if got := ends(t, resp); strings.Contains(got, "private") {
					t.Errorf("%s read the next user's item: %s", what, got)
				}
			}
		})
	}
}

func testStreamsTokenExpiry(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *api.Config) { c.StreamCheck = 20 * time.Millisecond })
	s.user("u1")
	early := auth.New(s.ledger.Auth, auth.Options{Clock: func() time.Time { return time.Now().Add(auth.MinTokenTTL - time.Hour + 2*time.Second) }})
	token, expires, err := early.Token(t.Context(), s.key(schoolbell.ScopeSend), "u1", time.Hour-auth.MinTokenTTL)
	must(t, err)
	ends(t, s.openStream("/v1/users/u1/inbox/stream", token))
	if time.Now().Before(expires) {
		t.Error("the stream ended before its token")
	}
}

func testStreamsLimit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		limits api.StreamLimits
		allow  int
		other  int // status of another user's stream then
	}{
		"by user":  {api.StreamLimits{PerUser: 3}, 3, 200},
		"by key":   {api.StreamLimits{PerKey: 3}, 3, 429},
		"in all":   {api.StreamLimits{Total: 3}, 3, 429},
		"not":      {api.StreamLimits{}, 10, 200},
		"by all":   {api.StreamLimits{PerUser: 2, PerKey: 200, Total: 2000}, 2, 200},
		"the rest": {api.StreamLimits{PerUser: 5, PerKey: 4, Total: 2000}, 4, 429},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, func(cfg *api.Config) { cfg.Streams = c.limits })
			s.user("u1")
			s.user("u2")
			token, other := s.token("u1"), s.token("u2")
			var open []*http.Response
			for range c.allow {
				resp := s.openStream("/v1/users/u1/inbox/stream", token)
				if resp.StatusCode != 200 {
					t.Fatalf("stream %d: %d", len(open), resp.StatusCode)
				}
				open = append(open, resp)
			}
			if name != "not" {
				resp := s.openStream("/v1/users/u1/inbox/stream", token)
				body, _ := io.ReadAll(resp.Body)
				p := answer{resp, string(body)}.problem(t)
				if p.Status != 429 || p.Code != "limited" || resp.Header.Get("Retry-After") == "" {
					t.Errorf("one more: %d %s, Retry-After %q", p.Status, p.Code, resp.Header.Get("Retry-After"))
				}
			}
			if got := s.openStream("/v1/users/u2/inbox/stream", other).StatusCode; got != c.other {
				t.Errorf("another user: %d, want %d", got, c.other)
			}
			must(t, open[0].Body.Close())
			testenv.Eventually(t, 10*time.Second, func() bool {
				return s.openStream("/v1/users/u1/inbox/stream", token).StatusCode == 200
			}, "a stream may be opened once another was closed")
		})
	}
}

// An idle stream, and one with a long backlog, must cost little memory.
func TestStreamMemory(t *testing.T) { // not parallel: it looks at the memory of the process
	s := newServer(t, func(c *api.Config) { c.Heartbeat = time.Hour })
	s.user("u1")
	const streams, items = 20, 300
	body := strings.Repeat("long ", 3_000)
	for range items {
		s.arrived(body, "u1")
	}
	open := func() (held []io.Reader, end func()) {
		ctx, cancel := context.WithCancel(t.Context())
		for range streams {
			req, err := http.NewRequestWithContext(ctx, "GET", s.url+"/v1/users/u1/inbox/stream", nil)
			must(t, err)
			req.Header.Set("Authorization", "Bearer "+s.keys[schoolbell.ScopeAdmin])
			req.Header.Set("Last-Event-ID", "0")
			resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
			must(t, err)
			t.Cleanup(func() { _ = resp.Body.Close() })
			_, err = io.ReadFull(resp.Body, make([]byte, 100)) // it has begun; nothing more is read
			must(t, err)
			held = append(held, resp.Body)
		}
		return held, cancel
	}
	_, end := open() // fills the ledger's caches
	end()
	before := live()
	held, end := open()
	defer end()
	testenv.Eventually(t, 20*time.Second, func() error { // when the buffers of the connections are full
		if each := (int64(live()) - int64(before)) / streams; each > 250<<10 {
			return fmt.Errorf("%d bytes for each", each)
		}
		return nil
	}, "%d streams with backlogs of %d bytes cost little", streams, items*len(body))
	runtime.KeepAlive(held)
}

func live() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc + stats.StackInuse
}

// arrived puts an event with this body into a user's inbox.
func (s *server) arrived(body, user string) {
	s.t.Helper()
	ev, err := s.CreateEvent(s.t.Context(), wire.NewEvent{Title: "Long", Body: body,
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{user}}}, Channels: []schoolbell.Channel{schoolbell.ChannelInApp}})
	must(s.t, err)
	s.fanOut(ev.ID)
}

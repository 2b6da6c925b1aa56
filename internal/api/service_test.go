package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/internal/api"
	"schoolbell/internal/health"
	"schoolbell/wire"
)

const secretText = "dial tcp 10.1.2.3:5432: password hunter2"

// brokenStore fails with text that no client may see.
type brokenStore struct{ api.Store }

func (brokenStore) Event(_ context.Context, id string) (*schoolbell.Event, error) {
	switch id {
	case "panics":
		panic(secretText)
	case "wrapped":
		return nil, fmt.Errorf("read event: %w", &schoolbell.Error{Code: schoolbell.CodeConflict, Message: "it is taken", Err: errors.New(secretText)})
	case "away":
		return nil, &schoolbell.Error{Code: schoolbell.CodeUnavailable, Message: "the ledger is unavailable", Err: errors.New(secretText)}
	case "coded":
		return nil, &schoolbell.Error{Code: schoolbell.CodeInternal, Message: secretText}
	}
	return nil, errors.New(secretText)
}

func TestInternalErrors(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *api.Config) { c.Store = brokenStore{c.Store} })
	for id, want := range map[string]int{"plain": 500, "panics": 500, "coded": 500, "away": 503, "wrapped": 409} {
		for _, path := range []string{"", "/stream"} {
			a := s.raw("GET", "/v1/events/"+id+path, "", "X-Request-Id", "req-"+id)
			if p := a.problem(t); p.Status != want {
				t.Errorf("%s%s answered %d, want %d", id, path, p.Status, want)
			}
			if strings.Contains(a.body, "hunter2") || strings.Contains(a.body, "goroutine") {
				t.Errorf("%s%s leaks: %s", id, path, a.body)
			}
			if want == 500 && !strings.Contains(a.body, "req-"+id) {
				t.Errorf("%s%s does not name the request: %s", id, path, a.body)
			}
		}
		if log := s.log.String(); want >= 500 && (!strings.Contains(log, "hunter2") || !strings.Contains(log, "request_id=req-"+id) ||
			!strings.Contains(log, `route="GET /v1/events/{id}"`)) {
			t.Errorf("%s: the log lacks cause, request or route", id)
		}
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	if id := s.raw("GET", "/livez", "", "X-Request-Id", "abc-1").Header.Get("X-Request-Id"); id != "abc-1" {
		t.Errorf("a good id became %q", id)
	}
	for _, bad := range []string{"", "a b", `a"b`, strings.Repeat("x", 129)} {
		if id := s.raw("GET", "/livez", "", "X-Request-Id", bad).Header.Get("X-Request-Id"); id == bad || len(id) != 36 {
			t.Errorf("id %q became %q", bad, id)
		}
	}
}

func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, path := range []string{"/v1/users", "/nothing", "/docs", "/livez"} {
		h := s.raw("GET", path, "", "Origin", "https://elsewhere.example").Header
		if h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s lacks security headers: %v", path, h)
		}
		if h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s lets other origins in", path)
		}
	}
}

type readiness struct {
	Status          string
	Detail          string
	AcceptingEvents bool `json:"accepting_events"`
	Dependencies    []struct{ Name, Status, Detail string }
}

func TestReadyz(t *testing.T) {
	t.Parallel()
	down := func(context.Context) error { return errors.New(secretText) }
	hangs := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	fine := func(context.Context) error { return nil }
	for _, c := range []struct {
		name      string
		redis     func(context.Context) error
		ledger    bool
		code      int
		status    string
		accepting bool
	}{
		{"all is there", fine, true, 200, "ok", true},
		{"Redis is down", down, true, 503, "degraded", true},
		{"Redis hangs", hangs, true, 503, "degraded", true},
		{"the ledger is down", fine, false, 503, "down", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, func(cfg *api.Config) {
				cfg.Dependencies = []health.Dependency{{Name: "redis", Check: c.redis}}
				if !c.ledger {
					cfg.Ping = ledgerDown
				}
			})
			a := s.raw("GET", "/readyz", "", "Authorization", "")
			var got readiness
			must(t, json.Unmarshal([]byte(a.body), &got))
			if a.StatusCode != c.code || got.Status != c.status || got.AcceptingEvents != c.accepting {
				t.Errorf("answered %d %s", a.StatusCode, a.body)
			}
			if len(got.Dependencies) != 2 || got.Dependencies[0].Name != "ledger" || got.Dependencies[1].Name != "redis" {
				t.Errorf("dependencies are %v", got.Dependencies)
			}
			if strings.Contains(a.body, "hunter2") {
				t.Errorf("leaks: %s", a.body)
			}
		})
	}
}

func ledgerDown(context.Context) error { return errors.New(secretText) }

func TestMetrics(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	s.raw("GET", "/v1/users/u1", "")
	s.raw("GET", "/v1/users/ghost", "")
	s.raw("GET", "/nothing", "")
	body := s.raw("GET", "/metrics", "", "Authorization", "").body
	for _, want := range []string{
		`schoolbell_http_requests_total{code="200",route="GET /v1/users/{id}"} 1`,
		`schoolbell_http_requests_total{code="404",route="GET /v1/users/{id}"} 1`,
		`schoolbell_http_requests_total{code="404",route="none"} 1`,
		`schoolbell_http_request_seconds_count{route="GET /v1/users/{id}"} 2`,
		`schoolbell_http_streams 0`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("metrics lack %s in\n%s", want, body)
		}
	}
}

func TestWithoutRedis(t *testing.T) {
	t.Parallel()
	s := newServer(t) // nothing listens where its Redis should be
	_, err := s.Queues(t.Context())
	wantProblem(t, err, 503, "unavailable", "")
	if _, err := s.CreateEvent(t.Context(), wire.NewEvent{Title: "A", Body: "B", Audience: parents()}); err != nil {
		t.Errorf("an event is refused while Redis is down: %v", err)
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	if _, err := api.New(api.Config{}); err == nil {
		t.Error("a server without anything was made")
	}
}

// A cursor that a list gives out is read as it was written; of what clients forge, only
// that is taken which a list could have given out.
func FuzzCursors(f *testing.F) {
	f.Add("users", "u1", "", int64(0), "")
	f.Add("deliveries", "", "email", int64(3), "eyJrIjoiZGVsaXZlcmllcyIsImMiOiJwaWdlb24iLCJuIjoxfQ")
	f.Add("jobs", "", "", int64(1)<<62, "eyJrIjoiam9icyIsIm4iOjkyMjMzNzIwMzY4NTQ3NzU4MDd9")
	f.Add("a?b", "\xff", "", int64(-1), "e30")
	kinds := []string{"audit", "events", "users", "groups", "deliveries", "inbox", "jobs"}
	f.Fuzz(func(t *testing.T, kind, id, channel string, n int64, forged string) {
		in := api.Cursor{Kind: kind, ID: id, Channel: schoolbell.Channel(channel), N: n}
		text, err := in.Encode()
		must(t, err)
		if out, err := api.DecodeCursor(in.Kind, text); err == nil && text != "" && out != in {
			t.Errorf("%+v became %+v", in, out)
		}
		for _, kind := range kinds {
			c, err := api.DecodeCursor(kind, forged)
			if err != nil || forged == "" {
				continue
			}
			if c.Kind != kind || c.N < 0 || c.N > 1<<53 || c.Channel != "" && !c.Channel.Valid() || c.ID != "" && !schoolbell.ValidID(c.ID) {
				t.Errorf("%q is taken for %+v", forged, c)
			}
		}
	})
}

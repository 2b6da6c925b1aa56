package calls_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/channel/calls"
)

// serve answers requests until the test ends.
func serve(t *testing.T, f http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return server
}

// do sends a POST with a secret in its URL.
func do(t *testing.T, ctx context.Context, url string) (calls.Reply, *calls.Failure) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url+"/secret", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	client := calls.NewClient(1)
	defer client.CloseIdleConnections()
	reply, err := calls.Do(ctx, client, req)
	if err == nil {
		return reply, nil
	}
	f, ok := errors.AsType[*calls.Failure](err)
	if !ok {
		t.Fatalf("%T is no *Failure", err)
	}
	if strings.Contains(f.Error(), "secret") {
		t.Errorf("the error shows the URL: %v", f)
	}
	return reply, f
}

func TestFailures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		answer  http.HandlerFunc
		verdict schoolbell.Verdict
		reason  string
	}{
		{"nobody listens", nil, schoolbell.VerdictSlowDown, "connection refused"},
		{"the connection ends without a reply", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, schoolbell.VerdictUncertain, "EOF"},
		{"the reply is cut", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("half"))
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, schoolbell.VerdictUncertain, "read the reply of status 200"},
		{"no reply comes", func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadAll(r.Body)
			<-r.Context().Done() // the client gives up
		}, schoolbell.VerdictUncertain, "no reply in time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(c.answer)
			t.Cleanup(server.Close)
			if c.answer == nil {
				server.Close()
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, f := do(t, ctx, server.URL)
			if f == nil {
				t.Fatal("no failure")
			}
			if r := f.Result(); r.Verdict != c.verdict || !strings.Contains(r.Reason, c.reason) {
				t.Errorf("%+v, want %s with %q", r, c.verdict, c.reason)
			}
		})
	}
}

func TestReplies(t *testing.T) {
	t.Parallel()
	t.Run("a redirect is not followed", func(t *testing.T) {
		t.Parallel()
		server := serve(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		})
		if reply, f := do(t, t.Context(), server.URL); f != nil || reply.Status != http.StatusTemporaryRedirect || reply.OK() {
			t.Errorf("%+v, %v", reply, f)
		}
	})
	t.Run("a long reply is cut", func(t *testing.T) {
		t.Parallel()
		server := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) })
		if reply, f := do(t, t.Context(), server.URL); f != nil || len(reply.Body) != 64<<10 || !reply.OK() {
			t.Errorf("%d bytes, %v", len(reply.Body), f)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                              0,
		"soon":                          0,
		"-3":                            0,
		"7":                             7 * time.Second,
		"99999999":                      24 * time.Hour,
		"Thu, 26 Nov 2026 12:01:30 GMT": 90 * time.Second,
		"Thu, 26 Nov 2026 11:00:00 GMT": 0,
	} {
		if got := calls.RetryAfter(http.Header{"Retry-After": {value}}, now); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}

package api_test

import (
	"bufio"
	"net/http"
	"slices"
	"strings"
	"testing"

	"schoolbell/internal/api"
)

const (
	page  = "https://app.school.example"
	local = "http://localhost:5173"
)

// listed are the members of a list in a header.
func listed(h http.Header, name string) (out []string) {
	for _, line := range h.Values(name) {
		for part := range strings.SplitSeq(line, ",") {
			out = append(out, strings.TrimSpace(part))
		}
	}
	return out
}

func corsServer(t *testing.T, change ...func(*api.Config)) *server {
	return newServer(t, append(change, func(c *api.Config) { c.Origins = []string{page, local} })...)
}

func TestCORS(t *testing.T) {
	t.Parallel()
	t.Run("only configured origins may call the API", testCORSOrigins)
	t.Run("a page can read that it is rate limited", testCORSRateLimit)
	t.Run("a page can read every header it needs", testCORSExposedHeaders)
	t.Run("a preflight request needs no key", testCORSPreflight)
	t.Run("a live stream reaches a page of another origin", testCORSStream)
}

func testCORSOrigins(t *testing.T) {
	t.Parallel()
	s := corsServer(t, func(c *api.Config) { c.Store = brokenStore{c.Store} })
	for _, c := range []struct {
		name, method, path, body string
		header                   []string
		status                   int
	}{
		{"a list", "GET", "/v1/users", "", nil, 200},
		{"a change", "PUT", "/v1/groups/g", `{"kind":"class","name":"G"}`, nil, 201},
		{"without a key", "GET", "/v1/users", "", []string{"Authorization", ""}, 401},
		{"what is not there", "GET", "/v1/nothing", "", nil, 404},
		{"a wrong method", "DELETE", "/v1/users", "", nil, 405},
		{"a body of another kind", "PUT", "/v1/groups/g", "x", []string{"Content-Type", "text/plain"}, 415},
		{"a broken query", "GET", "/v1/users?cursor=%zz", "", nil, 400},
		{"a handler that panics", "GET", "/v1/events/panics", "", nil, 500},
	} {
		for origin, allowed := range map[string]bool{page: true, local: true, "https://elsewhere.example": false, "HTTPS://APP.school.example": false, page + ".evil.example": false, "null": false, "": false} {
			a := s.raw(c.method, c.path, c.body, append([]string{"Origin", origin}, c.header...)...)
			if a.StatusCode != c.status && !(c.status == 201 && a.StatusCode == 200) {
				t.Errorf("%s from %q: status %d, want %d: %s", c.name, origin, a.StatusCode, c.status, a.body)
			}
			if got := a.Header.Get("Access-Control-Allow-Origin"); (got != "") != allowed || allowed && got != origin {
				t.Errorf("%s from %q: allowed origin %q", c.name, origin, got)
			}
			if !slices.Contains(listed(a.Header, "Vary"), "Origin") {
				t.Errorf("%s from %q: a cache could mix up the answers: Vary %q", c.name, origin, a.Header.Values("Vary"))
			}
			if a.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s from %q: cookies and passwords of browsers are let in", c.name, origin)
			}
		}
	}
}

// What a script cannot read it cannot obey: when to come again, how many requests are left.
func testCORSRateLimit(t *testing.T) {
	t.Parallel()
	s := corsServer(t, func(c *api.Config) { c.Rates = api.RateLimits{PerKey: 1, PerAddress: 1} })
	for _, authorization := range []string{"", "Bearer sbk_unknown"} {
		header := []string{"Origin", page}
		if authorization != "" {
			header = append(header, "Authorization", authorization)
		}
		a := s.raw("GET", "/v1/users", "", header...)
		for range 20 {
			if a.StatusCode != 429 {
				a = s.raw("GET", "/v1/users", "", header...)
			}
		}
		if a.StatusCode != 429 || a.Header.Get("Access-Control-Allow-Origin") != page {
			t.Errorf("%q: answered %d %v", authorization, a.StatusCode, a.Header)
		}
	}
}

func testCORSExposedHeaders(t *testing.T) {
	t.Parallel()
	s := corsServer(t, func(c *api.Config) { c.Rates.PerKey = 1 })
	s.user("u1")
	alwaysReadable := []string{"Cache-Control", "Content-Length", "Content-Type"}
	forTheBrowser := []string{"Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Content-Security-Policy", "Date", "Referrer-Policy", "Vary",
		"X-Accel-Buffering", "X-Content-Type-Options", "X-Frame-Options"}
	seen := map[string]bool{}
	look := func(a answer) {
		exposed := listed(a.Header, "Access-Control-Expose-Headers")
		for name := range a.Header {
			seen[name] = true
			if !slices.Contains(slices.Concat(alwaysReadable, forTheBrowser, exposed), name) {
				t.Errorf("a page cannot read %s; exposed are %v", name, exposed)
			}
		}
	}
	event := `{"title":"T","body":"B","audience":{"users":["u1"]}}`
	for range 2 {
		look(s.raw("POST", "/v1/events", event, "Origin", page, "Idempotency-Key", "k"))
	}
	look(s.raw("GET", "/v1/users", "", "Origin", page, "Authorization", ""))
	look(s.raw("DELETE", "/v1/users", "", "Origin", page))
	for range 12 {
		look(s.raw("GET", "/v1/users", "", "Origin", page))
	}
	for _, name := range []string{"Location", "Idempotency-Replayed", "Www-Authenticate", "Allow", "X-Request-Id", "Retry-After", "Ratelimit-Limit", "Ratelimit-Remaining", "Ratelimit-Reset"} {
		if !seen[name] {
			t.Errorf("no answer had %s: the test does not see it", name)
		}
	}
}

func testCORSPreflight(t *testing.T) {
	t.Parallel()
	s := corsServer(t, func(c *api.Config) { c.Rates = api.RateLimits{PerKey: 1, PerAddress: 1} })
	for range 20 { // nor do they count against a limit
		a := s.raw("OPTIONS", "/v1/events", "", "Origin", page, "Authorization", "",
			"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type,idempotency-key,last-event-id,x-request-id")
		if a.StatusCode != 204 || a.Header.Get("Access-Control-Allow-Origin") != page || !slices.Contains(listed(a.Header, "Access-Control-Allow-Methods"), "POST") ||
			!slices.Contains(listed(a.Header, "Access-Control-Allow-Headers"), "idempotency-key") || a.Header.Get("Access-Control-Max-Age") != "600" {
			t.Fatalf("answered %d %v", a.StatusCode, a.Header)
		}
		for _, name := range []string{"Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"} {
			if !slices.Contains(listed(a.Header, "Vary"), name) {
				t.Errorf("Vary lacks %s", name)
			}
		}
	}
	for name, header := range map[string][]string{
		"another origin": {"Origin", "https://elsewhere.example", "Access-Control-Request-Method", "POST"},
		"another method": {"Origin", page, "Access-Control-Request-Method", "TRACE"},
		"another header": {"Origin", page, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "x-forwarded-for"},
	} {
		if a := s.raw("OPTIONS", "/v1/events", "", header...); a.Header.Get("Access-Control-Allow-Origin") != "" || a.Header.Get("Access-Control-Allow-Methods") != "" {
			t.Errorf("%s is let in: %v", name, a.Header)
		}
	}
	if p := s.raw("OPTIONS", "/v1/events", "", "Origin", page).problem(t); p.Status != 405 {
		t.Errorf("OPTIONS that is no preflight answered %d", p.Status)
	}
}

func testCORSStream(t *testing.T) {
	t.Parallel()
	s := corsServer(t)
	s.user("u1")
	req, err := http.NewRequestWithContext(t.Context(), "GET", s.url+"/v1/users/u1/inbox/stream?token="+s.token("u1"), nil)
	must(t, err)
	req.Header.Set("Origin", page)
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	if resp.StatusCode != 200 || resp.Header.Get("Access-Control-Allow-Origin") != page || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("answered %d %v", resp.StatusCode, resp.Header)
	}
	if line, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil || !strings.HasPrefix(line, "retry:") {
		t.Errorf("the stream begins with %q, %v", line, err)
	}
}

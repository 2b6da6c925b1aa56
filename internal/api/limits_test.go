package api_test

import (
	"bufio"
	"context"
	"encoding/json"
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
	"schoolbell/client"
	"schoolbell/internal/api"
	"schoolbell/internal/testenv"
)

func TestLimits(t *testing.T) {
	t.Parallel()
	t.Run("every list in a request has a maximum length", testLimitsMaxItems)
	t.Run("an overfull import gets a small response", testLimitsOverfullImport)
	t.Run("an import that takes too long times out", testLimitsImportTime)
	t.Run("the server survives concurrent overfull requests", testLimitsConcurrentRequests)
}

// Every list that a request may hold has a maximum in the OpenAPI document.
func testLimitsMaxItems(t *testing.T) {
	t.Parallel()
	var doc struct {
		Paths      map[string]map[string]struct{ RequestBody json.RawMessage }
		Components struct{ Schemas map[string]json.RawMessage }
	}
	must(t, json.Unmarshal([]byte(newServer(t).raw("GET", "/openapi.json", "").body), &doc))
	lists := 0
	seen := map[string]bool{}
	var walk func(at string, raw json.RawMessage)
	walk = func(at string, raw json.RawMessage) {
		var list []json.RawMessage
		if json.Unmarshal(raw, &list) == nil {
			for _, item := range list {
				walk(at, item)
			}
			return
		}
		var node map[string]json.RawMessage
		if json.Unmarshal(raw, &node) != nil {
			return
		}
		if strings.Contains(string(node["type"]), `"array"`) {
			lists++
			if node["maxItems"] == nil {
				t.Errorf("%s is a list without maxItems", at)
			}
		}
		for name, child := range node {
			if name == "$ref" {
				var ref string
				must(t, json.Unmarshal(child, &ref))
				name = ref[strings.LastIndexByte(ref, '/')+1:]
				if seen[name] {
					continue
				}
				seen[name] = true
				child = doc.Components.Schemas[name]
			}
			walk(at+"/"+name, child)
		}
	}
	for path, operations := range doc.Paths {
		for method, op := range operations {
			walk(method+" "+path, op.RequestBody)
		}
	}
	if lists < 8 {
		t.Errorf("only %d lists were found", lists)
	}
}

// overfull are requests with far more in them than they may have.
func overfull() map[string][3]string {
	list := func(item string, n int) string { return "[" + strings.Repeat(item+",", n-1) + item + "]" }
	ids := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"u%d",`, i)
		}
		return "[" + strings.TrimSuffix(b.String(), ",") + "]"
	}
	user := `{"name":"A","roles":["parent"],`
	return map[string][3]string{
		"preferences":              {"PUT", "/v1/users/u1/preferences", `{"preferences":` + list("{}", 300_000) + `}`},
		"some preferences":         {"PUT", "/v1/users/u1/preferences", `{"preferences":` + list("{}", 1_500) + `}`},
		"preferences of a list":    {"PUT", "/v1/users/u1/preferences", list("{}", 300_000)},
		"roles":                    {"PUT", "/v1/users/u1", `{"name":"A","roles":` + list(`"x"`, 1_900) + `}`},
		"groups":                   {"PUT", "/v1/users/u1", user + `"groups":` + ids(1_900) + `}`},
		"students":                 {"PUT", "/v1/users/u1", user + `"guardian_of":` + ids(1_900) + `}`},
		"unknown fields":           {"PUT", "/v1/users/u1", user + strings.Repeat(`"x":1,`, 150_000) + `"y":1}`},
		"some unknown fields":      {"PUT", "/v1/users/u1", user + strings.TrimSuffix(strings.ReplaceAll(strings.Trim(ids(1_800), "[]"), ",", ":1,"), ",") + `:1}`},
		"a field with a long name": {"PUT", "/v1/users/u1", user + `"` + strings.Repeat("x", 900_000) + `":1}`},
		"a long role":              {"PUT", "/v1/users/u1", `{"name":"A","roles":["` + strings.Repeat("x", 900_000) + `"]}`},
		"a long kind":              {"PUT", "/v1/groups/g", `{"name":"A","kind":"` + strings.Repeat("x", 900_000) + `"}`},
		"an event's users":         {"POST", "/v1/events", event("audience", `{"users":`+ids(40_000)+`}`)},
		"an event's excluded":      {"POST", "/v1/events", event("audience", `{"roles":["parent"],"exclude":{"users":`+list(`""`, 49_000)+`}}`)},
		"an event's roles":         {"POST", "/v1/events", event("audience", `{"roles":`+list(`"x"`, 49_000)+`}`)},
		"an event's channels":      {"POST", "/v1/events", event("channels", list(`"x"`, 49_000))},
		"an event's empty objects": {"POST", "/v1/events", list("{}", 300_000)},
		"depth":                    {"POST", "/v1/events", event("data", strings.Repeat(`{"a":`, 100_000)+"1"+strings.Repeat("}", 100_000))},
		"lists in lists":           {"POST", "/v1/events", strings.Repeat("[", 500_000) + strings.Repeat("]", 500_000)},
		"token options":            {"POST", "/v1/users/u1/token", `{` + strings.Repeat(`"x":1,`, 4_000) + `"ttl":60}`},
		"a group's fields":         {"PUT", "/v1/groups/g", `{"name":"A",` + strings.Repeat(`"x":1,`, 4_000) + `"kind":"class"}`},
		"cleaning a queue":         {"POST", "/v1/queues/event-notifications/clean", list(`{"state":"x"}`, 2_000)},
		"an action without a body": {"POST", "/v1/queues/event-notifications/pause", list("{}", 300_000)},
		"query parameters":         {"GET", "/v1/events?" + strings.Repeat("x&", 100) + strings.Join(strings.Split(strings.Trim(ids(5_000), "[]"), ","), "&"), ""},
	}
}

func TestOverfullRequest(t *testing.T) { // not parallel: it counts what the process allocates
	s := newServer(t)
	s.user("u1")
	for name, c := range overfull() {
		t.Run(name, func(t *testing.T) {
			path := strings.ReplaceAll(c[1], `"`, "")
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			a := s.raw(c[0], path, c[2])
			runtime.ReadMemStats(&after)
			p := a.problem(t)
			if p.Status < 400 || p.Status >= 500 {
				t.Errorf("answered %d %s", p.Status, p.Detail)
			}
			if len(p.Fields) > 100 || len(p.Fields) == 100 && p.More == 0 {
				t.Errorf("%d faults are listed, %d more", len(p.Fields), p.More)
			}
			sent := len(c[2]) + len(path)
			if len(a.body) > 100_000 || len(a.body) > 4*sent+1024 {
				t.Errorf("%d bytes were answered with %d", sent, len(a.body))
			}
			// The test's own client, the body and what is made of it.
			if made := after.TotalAlloc - before.TotalAlloc; made > uint64(20*sent+16<<20) {
				t.Errorf("%d bytes of a request made the process allocate %d", sent, made)
			}
		})
	}
}

func testLimitsOverfullImport(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for name, body := range map[string]string{
		"rows":               "id,name,roles\n" + strings.Repeat(",,\n", 30_000),
		"a row":              "id,name,roles\n" + strings.Repeat("x", 900_000),
		"a column's name":    strings.Repeat("x", 900_000) + ",id\n",
		"columns":            strings.Repeat("x,", 400_000) + "id\n",
		"roles of a row":     "id,name,roles\n" + strings.Repeat("u,A,"+strings.Repeat("x|", 1_000)+"\n", 200),
		"a name with faults": "id,name,roles\n" + strings.Repeat("u,"+strings.Repeat("x", 5_000)+",parent\n", 200),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := s.raw("POST", "/v1/users:import", body, "Content-Type", "text/csv")
			if a.StatusCode >= 500 || len(a.body) > 100_000 {
				t.Errorf("%d bytes were answered %d with %d", len(body), a.StatusCode, len(a.body))
			}
		})
	}
}

func TestBrokenBody(t *testing.T) {
	t.Parallel()
	t.Run("a truncated body is malformed", testBrokenBodyTruncated)
	t.Run("a stalled body times out", testBrokenBodyStalled)
}

func testBrokenBodyTruncated(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	for name, c := range map[string]struct {
		head, body string
		status     int
	}{
		"a body shorter than it says":  {"POST /v1/events HTTP/1.1\r\nContent-Length: 500\r\nContent-Type: application/json", `{"title": `, 400},
		"a chunk that is cut off":      {"POST /v1/events HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json", "500\r\n{\"title\"", 400},
		"a chunk length that is none":  {"PUT /v1/users/u1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json", "zz\r\n{}\r\n0\r\n\r\n", 400},
		"an import that is cut off":    {"POST /v1/users:import HTTP/1.1\r\nContent-Length: 5000\r\nContent-Type: text/csv", "id,name\na,", 400},
		"an import, the chunk garbage": {"POST /v1/users:import HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Type: text/csv", "10\r\nid,name,roles\na,A\r\nzz", 400},
		"a compressed body":            {"POST /v1/events HTTP/1.1\r\nContent-Length: 2\r\nContent-Encoding: gzip\r\nContent-Type: application/json", "{}", 415},
		"a compressed import":          {"POST /v1/users:import HTTP/1.1\r\nContent-Length: 2\r\nContent-Encoding: gzip\r\nContent-Type: text/csv", "{}", 415},
		"events that are cut off":      {"POST /v1/events:bulk HTTP/1.1\r\nContent-Length: 5000\r\nContent-Type: application/x-ndjson", "{}\n{}\n", 400},
		"compressed events":            {"POST /v1/events:bulk HTTP/1.1\r\nContent-Length: 2\r\nContent-Encoding: gzip\r\nContent-Type: application/json", "[]", 415},
		"token options, cut off":       {"POST /v1/users/u1/token HTTP/1.1\r\nContent-Length: 20\r\nContent-Type: application/json", `{"ttl"`, 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := s.halfClosed(c.head, c.body)
			if p := a.problem(t); p.Status != c.status || c.status == 400 && p.Code != "malformed" {
				t.Errorf("answered %d %s (%s), want %d", p.Status, p.Code, p.Detail, c.status)
			}
		})
	}
}

func testBrokenBodyStalled(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *api.Config) { c.BodyTimeout, c.ImportIdle = 500*time.Millisecond, 500*time.Millisecond }) // an answer may take twice that
	for name, head := range map[string]string{
		"an event":  "POST /v1/events HTTP/1.1\r\nContent-Length: 500\r\nContent-Type: application/json",
		"events":    "POST /v1/events:bulk HTTP/1.1\r\nContent-Length: 500\r\nContent-Type: application/x-ndjson",
		"an import": "POST /v1/users:import HTTP/1.1\r\nContent-Length: 500\r\nContent-Type: text/csv",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := s.dial()
			_, err := fmt.Fprintf(conn, "%s\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\nid,name", head, s.keys["admin"])
			must(t, err)
			if p := readAnswer(t, conn).problem(t); p.Status != 408 || p.Code != "timeout" {
				t.Errorf("answered %d %s", p.Status, p.Code)
			}
		})
	}
}

func testLimitsImportTime(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *api.Config) { c.ImportTimeout = time.Second })
	conn := s.dial()
	_, err := fmt.Fprintf(conn, "POST /v1/users:import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: text/csv\r\nConnection: close\r\nContent-Length: 100000\r\n\r\nid,name,roles\n", s.keys[schoolbell.ScopeAdmin])
	must(t, err)
	for n := range 600 { // more than a batch
		_, err = fmt.Fprintf(conn, "u%d,A,parent\n", n)
		must(t, err)
	}
	var sending sync.WaitGroup
	sending.Go(func() { // never idle, never done
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for n := 600; err == nil; n++ {
			<-tick.C
			_, err = fmt.Fprintf(conn, "u%d,A,parent\n", n)
		}
	})
	p := readAnswer(t, conn).problem(t)
	must(t, conn.Close())
	sending.Wait()
	if p.Status != 408 || p.Code != "timeout" || !strings.Contains(p.Detail, "longer than") {
		t.Errorf("answered %d %s (%s)", p.Status, p.Code, p.Detail)
	}
	if p.Import == nil || p.Import.Imported == 0 {
		t.Errorf("the report is %+v", p.Import)
	}
}

// A client that goes away is nobody's failure: it must not look like an outage.
func TestClientDisconnect(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	s := newServer(t, func(c *api.Config) { c.Store = heldStore{c.Store, entered} })
	conn := s.dial()
	_, err := fmt.Fprintf(conn, "GET /v1/events/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", s.keys["admin"])
	must(t, err)
	<-entered
	must(t, conn.Close())
	testenv.Eventually(t, 10*time.Second, func() bool {
		return strings.Contains(s.raw("GET", "/metrics", "").body, `code="499"`)
	}, "the metrics tell of a client that left")
	if text := s.raw("GET", "/metrics", "").body; strings.Contains(text, `code="503"`) || strings.Contains(text, `code="500"`) {
		t.Errorf("the metrics tell of a server error:\n%s", grep(text, "schoolbell_http_requests_total"))
	}
	if strings.Contains(s.log.String(), "level=WARN") || strings.Contains(s.log.String(), "level=ERROR") {
		t.Errorf("the log tells of it:\n%s", s.log)
	}
}

func grep(text, word string) string {
	var found []string
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			found = append(found, line)
		}
	}
	return strings.Join(found, "")
}

func testLimitsConcurrentRequests(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	body := overfull()["preferences"][2]
	var running sync.WaitGroup
	for range 12 {
		running.Go(func() {
			if a := s.raw("PUT", "/v1/users/u1/preferences", body); a.StatusCode != 413 {
				t.Errorf("answered %d", a.StatusCode)
			}
		})
	}
	running.Wait()
	token, err := s.Client.CreateToken(t.Context(), "u1", 0)
	must(t, err)
	if _, err := s.as(token.Token).Inbox(t.Context(), "u1", client.Page{}); err != nil {
		t.Errorf("the server afterwards: %v", err)
	}
}

// heldStore answers for an event when the request is given up.
type heldStore struct {
	api.Store
	entered chan struct{}
}

func (h heldStore) Event(ctx context.Context, _ string) (*schoolbell.Event, error) {
	close(h.entered)
	<-ctx.Done()
	return nil, fmt.Errorf("read event: %w", ctx.Err())
}

func (s *server) dial() *net.TCPConn {
	s.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	must(s.t, err)
	s.dialed = append(s.dialed, conn)
	s.t.Cleanup(func() { _ = conn.Close() })
	return conn.(*net.TCPConn)
}

// hangUp closes what dial has opened.
func (s *server) hangUp() {
	for _, conn := range s.dialed {
		_ = conn.Close()
	}
}

// halfClosed sends a request and the end of the connection's sending side, and reads the answer.
func (s *server) halfClosed(head, body string) answer {
	s.t.Helper()
	conn := s.dial()
	_, err := fmt.Fprintf(conn, "%s\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n%s", head, s.keys[schoolbell.ScopeAdmin], body)
	must(s.t, err)
	must(s.t, conn.CloseWrite())
	return readAnswer(s.t, conn)
}

func readAnswer(t testing.TB, from io.Reader) answer {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(from), nil)
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	return answer{resp, string(body)}
}

package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	miniserver "github.com/alicebob/miniredis/v2/server"

	"schoolbell/client"
	"schoolbell/internal/api"
	"schoolbell/internal/health"
	"schoolbell/internal/testenv"
	"schoolbell/wire"
)

// Other programs put what they like into a queue; the page that shows it must not break.
func TestForeignJobs(t *testing.T) {
	t.Parallel()
	s, _, rdb := withQueue(t, testenv.Redis(t))
	ctx := t.Context()
	huge := strings.Repeat("é", 1<<20)
	add := func(id string, fields ...any) {
		must(t, rdb.HSet(ctx, "bull:bells:"+id, append([]any{"name", "n", "data", "{}", "opts", "{}", "timestamp", "1700000000000"}, fields...)...).Err())
		must(t, rdb.RPush(ctx, "bull:bells:wait", id).Err())
	}
	add("good", "data", `{"a":1}`)
	add("text", "data", "not JSON")
	add("bytes", "data", "\xff\xfe", "returnvalue", "\xff", "progress", "{", "name", "\xff", "failedReason", "\xff")
	add("surrogate", "data", `"\ud800"`)
	add("none", "data", "")
	add("late", "timestamp", "99999999999999999", "processedOn", "-1", "finishedOn", "8640000000000001")
	add("large", "data", `"`+huge+`"`, "returnvalue", huge, "progress", `["`+huge+`"]`, "name", huge, "failedReason", huge, "stacktrace", `["`+huge+`"]`, "pb", huge, "parentKey", huge, "opts", `{"x":"`+huge+`"}`)
	add(huge[:100_000])
	must(t, rdb.RPush(ctx, "bull:bells:large:logs", huge, "\xff").Err())

	a := s.raw("GET", "/v1/queues/bells/jobs?state=waiting", "")
	if a.StatusCode != 200 || len(a.body) > 100_000 {
		t.Errorf("answered %d with %d bytes", a.StatusCode, len(a.body))
	}
	page, err := s.Jobs(ctx, "bells", "waiting", client.Page{})
	must(t, err)
	got := map[string]wire.Job{}
	for _, j := range page.Jobs {
		got[j.ID] = j
	}
	if len(page.Jobs) != 8 {
		t.Errorf("%d jobs are shown", len(page.Jobs))
	}
	for id, want := range map[string]string{"good": `{"a":1}`, "text": `"not JSON"`, "bytes": `"�"`, "surrogate": `"\"\\ud800\""`, "none": "null"} {
		if data := string(got[id].Data); data != want {
			t.Errorf("the data of %s are shown as %s, want %s", id, data, want)
		}
	}
	var data string
	if err := json.Unmarshal(got["large"].Data, &data); err != nil || !strings.HasPrefix(data, `"ééé`) || !strings.HasSuffix(data, "é…") {
		t.Errorf("large data are shown as %.20q (%v)", data, err)
	}
	one, err := s.Job(ctx, "bells", "large")
	must(t, err)
	if len(one.Logs) != 2 || len(one.Logs[0]) > 5_000 || len(one.Data) > 300_000 || len(one.Data) < 50_000 {
		t.Errorf("alone it has %d log lines and %d bytes of data", len(one.Logs), len(one.Data))
	}
	for _, id := range []string{"text", "bytes", "surrogate", "none", "late"} {
		if _, err := s.Job(ctx, "bells", id); err != nil {
			t.Errorf("job %s: %v", id, err)
		}
	}
}

// refusing is a Redis that answers every command of queues with one error.
func refusing(t *testing.T, reply string) string {
	t.Helper()
	srv, err := miniserver.NewServer("127.0.0.1:0")
	must(t, err)
	t.Cleanup(srv.Close)
	srv.SetPreHook(func(p *miniserver.Peer, cmd string, _ ...string) bool {
		switch strings.ToUpper(cmd) {
		case "HELLO", "CLIENT":
			p.WriteError("ERR unknown command")
		default:
			p.WriteError(reply)
		}
		return true
	})
	return srv.Addr().String()
}

func TestRedisErrors(t *testing.T) {
	t.Parallel()
	for _, reply := range []string{
		"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk", "NOAUTH Authentication required.",
		"WRONGPASS invalid username-password pair or user is disabled.", "NOPERM this user has no permissions to run the 'hgetall' command",
		"READONLY You can't write against a read only replica.", "LOADING Redis is loading the dataset in memory",
		"OOM command not allowed when used memory > 'maxmemory'.", "CLUSTERDOWN The cluster is down", "MASTERDOWN Link with MASTER is down",
		"BUSY Redis is busy running a script.", "TRYAGAIN Multiple keys request during rehashing of slot", "NOREPLICAS Not enough good replicas to write.",
	} {
		word, _, _ := strings.Cut(reply, " ")
		t.Run(word, func(t *testing.T) {
			t.Parallel()
			s, _, _ := withQueue(t, refusing(t, reply))
			for _, c := range [][2]string{{"GET", "/v1/queues"}, {"GET", "/v1/queues/bells/counts"}, {"GET", "/v1/queues/bells/jobs?state=waiting"},
				{"GET", "/v1/queues/bells/jobs/x"}, {"POST", "/v1/queues/bells/pause"}, {"POST", "/v1/queues/bells/jobs/x/retry"}, {"POST", "/v1/queues/bells/jobs/x/remove"}} {
				a := s.raw(c[0], c[1], "")
				if p := a.problem(t); p.Status != 503 || p.Code != "unavailable" || a.Header.Get("Retry-After") == "" {
					t.Errorf("%s %s: answered %d %s, Retry-After %q", c[0], c[1], p.Status, p.Code, a.Header.Get("Retry-After"))
				}
			}
		})
	}
}

func TestReadyzCache(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	s := newServer(t, func(c *api.Config) {
		c.Dependencies = []health.Dependency{{Name: "email", Check: func(context.Context) error { asked.Add(1); return fmt.Errorf("535 no") }}}
	})
	for range 100 {
		if a := s.raw("GET", "/readyz", "", "Authorization", ""); a.StatusCode != 503 || !strings.Contains(a.body, `"age_ms":`) {
			t.Errorf("answered %d %s", a.StatusCode, a.body)
		}
	}
	if n := asked.Load(); n > 2 { // a slow machine may take over ten seconds
		t.Errorf("100 requests asked %d times", n)
	}
}

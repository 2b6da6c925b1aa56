package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/api"
	"schoolbell/internal/testenv"
	"schoolbell/wire"
)

// bulkPath creates many events.
const bulkPath = "/v1/events:bulk"

func TestBulk(t *testing.T) {
	t.Parallel()
	t.Run("results are in the order of the events", testBulkOrder)
	t.Run("an invalid event does not stop the others", testBulkMixed)
	t.Run("a key creates one event, as in two requests", testBulkKeys)
	t.Run("keys are shared with single requests", testBulkSingle)
	t.Run("1,000 events are one request, 1,001 are refused", testBulkCount)
	t.Run("a broken line is the fault of its event", testBulkBrokenLine)
	t.Run("a request that is wrong as a whole stores nothing", testBulkRefused)
	t.Run("a request that ends early stores nothing", testBulkEndsEarly)
	t.Run("each event is in the outbox and in the audit", testBulkOutbox)
	t.Run("answers to many faults are small", testBulkManyFaults)
	t.Run("concurrent requests with the same keys store each once", testBulkRace)
	t.Run("many events cost as many statements as two", testBulkCost)
	t.Run("events that arrive too slowly time out", testBulkTooSlow)
}

// onEachEngine runs a test on SQLite and on PostgreSQL, each with the users u1 and u2.
func onEachEngine(t *testing.T, f func(t *testing.T, s *server)) {
	t.Parallel()
	for engine, open := range map[string]func(*testing.T) *server{
		"sqlite":   func(t *testing.T) *server { return newServer(t) },
		"postgres": func(t *testing.T) *server { return newServerOn(t, openPostgres(t, testenv.Postgres(t))) },
	} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			s.user("u1")
			s.user("u2")
			f(t, s)
		})
	}
}

// bulk posts a body that is accepted, and returns the results.
func (s *server) bulk(t testing.TB, body string, header ...string) []wire.BulkResult {
	t.Helper()
	a := s.raw("POST", bulkPath, body, header...)
	if a.StatusCode != 200 {
		t.Fatalf("answered %d %.500s", a.StatusCode, a.body)
	}
	var out wire.BulkResults
	must(t, json.Unmarshal([]byte(a.body), &out))
	for i, r := range out.Results {
		if r.Index != i || (r.Event == nil) != (r.Status == 422) || (r.Problem == nil) != (r.Status != 422) {
			t.Errorf("result %d is %+v", i, r)
		}
		if r.Problem != nil && (r.Problem.Status != 422 || r.Problem.Code != "invalid" || r.Problem.Detail == "") {
			t.Errorf("problem %d is %+v", i, r.Problem)
		}
	}
	return out.Results
}

// shown is a result in short: the status, and the title or the first fault.
func shown(results []wire.BulkResult) (out []string) {
	for _, r := range results {
		switch {
		case r.Event != nil:
			out = append(out, fmt.Sprint(r.Status, " ", r.Event.Title))
		case r.Problem == nil || len(r.Problem.Fields) == 0:
			out = append(out, fmt.Sprint(r.Status))
		default:
			out = append(out, fmt.Sprint(r.Status, " ", r.Problem.Fields[0].Field))
		}
	}
	return out
}

// titles returns the titles of all stored events, oldest first.
func (s *server) titles(t *testing.T) (out []string) {
	t.Helper()
	for page := (client.Page{Limit: 500}); ; {
		p, err := s.Events(t.Context(), "", page)
		must(t, err)
		for _, e := range p.Events {
			out = append(out, e.Title)
		}
		if page.Cursor = p.Next; page.Cursor == "" {
			slices.Reverse(out)
			return out
		}
	}
}

// many returns n events named e0, e1, … with further members.
func many(n int, more string) (items []string) {
	for i := range n {
		items = append(items, fmt.Sprintf(`{"title":"e%d","body":"B","audience":{"users":["u1"]}%s}`, i, more))
	}
	return items
}

func array(items []string) string { return "[" + strings.Join(items, ",") + "]" }

func testBulkOrder(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *server) {
		events := []wire.BulkEvent{}
		var want, titles []string
		for i := range 20 {
			e := wire.BulkEvent{NewEvent: wire.NewEvent{Title: fmt.Sprint("e", i), Body: "B", Audience: parents()}}
			if i%2 == 0 {
				e.Data, e.Category, e.IdempotencyKey = json.RawMessage(`{"a": 1}`), "urgent", fmt.Sprint("k", i)
				e.StartsAt = wire.At(time.Date(2031, 1, 2, 3, 4, 5, 6e6, time.UTC))
			}
			events, want, titles = append(events, e), append(want, "201 "+e.Title), append(titles, e.Title)
		}
		results, err := s.CreateEvents(t.Context(), events)
		must(t, err)
		if diff := cmp.Diff(want, shown(results)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(titles, s.titles(t)); diff != "" {
			t.Errorf("stored: %s", diff)
		}
		for i, r := range results {
			stored, err := s.Event(t.Context(), r.Event.ID)
			must(t, err)
			stored.Progress = nil
			if diff := cmp.Diff(stored, r.Event); diff != "" {
				t.Errorf("event %d is not as it is stored: %s", i, diff)
			}
			if i%2 == 0 && (string(stored.Data) != `{"a":1}` || stored.Lane != schoolbell.LaneUrgent) || i%2 == 1 && stored.Data != nil {
				t.Errorf("event %d: %+v", i, stored)
			}
		}
		if none, err := s.CreateEvents(t.Context(), nil); err != nil || len(none) != 0 {
			t.Errorf("no events: %v, %v", none, err)
		}
	})
}

func testBulkMixed(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *server) {
		results := s.bulk(t, array([]string{
			event("title", `"first"`),
			`{"title":1}`, `null`, `[]`, `{}`,
			event("audience", `{"users":["u1","nobody"],"groups":["none"]}`),
			event("category", `"unknown"`),
			event("channels", `["pigeon"]`),
			event("channels", `["sms"]`),
			event("expires_at", `"2001-01-01T00:00:00Z"`),
			event("send_at", `"soon"`),
			event("idempotency_key", `"`+strings.Repeat("k", 256)+`"`),
			event("idempotency_key", `"é"`),
			event("pupil", `1`),
			event("title", `"last"`),
		}))
		want := []string{"201 first", "422 title", "422", "422", "422 title", "422 audience.groups[0]", "422 category", "422 channels[0]", "422 channels[0]",
			"422 expires_at", "422 send_at", "422 idempotency_key", "422 idempotency_key", "422 pupil", "201 last"}
		got := shown(results)
		got[1], got[4] = got[1][:3], got[4][:3] // huma names the missing members in any order
		want[1], want[4] = "422", "422"
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"first", "last"}, s.titles(t)); diff != "" {
			t.Errorf("stored: %s", diff)
		}
		// A single event is refused for the same faults.
		alone := s.raw("POST", "/v1/events", event("audience", `{"users":["u1","nobody"],"groups":["none"]}`)).problem(t)
		if diff := cmp.Diff(alone.Problem, *results[5].Problem); diff != "" {
			t.Errorf("the faults of one event differ: %s", diff)
		}
	})
}

func testBulkKeys(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *server) {
		keyed := func(title, key string, more ...string) string {
			return event(append([]string{"title", `"` + title + `"`, "idempotency_key", `"` + key + `"`}, more...)...)
		}
		body := array([]string{
			keyed("a", "k1"),
			keyed("a", "k1"),
			keyed("other", "k1"),
			keyed("bad", "k2", "audience", `{"users":["nobody"]}`),
			keyed("good", "k2"),
			keyed("late", "k3", "expires_at", `"2001-01-01T00:00:00Z"`),
			keyed("", ""),
		})
		want := []string{"201 a", "200 a", "422 idempotency_key", "422 audience.users[0]", "201 good", "422 expires_at", "422 title"}
		first := s.bulk(t, body)
		if diff := cmp.Diff(want, shown(first)); diff != "" {
			t.Error(diff)
		}
		if first[0].Event != nil && first[1].Event != nil && first[0].Event.ID != first[1].Event.ID {
			t.Error("one key created two events")
		}
		want = []string{"200 a", "200 a", "422 idempotency_key", "422 idempotency_key", "200 good", "422 expires_at", "422 title"}
		if diff := cmp.Diff(want, shown(s.bulk(t, body))); diff != "" {
			t.Errorf("repeated: %s", diff)
		}
		if diff := cmp.Diff([]string{"a", "good"}, s.titles(t)); diff != "" {
			t.Errorf("stored: %s", diff)
		}
	})
}

func testBulkSingle(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *server) {
		if a := s.raw("POST", "/v1/events", event("title", `"one"`), "Idempotency-Key", "k1"); a.StatusCode != 201 {
			t.Fatal(a.body)
		}
		if diff := cmp.Diff([]string{"200 one"}, shown(s.bulk(t, "["+event("title", `"one"`, "idempotency_key", `"k1"`)+"]"))); diff != "" {
			t.Error(diff)
		}
		s.bulk(t, "["+event("title", `"two"`, "idempotency_key", `"k2"`)+"]")
		if a := s.raw("POST", "/v1/events", event("title", `"two"`), "Idempotency-Key", "k2"); a.StatusCode != 200 {
			t.Errorf("answered %d %s", a.StatusCode, a.body)
		}
		other := s.bulk(t, "["+event("title", `"two"`, "idempotency_key", `"k2"`)+"]", "Authorization", "Bearer "+s.keys[schoolbell.ScopeSend])
		if other[0].Status != 201 {
			t.Errorf("the key of another API key: %+v", other[0])
		}
	})
}

func testBulkCount(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *server) {
		if p := s.raw("POST", bulkPath, array(many(1001, ""))).problem(t); p.Status != 413 || p.Code != "too_large" {
			t.Errorf("1,001 events in an array: %d %s", p.Status, p.Code)
		}
		if p := s.raw("POST", bulkPath, strings.Join(many(1001, ""), "\n"), "Content-Type", client.NDJSON).problem(t); p.Status != 413 {
			t.Errorf("1,001 events in lines: %d %s", p.Status, p.Code)
		}
		results := s.bulk(t, strings.Join(many(1000, ""), "\r\n\n"), "Content-Type", client.NDJSON)
		titles := s.titles(t)
		if len(results) != 1000 || len(titles) != 1000 {
			t.Fatalf("%d results, %d events", len(results), len(titles))
		}
		for i, r := range results {
			if title := fmt.Sprint("e", i); r.Status != 201 || r.Event.Title != title || titles[i] != title {
				t.Fatalf("event %d is %+v, and %s is stored", i, r, titles[i])
			}
		}
	})
}

func testBulkBrokenLine(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *server) {
		lines := []string{"\ufeff" + event("title", `"first"`), `{"title": "x",`, "{\"title\":\"\xff\"}", "]", strings.Repeat("[", 40), event("title", `"last"`)}
		results := s.bulk(t, strings.Join(lines, "\n"), "Content-Type", client.NDJSON)
		if diff := cmp.Diff([]string{"201 first", "422", "422", "422", "422", "201 last"}, shown(results)); diff != "" {
			t.Error(diff)
		}
		if detail := results[1].Problem.Detail; !strings.Contains(detail, "the event is not valid JSON at line 1, column 14") {
			t.Errorf("the fault is %q", detail)
		}
	})
}

func testBulkRefused(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *server) {
		good := event()
		large := array(many(8, `,"data":{"x":"`+strings.Repeat("x", 1<<20)+`"}`))
		for name, c := range map[string]struct {
			kind, body string
			status     int
		}{
			"nothing":             {"application/json", "", 400},
			"an object":           {"application/json", good, 400},
			"a text":              {"application/json", `"x"`, 400},
			"a broken array":      {"application/json", "[" + good + "," + good, 400},
			"a broken event":      {"application/json", "[" + good + `,{"title":]`, 400},
			"no comma":            {"application/json", "[" + good + good + "]", 400},
			"more than an array":  {"application/json", "[" + good + "]]", 400},
			"invalid UTF-8":       {"application/json", "[" + good + ",\"\xff\"]", 400},
			"a form":              {"application/x-www-form-urlencoded", "[]", 415},
			"CSV":                 {"text/csv", "title\nx\n", 415},
			"over 8 MiB":          {"application/json", large, 413},
			"over 8 MiB of lines": {client.NDJSON, strings.Repeat(" ", 8<<20+1), 413},
			"200,000 values":      {client.NDJSON, strings.Repeat(`{"data":{"x":[`+strings.Repeat("1,", 19_000)+"1]}}\n", 12), 413},
		} {
			if p := s.raw("POST", bulkPath, c.body, "Content-Type", c.kind).problem(t); p.Status != c.status {
				t.Errorf("%s: answered %d %s (%s), want %d", name, p.Status, p.Code, p.Detail, c.status)
			}
		}
		if titles := s.titles(t); len(titles) > 0 {
			t.Errorf("stored: %v", titles)
		}
		if results := s.bulk(t, "[]", "Content-Type", "application/vnd.school+json; charset=utf-8"); len(results) != 0 {
			t.Errorf("no events: %v", results)
		}
		if results := s.bulk(t, "["+event("data", `{"x":"`+strings.Repeat("x", 1<<20)+`"}`)+","+good+"]"); results[0].Status != 422 || results[1].Status != 201 {
			t.Errorf("an event above 1 MiB: %v", shown(results))
		}
	})
}

func testBulkEndsEarly(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	cancelled := httptest.NewRequest("POST", bulkPath, strings.NewReader(array(many(100, ""))))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	cancelled.Header.Set("Authorization", "Bearer "+s.keys[schoolbell.ScopeAdmin])
	w := httptest.NewRecorder()
	s.api.ServeHTTP(w, cancelled.WithContext(ctx))
	if w.Code < 400 {
		t.Errorf("answered %d", w.Code)
	}
	if titles := s.titles(t); len(titles) > 0 {
		t.Errorf("stored: %v", titles)
	}
}

func testBulkOutbox(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *server) {
		before := len(s.auditIDs())
		results := s.bulk(t, array(append(many(30, `,"category":"urgent"`), `{}`)))
		waves, err := s.ledger.Waves.UnqueuedWaves(t.Context(), 0, 100)
		must(t, err)
		if len(waves) != 30 {
			t.Fatalf("%d waves are in the outbox", len(waves))
		}
		page, err := s.Audit(t.Context(), schoolbell.AuditFilter{Action: "event.create"}, client.Page{Limit: 100})
		must(t, err)
		if len(page.Items) != 30 || len(s.auditIDs()) != before+30 {
			t.Fatalf("%d audit entries", len(page.Items))
		}
		slices.Reverse(page.Items)
		for i, e := range page.Items {
			if waves[i].EventID != results[i].Event.ID || waves[i].Lane != schoolbell.LaneUrgent {
				t.Errorf("wave %d is %+v", i, waves[i])
			}
			if e.Target.ID != results[i].Event.ID || e.Changes["category"] != "urgent" || e.Actor.Kind != schoolbell.ActorKey || e.Address == "" {
				t.Errorf("entry %d is %+v", i, e)
			}
		}
	})
}

func testBulkManyFaults(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	items, names := make([]string, 1000), make([]string, 150)
	for i := range names {
		names[i] = fmt.Sprint("no body ", i)
	}
	for i := range items {
		items[i] = event("audience", `{"users":["`+strings.Join(names, `","`)+`"]}`)
	}
	a := s.raw("POST", bulkPath, array(items))
	if len(a.body) > 4<<20 || a.StatusCode != 200 {
		t.Fatalf("answered %d with %d bytes: %.300s", a.StatusCode, len(a.body), a.body)
	}
	var out wire.BulkResults
	must(t, json.Unmarshal([]byte(a.body), &out))
	if p := out.Results[999].Problem; len(p.Fields) != 10 || p.More != 140 {
		t.Errorf("%d faults and %d more", len(p.Fields), p.More)
	}
}

func testBulkRace(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *server) {
		var items []string
		for i := range 50 {
			items = append(items, fmt.Sprintf(`{"title":"e%d","body":"B","audience":{"users":["u1"]},"idempotency_key":"k%d"}`, i, i))
		}
		backwards := slices.Clone(items)
		slices.Reverse(backwards)
		statuses := make(chan int, 8*len(items))
		t.Run("requests", func(t *testing.T) {
			for n := range 8 {
				t.Run(fmt.Sprint(n), func(t *testing.T) {
					t.Parallel()
					body := array(items)
					if n%2 == 1 {
						body = array(backwards)
					}
					for _, r := range s.bulk(t, body) {
						statuses <- r.Status
					}
				})
			}
		})
		close(statuses)
		counts := map[int]int{}
		for status := range statuses {
			counts[status]++
		}
		if diff := cmp.Diff(map[int]int{201: 50, 200: 350}, counts); diff != "" {
			t.Error(diff)
		}
		if titles := s.titles(t); len(titles) != 50 {
			t.Errorf("%d events", len(titles))
		}
	})
}

func testBulkCost(t *testing.T) {
	t.Parallel()
	url, traffic := testenv.CountPostgres(t, testenv.Postgres(t))
	s := newServerOn(t, openPostgres(t, url))
	s.user("u1")
	cost := func(n int) int64 {
		before := traffic.Statements()
		s.bulk(t, array(many(n, "")))
		return int64(traffic.Statements() - before)
	}
	cost(2)
	if two, all := cost(2), cost(1000); two != all || all > 12 {
		t.Errorf("%d statements for two events, %d for 1,000", two, all)
	}
}

func testBulkTooSlow(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *api.Config) { c.BulkTimeout = 300 * time.Millisecond })
	conn := s.dial()
	_, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n",
		bulkPath, s.keys[schoolbell.ScopeAdmin])
	must(t, err)
	sent := make(chan struct{})
	go func() { // never idle, never done
		defer close(sent)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for err := error(nil); err == nil; _, err = fmt.Fprint(conn, "\n") {
			<-tick.C
		}
	}()
	if p := readAnswer(t, conn).problem(t); p.Status != http.StatusRequestTimeout || p.Code != "timeout" {
		t.Errorf("answered %d %s (%s)", p.Status, p.Code, p.Detail)
	}
	must(t, conn.Close())
	<-sent
}

// Whatever the events are, the answer is small and the client's own fault, or has a result for each event.
func FuzzBulkBody(f *testing.F) {
	for _, seed := range []string{
		array([]string{event(), event("idempotency_key", `"k"`), event("idempotency_key", `"k"`), `{}`, `null`}), "[]", "[[]]", `[{"a":{"b":[1,2,{"c":"\\u2028"}]}}]`,
		event() + "\n" + `{"title":` + "\n\n" + event(), "\ufeff" + event(), `["\ud800"]`, "[\"\xff\"]", `[1e999999]`, "[", "]", "[1 2]", "[1]]", "{]", "", "\n",
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	s := newServer(f)
	s.user("u1")
	f.Fuzz(func(t *testing.T, body string, lines bool) {
		kind := "application/json"
		if lines {
			kind = client.NDJSON
		}
		r := httptest.NewRequest("POST", bulkPath, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+s.keys[schoolbell.ScopeAdmin])
		r.Header.Set("Content-Type", kind)
		w := httptest.NewRecorder()
		s.api.ServeHTTP(w, r)
		if w.Code >= 500 || w.Body.Len() > 10_000*(1+len(body)) {
			t.Fatalf("%s with %q: %d with %d bytes: %.300s", kind, body, w.Code, w.Body.Len(), w.Body)
		}
		if w.Code != 200 {
			return
		}
		var out wire.BulkResults
		must(t, json.Unmarshal(w.Body.Bytes(), &out))
		var items []json.RawMessage
		if !lines {
			if err := json.Unmarshal([]byte(body), &items); err != nil || len(items) != len(out.Results) {
				t.Fatalf("%q has %d results: %v", body, len(out.Results), err)
			}
		}
		for i, r := range out.Results {
			if r.Index != i || r.Status != 200 && r.Status != 201 && r.Status != 422 || (r.Event == nil) != (r.Problem != nil) {
				t.Errorf("%q: result %d is %+v", body, i, r)
			}
		}
	})
}

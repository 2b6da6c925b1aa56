package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/testenv"
	"schoolbell/wire"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func newClient(t *testing.T, h http.HandlerFunc) *client.Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	c, err := client.New(client.Config{URL: srv.URL + "/", Key: "sb_x", HTTPClient: srv.Client()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func stream(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, "retry: 1\n\n"+text)
}

func TestWatch(t *testing.T) {
	t.Parallel()
	t.Run("a broken stream resumes after the last item", testWatchResumes)
	t.Run("a watch ends with its context", testWatchEndsWithContext)
}

func testWatchResumes(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	c := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		switch n := calls.Add(1); {
		case n == 1 && r.Header.Get("Last-Event-ID") == "4":
			stream(w, "id: 5\nevent: item\ndata: {\"position\":5}\n\nid: 6\nevent: item\ndata: {\"posi") // cut off in an item
		case n == 2 && r.Header.Get("Last-Event-ID") == "5":
			w.WriteHeader(http.StatusBadGateway) // a proxy without a server
		case n == 3 && r.Header.Get("Last-Event-ID") == "5":
			stream(w, ": hello\n\nid:6\nevent:item\ndata:{\"position\":6,\ndata:\"title\":\"two lines\"}\n\n")
		default:
			t.Errorf("call %d with Last-Event-ID %q", n, r.Header.Get("Last-Event-ID"))
		}
	})
	var got []int64
	var failures int
	for item, err := range c.WatchInbox(t.Context(), "u1", 4) {
		if err != nil {
			failures++
			continue
		}
		if got = append(got, item.Position); item.Title == "two lines" {
			break
		}
	}
	if fmt.Sprint(got) != "[5 6]" || failures != 1 {
		t.Errorf("items %v, %d failures", got, failures)
	}
}

func testWatchEndsWithContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		stream(w, "")
		_ = http.NewResponseController(w).Flush()
		cancel()
		<-r.Context().Done()
	})
	for _, err := range c.WatchEvent(ctx, "e1") {
		t.Errorf("got %v", err)
	}
}

func TestClient(t *testing.T) {
	t.Parallel()
	t.Run("responses of other servers are errors", testClientForeignResponses)
	t.Run("IDs are escaped in paths", testClientEscapesIDs)
	t.Run("text that is not UTF-8 is rejected before it is sent", testClientRejectsInvalidUTF8)
	t.Run("an invalid server URL is rejected", testClientRejectsInvalidURL)
}

func testClientForeignResponses(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]http.HandlerFunc{
		"a page of a proxy":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502); fmt.Fprint(w, "<html>Bad gateway") },
		"a page with 200":     func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>Welcome") },
		"JSON of another API": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404); fmt.Fprint(w, `{"message":"nope"}`) },
	} {
		_, err := newClient(t, h).Event(t.Context(), "e1")
		if _, refused := errors.AsType[*client.Problem](err); err == nil || refused {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func testClientEscapesIDs(t *testing.T) {
	t.Parallel()
	var path string
	c := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.EscapedPath()
		fmt.Fprint(w, "{}")
	})
	if _, err := c.User(t.Context(), "a/../b?c"); err != nil {
		t.Fatal(err)
	}
	if want := "/v1/users/a%2F..%2Fb%3Fc"; path != want {
		t.Errorf("called %s, want %s", path, want)
	}
}

func testClientRejectsInvalidUTF8(t *testing.T) {
	t.Parallel()
	c := newClient(t, func(w http.ResponseWriter, r *http.Request) { t.Errorf("%s %s was sent", r.Method, r.URL) })
	ctx, bad := t.Context(), "caf\xe9"
	event := func(ev wire.NewEvent) error {
		_, err := c.CreateEvent(ctx, ev)
		return err
	}
	_, _, user := c.PutUser(ctx, schoolbell.User{ID: "u1", Name: bad})
	_, _, group := c.PutGroup(ctx, schoolbell.Group{ID: "g1", Name: bad})
	_, wishes := c.PutPreferences(ctx, "u1", schoolbell.Preference{}, schoolbell.Preference{Category: schoolbell.Category(bad)})
	for want, err := range map[string]error{
		"title":                          event(wire.NewEvent{Title: bad}),
		"body":                           event(wire.NewEvent{Title: "x", Body: bad}),
		"channels[1]":                    event(wire.NewEvent{Channels: []schoolbell.Channel{"email", schoolbell.Channel(bad)}}),
		"audience.groups[0]":             event(wire.NewEvent{Audience: schoolbell.Audience{Selector: schoolbell.Selector{Groups: []string{bad}}}}),
		"audience.guardians_of.users[0]": event(wire.NewEvent{Audience: schoolbell.Audience{GuardiansOf: &schoolbell.Selector{Users: []string{bad}}}}),
		"name":                           errors.Join(user, group),
		"preferences[1].category":        wishes,
	} {
		e, ok := errors.AsType[*schoolbell.Error](err)
		if !ok || e.Field != want || e.Code != schoolbell.CodeInvalid {
			t.Errorf("%v; want a fault in %s", err, want)
		}
	}
}

func testClientRejectsInvalidURL(t *testing.T) {
	t.Parallel()
	for _, u := range []string{"", "localhost:8080", "ftp://x", "http://"} {
		if _, err := client.New(client.Config{URL: u}); err == nil || !strings.Contains(err.Error(), "URL") {
			t.Errorf("%q: %v", u, err)
		}
	}
}

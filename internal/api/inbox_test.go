package api_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"schoolbell/client"
	"schoolbell/internal/api"
	"schoolbell/wire"
)

func TestInbox(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	ctx := t.Context()
	s.user("u1")
	s.user("u2")
	one, two, _ := s.notice("One", "u1", "u2"), s.notice("Two", "u1"), s.notice("Three", "u1")
	page, err := s.Inbox(ctx, "u1", client.Page{})
	must(t, err)
	if len(page.Items) != 3 || page.Unread != 3 || page.Items[2].EventID != one.ID || page.Items[2].Title != "One" || page.Items[0].ArrivedAt.IsZero() {
		t.Fatalf("inbox is %+v", page)
	}
	for range 2 {
		if n, err := s.ReadItem(ctx, "u1", one.ID); n != 2 || err != nil {
			t.Errorf("after reading one: %d unread, %v", n, err)
		}
	}
	if n, err := s.ReadInbox(ctx, "u1", page.Items[1].Position); n != 1 || err != nil {
		t.Errorf("after reading up to %s: %d unread, %v", two.Title, n, err)
	}
	if n, err := s.ReadInbox(ctx, "u1", 0); n != 0 || err != nil {
		t.Errorf("after reading all: %d unread, %v", n, err)
	}
	other, err := s.Inbox(ctx, "u2", client.Page{})
	must(t, err)
	if other.Unread != 1 || len(other.Items) != 1 || !other.Items[0].ReadAt.IsZero() {
		t.Errorf("the other user's inbox is %+v", other)
	}
}

// watch reads an inbox stream into a channel until the test ends.
func watch(t *testing.T, c *client.Client, user string, after int64) <-chan wire.InboxItem {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	items, done := make(chan wire.InboxItem, 1000), make(chan struct{})
	go func() {
		defer close(done)
		for item, err := range c.WatchInbox(ctx, user, after) {
			if err == nil {
				items <- item
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return items
}

func TestInboxStream(t *testing.T) {
	t.Parallel()
	t.Run("new items reach only their own user", testInboxStreamOwnItems)
	t.Run("a resumed stream is complete", testInboxStreamResume)
	t.Run("item positions are the ids of server-sent events", testInboxStreamFormat)
	t.Run("an idle stream sends heartbeats", testInboxStreamHeartbeat)
	t.Run("a stopping server rejects new streams", testInboxStreamStopping)
	t.Run("the client reports an unknown inbox once", testInboxStreamUnknownUser)
}

func testInboxStreamOwnItems(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	s.user("u2")
	s.notice("Before", "u1", "u2")
	mine := watch(t, s.as(s.token("u1")), "u1", 0)
	if it := <-mine; it.Title != "Before" {
		t.Errorf("replayed %q", it.Title)
	}
	s.notice("Not mine", "u2")
	s.notice("Mine", "u1")
	if it := <-mine; it.Title != "Mine" || it.Body != "Body of Mine" {
		t.Errorf("got %q", it.Title)
	}
}

func testInboxStreamResume(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	var want, got []string
	last := int64(0)
	for round := range 4 {
		ctx, cancel := context.WithCancel(t.Context())
		next := func(title string) { want = append(want, title); s.notice(title, "u1") }
		next(fmt.Sprint(round, " while nobody listens"))
		for item, err := range s.WatchInbox(ctx, "u1", last) {
			must(t, err)
			got = append(got, item.Title)
			last = item.Position
			if len(got) == len(want) {
				if len(want) == 3*(round+1) {
					break
				}
				next(fmt.Sprint(round, " live ", len(want)))
			}
		}
		cancel()
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// lines reads a raw stream.
func (s *server) lines(ctx context.Context, path string, header ...string) (*bufio.Scanner, func()) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(ctx, "GET", s.url+path, nil)
	must(s.t, err)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := tr.RoundTrip(req)
	must(s.t, err)
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || kind != "text/event-stream" {
		s.t.Fatalf("stream answered %s %s", resp.Status, kind)
	}
	return bufio.NewScanner(resp.Body), func() { _ = resp.Body.Close() }
}

func testInboxStreamFormat(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	s.notice("One", "u1")
	s.notice("Two", "u1")
	page, err := s.Inbox(t.Context(), "u1", client.Page{})
	must(t, err)
	lines, end := s.lines(t.Context(), "/v1/users/u1/inbox/stream?token="+s.token("u1"), "Last-Event-ID", fmt.Sprint(page.Items[1].Position))
	defer end()
	var got []string
	for len(got) < 5 && lines.Scan() {
		got = append(got, lines.Text())
	}
	want := []string{"retry: 2000", "", fmt.Sprint("id: ", page.Items[0].Position), "event: item"}
	if !slices.Equal(got[:4], want) || !strings.HasPrefix(got[4], `data: {"position":`) || !strings.Contains(got[4], `"title":"Two"`) {
		t.Errorf("stream is %q", got)
	}
}

func testInboxStreamHeartbeat(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *api.Config) { c.Heartbeat = 5 * time.Millisecond })
	s.user("u1")
	ev := s.notice("One", "u1")
	for _, path := range []string{"/v1/users/u1/inbox/stream", "/v1/events/" + ev.ID + "/stream"} {
		lines, end := s.lines(t.Context(), path, "Authorization", "Bearer "+s.keys["read"])
		for beats := 0; beats < 3; {
			if !lines.Scan() {
				t.Fatalf("%s ended: %v", path, lines.Err())
			}
			if strings.HasPrefix(lines.Text(), ":") {
				beats++
			}
		}
		end()
	}
}

func testInboxStreamStopping(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	ev := s.notice("One", "u1")
	s.api.EndStreams()
	for _, path := range []string{"/v1/users/u1/inbox/stream", "/v1/events/" + ev.ID + "/stream"} {
		if p := s.raw("GET", path, "").problem(t); p.Status != 503 || p.Code != "unavailable" {
			t.Errorf("%s answered %d %s", path, p.Status, p.Code)
		}
	}
}

func testInboxStreamUnknownUser(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var errs []error
	for _, err := range s.WatchInbox(t.Context(), "ghost", -1) {
		errs = append(errs, err)
	}
	if len(errs) != 1 {
		t.Fatalf("got %v, want one error", errs)
	}
	if p, ok := errors.AsType[*client.Problem](errs[0]); !ok || p.Code != "not_found" {
		t.Errorf("got %v", errs[0])
	}
}

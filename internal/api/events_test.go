package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/api"
	"schoolbell/internal/testenv"
	"schoolbell/wire"
)

func parents() schoolbell.Audience {
	return schoolbell.Audience{Selector: schoolbell.Selector{Roles: []schoolbell.Role{schoolbell.RoleParent}}}
}

func TestCreateEvent(t *testing.T) {
	t.Parallel()
	t.Run("an event is returned as it was sent", testCreateEventRoundTrip)
	t.Run("the response has a Location header", testCreateEventLocation)
	t.Run("the default channels are in-app and email", testCreateEventDefaultChannels)
	t.Run("the request creates no deliveries", testCreateEventNoDeliveries)
}

func testCreateEventRoundTrip(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("p1")
	at := time.Date(2027, 6, 4, 7, 0, 0, 123e6, time.UTC)
	in := wire.NewEvent{Title: "Sports day — ü 体育", Body: "On Friday.\n\nBring <water> & a hat.", Category: schoolbell.CategoryEvent,
		Audience: parents(), Channels: []schoolbell.Channel{schoolbell.ChannelEmail}, Data: json.RawMessage(`{"room":"5b"}`),
		Location: "Field", StartsAt: wire.At(at), EndsAt: wire.At(at.Add(time.Hour)), SendAt: wire.At(at.Add(-48 * time.Hour)), ExpiresAt: wire.At(at)}
	made, err := s.CreateEvent(t.Context(), in)
	must(t, err)
	got, err := s.Event(t.Context(), made.ID)
	must(t, err)
	want := &wire.Event{ID: made.ID, Status: schoolbell.EventScheduled, Title: in.Title, Body: in.Body, Category: in.Category, Lane: schoolbell.LaneNormal, Audience: in.Audience,
		Channels: in.Channels, Data: in.Data, Location: in.Location, StartsAt: in.StartsAt, EndsAt: in.EndsAt, SendAt: in.SendAt,
		ExpiresAt: in.ExpiresAt, CreatedBy: made.CreatedBy, CreatedAt: made.CreatedAt, Progress: &schoolbell.Progress{Channels: map[schoolbell.Channel]schoolbell.ChannelProgress{}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func testCreateEventLocation(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	a := s.raw("POST", "/v1/events", event())
	var ev struct{ ID, Status, CreatedAt string }
	must(t, json.Unmarshal([]byte(strings.ReplaceAll(a.body, "created_at", "CreatedAt")), &ev))
	if a.StatusCode != 201 || a.Header.Get("Location") != "/v1/events/"+ev.ID || ev.Status != "queued" {
		t.Errorf("answered %d, Location %q, %s", a.StatusCode, a.Header.Get("Location"), a.body)
	}
	if !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`).MatchString(ev.CreatedAt) {
		t.Errorf("created_at is %q, want UTC with milliseconds", ev.CreatedAt)
	}
	if strings.Contains(a.body, "0001-01-01") || a.Header.Get("Idempotency-Replayed") != "" {
		t.Errorf("answer has what is not there: %s %v", a.body, a.Header)
	}
}

func testCreateEventDefaultChannels(t *testing.T) {
	t.Parallel()
	ev, err := newServer(t).CreateEvent(t.Context(), wire.NewEvent{Title: "T", Body: "B", Audience: parents()})
	must(t, err)
	if want := []schoolbell.Channel{schoolbell.ChannelInApp, schoolbell.ChannelEmail}; !slices.Equal(ev.Channels, want) {
		t.Errorf("channels are %v, want %v", ev.Channels, want)
	}
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	t.Run("the same key and body return the same event", testIdempotencyKeySameBody)
	t.Run("the same key with another body is rejected", testIdempotencyKeyOtherBody)
	t.Run("a long or unprintable key is rejected", testIdempotencyKeyInvalid)
	t.Run("concurrent requests with one key create one event", testIdempotencyKeyConcurrent)
}

func testIdempotencyKeySameBody(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	first := s.raw("POST", "/v1/events", `{"title":"A","body":"B","audience":{"roles":["parent"]}}`, "Idempotency-Key", "k 1")
	for name, body := range map[string]string{
		"the same text":            `{"title":"A","body":"B","audience":{"roles":["parent"]}}`,
		"other white space":        "{ \"title\": \"A\",\n\"body\":\"B\", \"audience\":{\"roles\":[\"parent\"]} }",
		"members in another order": `{"audience":{"roles":["parent"]},"body":"B","title":"A"}`,
	} {
		a := s.raw("POST", "/v1/events", body, "Idempotency-Key", "k 1")
		if a.StatusCode != 200 || a.Header.Get("Idempotency-Replayed") != "true" || a.body != first.body || a.Header.Get("Location") != first.Header.Get("Location") {
			t.Errorf("%s: answered %d %q %s, want 200 and %s", name, a.StatusCode, a.Header.Get("Idempotency-Replayed"), a.body, first.body)
		}
	}
	if first.StatusCode != 201 || first.Header.Get("Idempotency-Replayed") != "" {
		t.Errorf("first answered %d, replayed %q", first.StatusCode, first.Header.Get("Idempotency-Replayed"))
	}
	list, err := s.Events(t.Context(), "", client.Page{})
	must(t, err)
	if len(list.Events) != 1 {
		t.Errorf("there are %d events, want 1", len(list.Events))
	}
}

func testIdempotencyKeyOtherBody(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	_, _, err := s.CreateEventOnce(t.Context(), wire.NewEvent{Title: "A", Body: "B", Audience: parents()}, "k")
	must(t, err)
	_, _, err = s.CreateEventOnce(t.Context(), wire.NewEvent{Title: "Other", Body: "B", Audience: parents()}, "k")
	wantProblem(t, err, 422, "invalid", "Idempotency-Key")
	other, replayed, err := s.as(s.keys[schoolbell.ScopeSend]).CreateEventOnce(t.Context(), wire.NewEvent{Title: "Another program's", Body: "B", Audience: parents()}, "k")
	must(t, err)
	if replayed || other.Title != "Another program's" {
		t.Errorf("under the same key of another API key: %+v", other)
	}
}

func testIdempotencyKeyInvalid(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, key := range []string{strings.Repeat("k", 256), "schlüssel"} {
		if p := s.raw("POST", "/v1/events", event(), "Idempotency-Key", key).problem(t); p.Status != 422 || p.Fields[0].Field != "Idempotency-Key" {
			t.Errorf("key %q answered %d %v", key, p.Status, p.Fields)
		}
	}
	if a := s.raw("POST", "/v1/events", event(), "Idempotency-Key", strings.Repeat("k", 255)); a.StatusCode != 201 {
		t.Errorf("a key of 255 characters answered %d", a.StatusCode)
	}
}

func testIdempotencyKeyConcurrent(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	ids := make([]string, 8)
	var calls sync.WaitGroup
	for i := range ids {
		calls.Go(func() {
			ev, _, err := s.CreateEventOnce(t.Context(), wire.NewEvent{Title: "A", Body: "B", Audience: parents()}, "k")
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = ev.ID
		})
	}
	calls.Wait()
	if len(slices.Compact(ids)) != 1 {
		t.Errorf("events %v, want one", ids)
	}
}

func testCreateEventNoDeliveries(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var rows strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&rows, `{"id":"p%d","name":"P","roles":["parent"]}`+"\n", i)
	}
	_, err := s.ImportUsers(t.Context(), strings.NewReader(rows.String()), client.NDJSON)
	must(t, err)
	ev, err := s.CreateEvent(t.Context(), wire.NewEvent{Title: "A", Body: "B", Audience: parents()})
	must(t, err)
	got, err := s.Event(t.Context(), ev.ID)
	must(t, err)
	if got.Status != schoolbell.EventQueued || got.Progress.Total != 0 || got.Progress.Percent != 0 {
		t.Errorf("the call did a worker's work: %s %+v", got.Status, got.Progress)
	}
}

func TestEventProgress(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("p1")
	_, _, err := s.PutUser(t.Context(), schoolbell.User{ID: "p2", Name: "No address", Roles: []schoolbell.Role{schoolbell.RoleParent}})
	must(t, err)
	ev, err := s.CreateEvent(t.Context(), wire.NewEvent{Title: "A", Body: "B", Audience: parents()})
	must(t, err)
	s.fanOut(ev.ID)
	got, err := s.Event(t.Context(), ev.ID)
	must(t, err)
	want := &schoolbell.Progress{Percent: 75, Total: 4, Done: 3, Channels: map[schoolbell.Channel]schoolbell.ChannelProgress{
		schoolbell.ChannelInApp: {Total: 2, Sent: 2}, schoolbell.ChannelEmail: {Total: 2, Pending: 1, Suppressed: 1}}}
	if diff := cmp.Diff(want, got.Progress); diff != "" {
		t.Error(diff)
	}
}

func TestPagination(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var users, events []string
	for i := range 5 {
		id := fmt.Sprintf("p%d", i)
		s.user(id)
		users = append(users, id)
		_, _, err := s.PutGroup(t.Context(), schoolbell.Group{ID: "g" + id, Name: "G", Kind: schoolbell.GroupClub})
		must(t, err)
	}
	for i := range 5 {
		events = append(events, s.notice(fmt.Sprint("E", i), users...).ID)
	}
	slices.Reverse(events)
	ctx := t.Context()
	for _, limit := range []int{1, 2, 4, 5, 6} {
		p := func(cursor string) client.Page { return client.Page{Limit: limit, Cursor: cursor} }
		check := func(name string, want []string, read func(cursor string) (ids []string, next string, err error)) {
			t.Helper()
			var got []string
			for cursor, pages := "", 1; ; pages++ {
				ids, next, err := read(cursor)
				must(t, err)
				got = append(got, ids...)
				if next == "" {
					if wantPages := (len(want) + limit - 1) / limit; pages != wantPages {
						t.Errorf("%s by %d: %d pages, want %d", name, limit, pages, wantPages)
					}
					break
				}
				cursor = next
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s by %d: %v, want %v", name, limit, got, want)
			}
		}
		check("users", users, func(c string) (ids []string, next string, err error) {
			page, err := s.Users(ctx, p(c))
			for _, u := range page.Users {
				ids = append(ids, u.ID)
			}
			return ids, page.Next, err
		})
		check("groups", []string{"gp0", "gp1", "gp2", "gp3", "gp4"}, func(c string) (ids []string, next string, err error) {
			page, err := s.Groups(ctx, p(c))
			for _, g := range page.Groups {
				ids = append(ids, g.ID)
			}
			return ids, page.Next, err
		})
		check("events", events, func(c string) (ids []string, next string, err error) {
			page, err := s.Events(ctx, "", p(c))
			for _, ev := range page.Events {
				ids = append(ids, ev.ID)
			}
			return ids, page.Next, err
		})
		check("inbox", events, func(c string) (ids []string, next string, err error) {
			page, err := s.Inbox(ctx, "p3", p(c))
			for _, it := range page.Items {
				ids = append(ids, it.EventID)
			}
			return ids, page.Next, err
		})
		check("deliveries", users, func(c string) (ids []string, next string, err error) {
			page, err := s.Deliveries(ctx, events[0], schoolbell.DeliveryFilter{Channel: schoolbell.ChannelInApp, Status: schoolbell.DeliverySent}, p(c))
			for _, d := range page.Deliveries {
				ids = append(ids, d.UserID)
			}
			return ids, page.Next, err
		})
	}
}

func TestEventsByStatus(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("p1")
	done := s.notice("Done", "p1")
	s.finish(done.ID)
	off, err := s.CreateEvent(t.Context(), wire.NewEvent{Title: "Off", Body: "B", Audience: parents()})
	must(t, err)
	_, err = s.CancelEvent(t.Context(), off.ID)
	must(t, err)
	for status, want := range map[schoolbell.EventStatus]string{schoolbell.EventCompleted: done.ID, schoolbell.EventCancelled: off.ID} {
		page, err := s.Events(t.Context(), status, client.Page{})
		must(t, err)
		if len(page.Events) != 1 || page.Events[0].ID != want {
			t.Errorf("%s: %d events", status, len(page.Events))
		}
	}
}

func TestCancelEvent(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("p1")
	ev, err := s.CreateEvent(t.Context(), wire.NewEvent{Title: "Off", Body: "B", Audience: parents()})
	must(t, err)
	for range 2 {
		got, err := s.CancelEvent(t.Context(), ev.ID)
		must(t, err)
		if got.Status != schoolbell.EventCancelled || got.CompletedAt.IsZero() {
			t.Errorf("cancelled event is %s, completed at %v", got.Status, got.CompletedAt)
		}
	}
	_, err = s.RetryEvent(t.Context(), ev.ID)
	wantProblem(t, err, 409, "conflict", "")
	done := s.notice("Done", "p1")
	s.finish(done.ID)
	_, err = s.CancelEvent(t.Context(), done.ID)
	wantProblem(t, err, 409, "conflict", "")
	n, err := s.RetryEvent(t.Context(), done.ID)
	if n != 0 || err != nil {
		t.Errorf("retrying what never failed: %d rows, %v", n, err)
	}
}

func TestEventStream(t *testing.T) {
	t.Parallel()
	t.Run("a stream runs until the event completes", testEventStreamToEnd)
	t.Run("viewers of one event share one count", testEventStreamSharedCount)
	t.Run("a stream ends when the server stops", testEventStreamServerStop)
}

func testEventStreamToEnd(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("p1")
	ev, err := s.CreateEvent(t.Context(), wire.NewEvent{Title: "A", Body: "B", Audience: parents(), Channels: []schoolbell.Channel{schoolbell.ChannelInApp}})
	must(t, err)
	var seen []wire.EventProgress
	for p, err := range s.WatchEvent(t.Context(), ev.ID) {
		must(t, err)
		seen = append(seen, p)
		switch len(seen) {
		case 1:
			s.fanOut(ev.ID)
		case 2:
			s.finish(ev.ID)
		}
	}
	first, last := seen[0], seen[len(seen)-1]
	if first.Status != schoolbell.EventQueued || last.Status != schoolbell.EventCompleted || last.Progress.Percent != 100 || last.Progress.Total != 1 {
		t.Errorf("saw %+v", seen)
	}
}

// countingStore counts how often events are counted.
type countingStore struct {
	api.Store
	counts atomic.Int64
}

func (c *countingStore) Progress(ctx context.Context, id string) (schoolbell.Progress, error) {
	c.counts.Add(1)
	return c.Store.Progress(ctx, id)
}

func testEventStreamSharedCount(t *testing.T) {
	t.Parallel()
	counting := &countingStore{}
	s := newServer(t, func(c *api.Config) {
		counting.Store, c.Store = c.Store, counting
		c.ProgressEvery = time.Hour // the first count is good for all
	})
	s.user("p1")
	ev := s.notice("A", "p1")
	ctx, cancel := context.WithCancel(t.Context())
	var viewers sync.WaitGroup
	var saw atomic.Int64
	for range 20 {
		c := s.as(s.keys[schoolbell.ScopeRead])
		viewers.Go(func() {
			for range c.WatchEvent(ctx, ev.ID) {
				saw.Add(1)
			}
		})
	}
	testenv.Eventually(t, 10*time.Second, func() bool { return saw.Load() == 20 }, "20 viewers see the event")
	cancel()
	viewers.Wait()
	if n := counting.counts.Load(); n != 1 {
		t.Errorf("counted %d times for 20 viewers, want once", n)
	}
}

func testEventStreamServerStop(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("p1")
	ev := s.notice("A", "p1")
	started, ended := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer close(ended)
		for p := range s.WatchEvent(ctx, ev.ID) {
			if p.ID != "" {
				close(started)
			} else {
				return // the connection is refused: the server has gone
			}
		}
	}()
	<-started
	s.stop() // fails the test if it has to cut the stream off
	cancel()
	<-ended
}

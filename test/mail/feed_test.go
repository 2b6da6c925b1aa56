package mail

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
	"schoolbell/wire"
)

// A calendar asks for the feed of a person. A library that is not ours reads what the school has sent, changed and cancelled.
func TestFeed(t *testing.T) {
	t.Parallel()
	t.Run("in one process", func(t *testing.T) {
		t.Parallel()
		s := system.New(t, system.Parts{SMTP: startCatcher(t).Addr()})
		serve := s.Serve()
		feeds(t, s)
		serve.Stop()
	})
	t.Run("PostgreSQL and Redis with a worker", func(t *testing.T) {
		t.Parallel()
		s := system.New(t, system.Parts{Database: testenv.Postgres(t), Redis: testenv.Redis(t), SMTP: startCatcher(t).Addr()})
		serve, worker := s.Serve(), s.Worker("one")
		feeds(t, s)
		worker.Stop()
		serve.Stop()
	})
}

func feeds(t *testing.T, s *system.School) {
	s.AwaitReady()
	s.Import(2)
	feed, err := s.Client.CreateCalendar(t.Context(), system.Person(0))
	must(t, err)
	if got := fetched(t, feed.URL); len(got.Events) > 0 || got.Refresh != "PT60M" || got.Name == "" || got.ObjectMethod != "" {
		t.Errorf("the feed begins as %+v", got)
	}
	start := wire.At(time.Date(2031, 7, 4, 8, 30, 0, 0, time.UTC))
	trip := happens(t, s, wire.NewEvent{Title: `Trip; to "the sea", moved 🎒`, Body: "Bring water.\n\nEND:VEVENT\nSUMMARY:x", Location: "Main gate", StartsAt: start}, 0, 1)
	walk := happens(t, s, wire.NewEvent{Title: "نزهة", Body: "يرجى إحضار الماء، شكرًا.", StartsAt: wire.At(start.Add(-time.Hour)), EndsAt: start}, 0)
	happens(t, s, wire.NewEvent{Title: "Of another", Body: "x", StartsAt: start}, 1)
	wantEvents(t, feed.URL,
		calendarEvent{UID: walk + "@schoolbell", Summary: "نزهة", Text: "يرجى إحضار الماء، شكرًا.", Start: "2031-07-04T07:30:00.000Z", End: "2031-07-04T08:30:00.000Z", Status: "CONFIRMED"},
		calendarEvent{UID: trip + "@schoolbell", Summary: `Trip; to "the sea", moved 🎒`, Text: "Bring water.\n\nEND:VEVENT\nSUMMARY:x", Location: "Main gate",
			Start: "2031-07-04T08:30:00.000Z", End: "2031-07-04T08:30:00.000Z", Status: "CONFIRMED"})

	later, body := wire.At(start.Add(24*time.Hour)), "Bring water."
	_, err = s.Client.UpdateEvent(t.Context(), trip, wire.EventChange{StartsAt: later, Body: &body})
	must(t, err)
	_, err = s.Client.RetractEvent(t.Context(), walk)
	must(t, err)
	wantEvents(t, feed.URL,
		calendarEvent{UID: walk + "@schoolbell", Summary: "نزهة", Text: "يرجى إحضار الماء، شكرًا.", Start: "2031-07-04T07:30:00.000Z", End: "2031-07-04T08:30:00.000Z", Status: "CANCELLED", Sequence: 2},
		calendarEvent{UID: trip + "@schoolbell", Summary: `Trip; to "the sea", moved 🎒`, Text: "Bring water.", Location: "Main gate",
			Start: "2031-07-05T08:30:00.000Z", End: "2031-07-05T08:30:00.000Z", Status: "CONFIRMED", Sequence: 1})

	must(t, s.Client.RevokeCalendar(t.Context(), system.Person(0)))
	if status, text := get(t, feed.URL); status != http.StatusNotFound || strings.Contains(text, "VCALENDAR") {
		t.Errorf("after the end: %d %s", status, text)
	}
}

// happens sends an event to people by number, and waits for its end.
func happens(t *testing.T, s *system.School, ev wire.NewEvent, people ...int) string {
	t.Helper()
	for _, n := range people {
		ev.Audience.Users = append(ev.Audience.Users, system.Person(n))
	}
	created, err := s.Client.CreateEvent(t.Context(), ev)
	must(t, err)
	s.AwaitStatus(created.ID, schoolbell.EventCompleted)
	return created.ID
}

func wantEvents(t *testing.T, url string, want ...calendarEvent) {
	t.Helper()
	got := fetched(t, url).Events
	for i := range got {
		if slices.Contains(got[i].Properties, "attendee") {
			t.Errorf("properties %v", got[i].Properties)
		}
		got[i].Properties = nil
	}
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("events\n%+v, want\n%+v", got, want)
	}
}

// fetched is a feed as another library reads it.
func fetched(t *testing.T, url string) (f calendarFile) {
	t.Helper()
	status, text := get(t, url)
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	ask(t, &f, []byte(text), "feed.mjs")
	return f
}

func get(t *testing.T, url string) (status int, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	must(t, err)
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp.StatusCode, string(b)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

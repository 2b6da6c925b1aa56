package e2e

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/test/system"
	"schoolbell/wire"
)

// The calendar feed of a person has events that were sent by email only, and not those of which the person has opted out.
func TestCalendarFeed(t *testing.T) {
	t.Parallel()
	system.OnBothEngines(t, func(t *testing.T, parts system.Parts) {
		parts.SMTP = system.NewMail(t).Addr()
		s := system.New(t, parts)
		defer s.Start()()
		s.Import(2)
		_, err := s.Client.PutPreferences(t.Context(), system.Person(1), schoolbell.Preference{Category: schoolbell.CategoryEvent, Channel: schoolbell.ChannelEmail, Mode: schoolbell.ModeOff})
		must(t, err)
		ev := wire.NewEvent{Title: "Sports day", Body: "Bring water.", Category: schoolbell.CategoryEvent, StartsAt: wire.At(time.Now().Add(100 * time.Hour)),
			Channels: []schoolbell.Channel{schoolbell.ChannelEmail}, Audience: schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{system.Person(0), system.Person(1)}}}}
		created, err := s.Client.CreateEvent(t.Context(), ev)
		must(t, err)
		s.AwaitStatus(created.ID, schoolbell.EventCompleted)
		for n, want := range []bool{true, false} {
			feed, err := s.Client.CreateCalendar(t.Context(), system.Person(n))
			must(t, err)
			resp, err := http.Get(feed.URL)
			must(t, err)
			text, err := io.ReadAll(resp.Body)
			must(t, err)
			must(t, resp.Body.Close())
			if resp.StatusCode != http.StatusOK || strings.Contains(string(text), "SUMMARY:Sports day") != want {
				t.Errorf("the feed of person %d: %d\n%s", n, resp.StatusCode, text)
			}
		}
	})
}

package notify_test

import (
	"fmt"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/store"
	"schoolbell/internal/testenv"
)

func TestDigestWindows(t *testing.T) {
	t.Parallel()
	for engine, open := range engines {
		t.Run("hour, zone and day on "+engine, func(t *testing.T) {
			t.Parallel()
			testDigestWindows(t, open(t))
		})
	}
}

// digestCase is when the window of somebody closes: not yet at a time, but a minute later.
type digestCase struct{ name, zone, window, before string }

func digestCases() []digestCase {
	return []digestCase{
		{"a day", "", "17:00", "2040-01-16T15:59:00Z"},
		{"a day in a week", "Europe/London", "friday 08:00", "2040-03-02T07:59:00Z"},
		{"a leap day", "Europe/London", "wednesday 08:00", "2040-02-29T07:59:00Z"},
		{"a quarter of an hour", "Asia/Kathmandu", "17:00", "2040-01-16T11:14:00Z"},
		{"the next day there", "Pacific/Kiritimati", "00:05", "2040-01-16T10:04:00Z"},
		{"a time that clocks skip", "Europe/Berlin", "02:30", "2040-03-25T00:59:00Z"},
		{"a time that comes twice", "Europe/Berlin", "02:30", "2040-10-28T00:29:00Z"},
		{"clocks that change by half an hour", "Australia/Lord_Howe", "01:45", "2040-03-31T14:44:00Z"},
		{"a zone that does not exist", "Mars/Olympus", "17:00", "2040-01-17T15:59:00Z"},
	}
}

func testDigestWindows(t *testing.T, l *store.Ledger) {
	clock, counted := &testClock{}, &countedDigests{Digests: l.Digests}
	l.Digests = counted
	s := newTestPipelineOn(t, l, 0, clocked(clock, nightSchool()), withDigests)
	s.work()
	tell := func(user string) {
		t.Helper()
		ev := s.create(func(ev *schoolbell.Event) {
			ev.Audience = schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{user}}}
		})
		s.await(ev.ID, schoolbell.EventCompleted)
	}
	made := 0
	wantMade := func(c digestCase, at time.Time, more int) {
		t.Helper()
		clock.set(at)
		looks := counted.looks.Load() + counted.searches.Load()
		testenv.Eventually(t, 40*time.Second, func() error {
			if n := counted.looks.Load() + counted.searches.Load(); n < looks+3 { // the first of them may have begun before
				return fmt.Errorf("%d looks", n-looks)
			}
			return nil
		}, "the pipeline looks for digests")
		made += more
		if n := len(s.digestEvents()); n != made {
			t.Fatalf("%s: %d digests at %v, want %d", c.name, n, at, made)
		}
	}
	for i, c := range digestCases() {
		user := userID(i)
		before, err := time.Parse(time.RFC3339, c.before)
		s.must(err)
		s.choose(user, modeCase{category: schoolbell.CategoryAnnouncement, mode: schoolbell.ModeDigest, zone: c.zone})
		s.must(l.Schedules.PutSchedule(t.Context(), user, schoolbell.Schedule{Digest: schoolbell.ParseDigestWindow(c.window)}))
		tell(user)
		wantMade(c, before.Add(-12*time.Hour), 1) // of an earlier window: the ledger's clock is years behind
		tell(user)
		wantMade(c, before, 0)
		wantMade(c, before.Add(time.Minute), 1)
	}
}

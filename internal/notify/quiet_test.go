package notify_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/notify"
	"schoolbell/internal/store"
	"schoolbell/internal/testenv"
)

// testClock is a time that a test chooses, from which on it goes at its usual speed.
type testClock struct{ ahead atomic.Int64 }

func (c *testClock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// set makes it that time now.
func (c *testClock) set(t time.Time) { c.ahead.Store(int64(time.Until(t))) }

// clocked gives a pipeline the clock, and a school with settings.
func clocked(c *testClock, school schoolbell.SchoolSettings) func(*notify.Config) {
	return func(cfg *notify.Config) {
		cfg.Now, cfg.School = c.now, func() schoolbell.SchoolSettings { return school }
	}
}

// nightSchool has quiet hours from nine to seven in Berlin.
func nightSchool() schoolbell.SchoolSettings {
	s := schoolbell.DefaultSchoolSettings()
	s.Timezone, s.QuietHours = "Europe/Berlin", schoolbell.QuietHours{From: "21:00", To: "07:00"}
	return s
}

func TestModes(t *testing.T) {
	t.Parallel()
	for engine, open := range engines {
		t.Run("category, mode, hour and zone on "+engine, func(t *testing.T) {
			t.Parallel()
			testModes(t, open(t))
		})
	}
}

// modeCase is a delivery to somebody who has chosen something, at a time.
type modeCase struct {
	name     string
	category schoolbell.Category
	mode     schoolbell.Mode // empty for no choice
	quiet    string          // of the user; empty for the school's
	zone     string          // of the user; empty for the school's
	now      string
	want     string // status and reason
}

func modeCases() []modeCase {
	const held, sent, off, digest = "pending quiet_hours", "sent ", "suppressed opted_out", "suppressed in_digest"
	return []modeCase{
		{"in the day", "event", "", "", "", "2027-01-15T12:00:00Z", sent},
		{"at night", "event", "", "", "", "2027-01-15T22:00:00Z", held},
		{"at night, chosen instant", "event", "instant", "", "", "2027-01-15T22:00:00Z", held},
		{"at night, urgent", "urgent", "", "", "", "2027-01-15T22:00:00Z", sent},
		{"at night, mandatory", "attendance", "", "", "", "2027-01-15T22:00:00Z", held},
		{"at night, off", "event", "off", "", "", "2027-01-15T22:00:00Z", off},
		{"at night, in a digest", "event", "digest", "", "", "2027-01-15T22:00:00Z", digest},
		{"in the day, in a digest", "event", "digest", "", "", "2027-01-15T12:00:00Z", digest},
		{"in the day, off", "event", "off", "", "", "2027-01-15T12:00:00Z", off},
		{"night at school, day at home", "event", "", "", "America/Los_Angeles", "2027-01-15T22:00:00Z", sent},
		{"day at school, night at home", "event", "", "", "Asia/Kathmandu", "2027-01-15T15:15:00Z", held},
		{"just before night at home", "event", "", "", "Asia/Kathmandu", "2027-01-15T15:14:00Z", sent},
		{"no quiet hours", "event", "", "00:00-00:00", "", "2027-01-15T22:00:00Z", sent},
		{"own quiet hours at noon", "event", "", "11:00-14:00", "", "2027-01-15T11:00:00Z", held},
		{"own quiet hours, school's night", "event", "", "11:00-14:00", "", "2027-01-15T22:00:00Z", sent},
		{"short night before it ends", "event", "", "22:00-02:30", "", "2027-03-28T00:59:00Z", held},
		{"short night when clocks skip the end", "event", "", "22:00-02:30", "", "2027-03-28T01:00:00Z", sent},
		{"long night in the hour that comes twice", "event", "", "22:00-02:30", "", "2027-10-31T00:45:00Z", held},
		{"long night after its second end", "event", "", "22:00-02:30", "", "2027-10-31T01:31:00Z", sent},
		{"at night, urgent though off", "urgent", "off", "", "", "2027-01-15T22:00:00Z", sent},
		{"at night, urgent though in a digest", "urgent", "digest", "", "", "2027-01-15T22:00:00Z", sent},
		{"in the day, mandatory though off", "attendance", "off", "", "", "2027-01-15T12:00:00Z", sent},
		{"at night, mandatory though in a digest", "attendance", "digest", "", "", "2027-01-15T22:00:00Z", held},
		{"night of a leap day", "event", "", "", "", "2028-02-29T22:00:00Z", held},
		{"a leap day", "event", "", "", "", "2028-02-29T12:00:00Z", sent},
		{"the half hour that comes twice", "event", "", "21:00-02:00", "Australia/Lord_Howe", "2027-04-03T15:10:00Z", held},
		{"after that half hour", "event", "", "21:00-02:00", "Australia/Lord_Howe", "2027-04-03T15:31:00Z", sent},
		{"before a half hour that is skipped", "event", "", "22:00-02:15", "Australia/Lord_Howe", "2027-10-02T15:29:00Z", held},
		{"after a half hour that is skipped", "event", "", "22:00-02:15", "Australia/Lord_Howe", "2027-10-02T15:30:00Z", sent},
		{"before a midnight that is skipped", "event", "", "23:30-00:30", "America/Havana", "2027-03-14T04:45:00Z", held},
		{"after a midnight that is skipped", "event", "", "23:30-00:30", "America/Havana", "2027-03-14T05:00:00Z", sent},
		{"a zone that does not exist", "event", "", "", "Mars/Olympus", "2027-01-15T22:00:00Z", held},
	}
}

func testModes(t *testing.T, l *store.Ledger) {
	clock := &testClock{}
	s := newTestPipelineOn(t, l, 0, clocked(clock, nightSchool()))
	s.work()
	for i, c := range modeCases() {
		s.choose(userID(i), c)
		now, err := time.Parse(time.RFC3339, c.now)
		if err != nil {
			t.Fatal(err)
		}
		clock.set(now)
		ev := s.create(func(ev *schoolbell.Event) {
			ev.Category, ev.Audience = c.category, schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{userID(i)}}}
		})
		testenv.Eventually(t, 40*time.Second, func() error {
			rows, _, err := l.Reports.Deliveries(t.Context(), ev.ID, schoolbell.DeliveryFilter{Channel: schoolbell.ChannelEmail}, ledger.DeliveryCursor{}, 2)
			if err != nil || len(rows) != 1 {
				return fmt.Errorf("%d rows: %v", len(rows), err)
			}
			if got := string(rows[0].Status) + " " + rows[0].Reason; got != c.want {
				return fmt.Errorf("%s is %q", c.name, got)
			}
			return nil
		}, "%s: the email is %s", c.name, c.want)
	}
}

// choose makes a person with the choices of a case.
func (s *testPipeline) choose(id string, c modeCase) {
	s.t.Helper()
	u := &schoolbell.User{ID: id, Name: "User", Email: id + "@school.example", Roles: []schoolbell.Role{schoolbell.RoleParent}, Timezone: c.zone}
	u.Normalize()
	_, err := s.ledger.People.PutUser(s.t.Context(), u)
	s.must(err)
	hours, err := schoolbell.ParseQuietHours(c.quiet)
	s.must(err)
	s.must(s.ledger.Schedules.PutSchedule(s.t.Context(), id, schoolbell.Schedule{QuietHours: hours}))
	if c.mode != "" {
		s.must(s.ledger.People.PutPreferences(s.t.Context(), id, []schoolbell.Preference{{Category: c.category, Channel: schoolbell.ChannelEmail, Mode: c.mode}}))
	}
}

func (s *testPipeline) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func TestQuietHours(t *testing.T) {
	t.Parallel()
	t.Run("a large event is sent when they end", func(t *testing.T) { t.Parallel(); testQuietHoursEnd(t, 130) })
	t.Run("a small event is sent when they end", func(t *testing.T) { t.Parallel(); testQuietHoursEnd(t, 3) })
	t.Run("a loss of Redis loses nothing", testQuietHoursRedis)
	t.Run("an event that expires before does not wait", testQuietHoursExpired)
	t.Run("a cancelled event does not wait", testQuietHoursCancelled)
}

// awaitQuiet waits until n emails of an event wait for the end of quiet hours, or the event is completed because a slow
// machine has let them end.
func (s *testPipeline) awaitQuiet(ev *schoolbell.Event, n int) {
	s.t.Helper()
	testenv.Eventually(s.t, 40*time.Second, func() error {
		if now, err := s.ledger.Events.Event(s.t.Context(), ev.ID); err == nil && now.Status == schoolbell.EventCompleted {
			return nil
		}
		reasons := slices.DeleteFunc(s.reasons(ev), func(r string) bool { return r != schoolbell.ReasonQuietHours })
		if p := s.email(ev.ID); len(reasons) != n || p.Pending != n {
			return fmt.Errorf("%d emails wait, want %d: %+v", len(reasons), n, p)
		}
		return nil
	}, "emails wait")
}

// nightEnds is when a night of the nightSchool ends.
var nightEnds = time.Date(2027, 1, 16, 6, 0, 0, 0, time.UTC)

// atNight makes it a time before the end of the night.
func atNight(c *testClock, before time.Duration) {
	c.set(nightEnds.Add(-before))
}

func testQuietHoursEnd(t *testing.T, users int) {
	clock := &testClock{}
	s := newTestPipeline(t, users, clocked(clock, nightSchool()))
	atNight(clock, 2*time.Second)
	var early atomic.Int64
	s.provider.answers(func(schoolbell.Message) schoolbell.Result {
		if clock.now().Before(nightEnds) {
			early.Add(1)
		}
		return schoolbell.Result{Verdict: schoolbell.VerdictSent}
	})
	s.work()
	ev := s.create()
	s.await(ev.ID, schoolbell.EventCompleted)
	s.wantOnce(users)
	if n := early.Load(); n > 0 {
		t.Errorf("%d emails were sent in quiet hours", n)
	}
	rows, _, err := s.ledger.Reports.Deliveries(t.Context(), ev.ID, schoolbell.DeliveryFilter{Channel: schoolbell.ChannelEmail}, ledger.DeliveryCursor{}, users)
	s.must(err)
	for _, d := range rows {
		if d.Status != schoolbell.DeliverySent || d.Attempts != 1 || d.Reason != "" {
			t.Errorf("%s is %s after %d attempts: %s", d.UserID, d.Status, d.Attempts, d.Reason)
		}
	}
}

func testQuietHoursRedis(t *testing.T) {
	t.Parallel()
	clock := &testClock{}
	s := newTestPipeline(t, 60, clocked(clock, nightSchool()), func(c *notify.Config) { c.Round = time.Second })
	atNight(clock, 3*time.Second)
	s.work()
	ev := s.create()
	s.awaitQuiet(ev, 60)
	s.must(s.redis.FlushAll(t.Context()).Err())
	s.await(ev.ID, schoolbell.EventCompleted)
	s.wantOnce(60)
}

func testQuietHoursExpired(t *testing.T) {
	t.Parallel()
	clock := &testClock{}
	s := newTestPipeline(t, 60, clocked(clock, nightSchool()))
	atNight(clock, 9*time.Hour)
	s.work()
	ev := s.create(func(ev *schoolbell.Event) { ev.ExpiresAt = time.Now().Add(2 * time.Second) })
	s.await(ev.ID, schoolbell.EventCompleted)
	if p := s.email(ev.ID); p.Expired != 60 {
		t.Errorf("emails are %+v, want 60 expired", p)
	}
}

func testQuietHoursCancelled(t *testing.T) {
	t.Parallel()
	clock := &testClock{}
	s := newTestPipeline(t, 60, clocked(clock, nightSchool()))
	atNight(clock, 9*time.Hour)
	s.work()
	ev := s.create()
	s.awaitQuiet(ev, 60)
	_, err := s.pipeline.Cancel(t.Context(), ev.ID)
	s.must(err)
	if p := s.email(ev.ID); p.Cancelled != 60 {
		t.Errorf("emails are %+v, want 60 cancelled", p)
	}
	s.wantOnce(0)
}

package notify_test

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/notify"
	"schoolbell/internal/store"
	"schoolbell/internal/testenv"
)

func TestDigests(t *testing.T) {
	t.Parallel()
	for engine, open := range engines {
		t.Run("a window closes on "+engine, func(t *testing.T) {
			t.Parallel()
			testDigest(t, open(t))
		})
	}
	t.Run("two processes make one digest", testDigestTwice)
	t.Run("most looks read the windows only", testDigestSearches)
}

// itemsRenderer writes the titles of the items of a digest.
type itemsRenderer struct{ plainRenderer }

func (r itemsRenderer) Render(ev *schoolbell.Event, ch schoolbell.Channel, to ledger.Recipient) (schoolbell.Message, error) {
	m, err := r.plainRenderer.Render(ev, ch, to)
	m.UserID = to.UserID
	text := ""
	for _, item := range to.Items {
		text += item.Title + "; "
	}
	m.Text = schoolbell.Plain(text)
	return m, err
}

// digestPost is a provider that keeps the texts of messages by user.
type digestPost struct {
	*provider
	mu    sync.Mutex
	texts map[string]string
}

func (s *testPipeline) workWithDigests() *digestPost {
	post := &digestPost{provider: s.provider, texts: map[string]string{}}
	s.provider.answers(func(m schoolbell.Message) schoolbell.Result {
		post.mu.Lock()
		defer post.mu.Unlock()
		if text := m.Text.String(); text != "" {
			post.texts[m.UserID] += text
		}
		return schoolbell.Result{Verdict: schoolbell.VerdictSent}
	})
	s.workWith(itemsRenderer{}, map[schoolbell.Channel]notify.Senders{schoolbell.ChannelEmail: notify.ForBothLanes(post)})
	return post
}

// sent returns the texts of the digests that people got.
func (p *digestPost) sent() map[string]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.texts)
}

// wantDigest lets people get announcements in a digest.
func (s *testPipeline) wantDigest(users ...string) {
	s.t.Helper()
	for _, user := range users {
		s.must(s.ledger.People.PutPreferences(s.t.Context(), user, []schoolbell.Preference{
			{Category: schoolbell.CategoryAnnouncement, Channel: schoolbell.ChannelEmail, Mode: schoolbell.ModeDigest}}))
	}
}

func withDigests(c *notify.Config) { c.DigestPoll = 50 * time.Millisecond }

// digestEvents returns the digests that were made, newest first.
func (s *testPipeline) digestEvents() (made []*schoolbell.Event) {
	s.t.Helper()
	events, err := s.ledger.Reports.Events(s.t.Context(), schoolbell.EventFilter{}, "", 1000)
	s.must(err)
	for _, ev := range events {
		if ev.Digest {
			made = append(made, ev)
		}
	}
	return made
}

// awaitDigests waits until so many digests are completed.
func (s *testPipeline) awaitDigests(n int) []*schoolbell.Event {
	s.t.Helper()
	var made []*schoolbell.Event
	testenv.Eventually(s.t, 40*time.Second, func() error {
		made = s.digestEvents()
		completed := 0
		for _, ev := range made {
			if ev.Status == schoolbell.EventCompleted {
				completed++
			}
		}
		if completed != n || len(made) != n {
			return fmt.Errorf("%d digests, %d completed", len(made), completed)
		}
		return nil
	}, "%d digests are completed", n)
	return made
}

func testDigest(t *testing.T, l *store.Ledger) {
	clock := &testClock{}
	school := schoolbell.DefaultSchoolSettings()
	school.Timezone = "Europe/Berlin"
	s := newTestPipelineOn(t, l, 60, clocked(clock, school), withDigests)
	for i := range 50 {
		s.wantDigest(userID(i))
	}
	today := time.Now().In(schoolbell.FirstTimezone(school.Timezone))
	tomorrow := time.Date(today.Year(), today.Month(), today.Day()+1, 17, 30, 0, 0, today.Location())
	weekday := schoolbell.Weekdays()[tomorrow.AddDate(0, 0, 2).Weekday()]
	s.must(l.Schedules.PutSchedule(t.Context(), userID(3), schoolbell.Schedule{Digest: schoolbell.DigestWindow{At: "17:00", Weekday: weekday}}))
	post := s.workWithDigests()
	titled := func(title string) *schoolbell.Event {
		ev := s.create(func(ev *schoolbell.Event) { ev.Title = title })
		s.await(ev.ID, schoolbell.EventCompleted)
		return ev
	}
	first := titled("first")
	cancelled := s.create(func(ev *schoolbell.Event) {
		ev.Title, ev.ExpiresAt = "expired", time.Now().Add(time.Second)
		ev.Audience = schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{userID(0), userID(1)}}}
	})
	s.await(cancelled.ID, schoolbell.EventCompleted)
	titled("second")
	if p := s.email(first.ID); p.Suppressed != 50 || p.Sent != 10 {
		t.Errorf("emails are %+v", p)
	}
	s.must(l.People.PutPreferences(t.Context(), userID(2), []schoolbell.Preference{
		{Category: schoolbell.CategoryAnnouncement, Channel: schoolbell.ChannelEmail, Mode: schoolbell.ModeOff}}))

	testenv.Eventually(t, 10*time.Second, func() error {
		if ev, err := l.Events.Event(t.Context(), cancelled.ID); err != nil || time.Now().Before(ev.ExpiresAt) {
			return fmt.Errorf("%v", err)
		}
		return nil
	}, "an event expires")
	clock.set(tomorrow)
	digest := s.awaitDigests(1)[0]
	if p := s.email(digest.ID); p.Sent != 48 || p.Suppressed != 1 {
		t.Errorf("the digest is %+v", p)
	}
	rows, _, err := l.Reports.Deliveries(t.Context(), digest.ID, schoolbell.DeliveryFilter{Status: schoolbell.DeliverySuppressed}, ledger.DeliveryCursor{}, 10)
	s.must(err)
	if len(rows) != 1 || rows[0].UserID != userID(2) || rows[0].Reason != schoolbell.ReasonEmptyDigest {
		t.Errorf("suppressed are %+v", rows)
	}
	sent := post.sent()
	for _, i := range []int{0, 1, 4, 49} {
		if sent[userID(i)] != "first; second; " {
			t.Errorf("%s got %q", userID(i), sent[userID(i)])
		}
	}
	if len(sent) != 48 || sent[userID(3)] != "" {
		t.Errorf("%d people got a digest", len(sent))
	}
	clock.set(tomorrow.AddDate(0, 0, 2))
	weekly := s.awaitDigests(2)
	if p := s.email(weekly[0].ID); p.Sent != 1 || post.sent()[userID(3)] != "first; second; " {
		t.Errorf("the weekly digest is %+v", p)
	}
}

func testDigestTwice(t *testing.T) {
	t.Parallel()
	clock := &testClock{}
	s := newTestPipeline(t, 30, clocked(clock, schoolbell.DefaultSchoolSettings()), withDigests)
	for i := range 30 {
		s.wantDigest(userID(i))
	}
	post := s.workWithDigests()
	ev := s.create()
	s.await(ev.ID, schoolbell.EventCompleted)
	s.must(s.redis.FlushAll(t.Context()).Err()) // with whose turn it is
	other := s.newPipeline()
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = other.RunRelay(ctx) })
	defer running.Wait()
	defer stop()
	clock.set(time.Now().AddDate(0, 0, 1))
	s.awaitDigests(1)
	if sent := post.sent(); len(sent) != 30 || sent[userID(7)] != "Sports day; " {
		t.Errorf("%d people got a digest: %v", len(sent), sent)
	}
	s.wantOnce(30)
}

// countedDigests counts searches for open digests.
type countedDigests struct {
	ledger.Digests
	searches, looks atomic.Int64
}

func (d *countedDigests) OpenDigests(ctx context.Context) ([]ledger.OpenDigest, error) {
	d.searches.Add(1)
	return d.Digests.OpenDigests(ctx)
}

func (d *countedDigests) DigestWindows(ctx context.Context) ([]ledger.OpenDigest, error) {
	d.looks.Add(1)
	return d.Digests.DigestWindows(ctx)
}

// A search for all open items is made now and then. Windows that close between two of them make digests at once.
func testDigestSearches(t *testing.T) {
	t.Parallel()
	school := schoolbell.DefaultSchoolSettings()
	today := time.Now().UTC()
	closing := time.Date(today.Year(), today.Month(), today.Day()+3, 17, 0, 0, 0, time.UTC)
	school.Digest = schoolbell.DigestWindow{At: "17:00", Weekday: schoolbell.Weekdays()[closing.Weekday()]} // the last one was days before the items
	clock := &testClock{}
	clock.set(closing.Add(-10 * time.Minute))
	counted := &countedDigests{}
	s := newTestPipeline(t, 30, clocked(clock, school), withDigests)
	counted.Digests, s.ledger.Digests = s.ledger.Digests, counted
	s.pipeline = s.newPipeline()
	for i := range 30 {
		s.wantDigest(userID(i))
	}
	post := s.workWithDigests()
	ev := s.create()
	s.await(ev.ID, schoolbell.EventCompleted)
	awaitLook := func() {
		t.Helper()
		n := counted.looks.Load()
		testenv.Eventually(t, 10*time.Second, func() bool { return counted.looks.Load() > n+1 }, "the pipeline looks for digests")
	}
	awaitLook()
	if n := len(s.digestEvents()); n != 0 {
		t.Errorf("%d digests before the window has closed", n)
	}
	clock.set(closing.Add(time.Minute))
	s.awaitDigests(1)
	if sent := post.sent(); len(sent) != 30 {
		t.Errorf("%d people got a digest", len(sent))
	}
	awaitLook()
	if n := counted.searches.Load(); n != 1 {
		t.Errorf("%d searches in 11 minutes", n)
	}
	clock.set(closing.Add(digestSearch))
	testenv.Eventually(t, 10*time.Second, func() bool { return counted.searches.Load() == 2 }, "the pipeline searches for digests")
}

const digestSearch = 15 * time.Minute // as in the pipeline

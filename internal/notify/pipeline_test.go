package notify_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/ledger"
	"schoolbell/internal/notify"
	"schoolbell/internal/store"
	"schoolbell/internal/store/sqlite"
	"schoolbell/internal/testenv"
)

// testPipeline is a pipeline on a real ledger and a real Redis, with people in it,
// whose emails go to a provider that does as the test says.
type testPipeline struct {
	t        *testing.T
	ledger   *store.Ledger
	redis    *redis.Client
	pipeline *notify.Pipeline
	provider *provider
	cfg      notify.Config
}

func newTestPipeline(t *testing.T, users int, change ...func(*notify.Config)) *testPipeline {
	t.Helper()
	ctx := t.Context()
	db, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "ledger.db"), sqlite.Options{})
	if err != nil {
		t.Fatalf("open ledger: %v", err)
	}
	return newTestPipelineOn(t, store.OnSQLite(db), users, change...)
}

// newTestPipelineOn is newTestPipeline on an empty ledger, which it closes.
func newTestPipelineOn(t *testing.T, l *store.Ledger, users int, change ...func(*notify.Config)) *testPipeline {
	t.Helper()
	ctx := t.Context()
	t.Cleanup(func() { _ = l.Close() })
	if err := l.Migrate(ctx); err != nil {
		t.Fatalf("migrate: %v", err)
	}
	people := make([]*schoolbell.User, users)
	for i := range people {
		people[i] = &schoolbell.User{ID: userID(i), Name: "User", Email: userID(i) + "@school.example", Roles: []schoolbell.Role{schoolbell.RoleStudent}}
		people[i].Normalize()
	}
	s := &testPipeline{t: t, ledger: l, provider: newProvider(), cfg: notify.Config{
		Channels: []schoolbell.Channel{schoolbell.ChannelEmail}, Retries: 3, Backoff: 20 * time.Millisecond,
		KeepCompleted: time.Hour, KeepFailed: time.Hour, WorkerName: "test", Grace: 5 * time.Second, Round: 5 * time.Second,
	}}
	if _, err := s.ledger.People.PutUsers(ctx, people); err != nil {
		t.Fatalf("put users: %v", err)
	}
	for _, f := range change {
		f(&s.cfg)
	}
	s.redis = redisClient(t, testenv.Redis(t))
	s.pipeline = s.newPipeline()
	return s
}

func redisClient(t *testing.T, addr string) *redis.Client {
	rdb := redis.NewClient(&redis.Options{Addr: addr,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}}) // its goroutines outlive a client whose server was unavailable
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

func userID(i int) string { return fmt.Sprintf("u%05d", i) }

func (s *testPipeline) newPipeline() *notify.Pipeline {
	s.t.Helper()
	p, err := notify.New(s.ledger.Stores, s.redis, s.cfg, testLog())
	if err != nil {
		s.t.Fatalf("new pipeline: %v", err)
	}
	return p
}

// work runs the relay and the workers until stop is called or the test ends.
func (s *testPipeline) work() (stop func()) {
	s.t.Helper()
	return s.workWith(plainRenderer{}, map[schoolbell.Channel]notify.Senders{schoolbell.ChannelEmail: notify.ForBothLanes(s.provider)})
}

// workWith is work with other senders.
func (s *testPipeline) workWith(renderer notify.Renderer, senders map[schoolbell.Channel]notify.Senders) (stop func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	p := s.pipeline
	run := func(what string, f func() error) {
		running.Go(func() {
			if err := f(); err != nil {
				s.t.Errorf("%s: %v", what, err)
			}
		})
	}
	run("relay", func() error { return p.RunRelay(ctx) })
	run("workers", func() error {
		return p.RunWorkers(ctx, renderer, senders)
	})
	stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	s.t.Cleanup(stop)
	return stop
}

// newEvent is an event for everybody, in-app and by email, with changes.
func newEvent(change ...func(*schoolbell.Event)) *schoolbell.Event {
	ev := &schoolbell.Event{Title: "Sports day", Body: "Moved to Friday.",
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Roles: schoolbell.Roles()}},
		Channels: []schoolbell.Channel{schoolbell.ChannelInApp, schoolbell.ChannelEmail}}
	for _, f := range change {
		f(ev)
	}
	return ev
}

// createMany creates n events in one transaction.
func (s *testPipeline) createMany(n int, change ...func(*schoolbell.Event)) {
	s.t.Helper()
	events := make([]ledger.NewEvent, n)
	for i := range events {
		events[i].Event = newEvent(change...)
	}
	created, err := s.pipeline.CreateMany(s.t.Context(), events)
	for _, c := range created {
		err = errors.Join(err, c.Err)
	}
	if err != nil {
		s.t.Fatalf("create %d events: %v", n, err)
	}
}

func (s *testPipeline) create(change ...func(*schoolbell.Event)) *schoolbell.Event {
	s.t.Helper()
	stored, _, err := s.pipeline.Create(s.t.Context(), newEvent(change...), ledger.Idempotency{})
	if err != nil {
		s.t.Fatalf("create: %v", err)
	}
	return stored
}

func (s *testPipeline) await(id string, want schoolbell.EventStatus) {
	s.t.Helper()
	testenv.Eventually(s.t, 40*time.Second, func() error {
		ev, err := s.ledger.Events.Event(s.t.Context(), id)
		if err != nil {
			return err
		}
		if ev.Status != want {
			p, _ := s.ledger.Events.Progress(s.t.Context(), id)
			return fmt.Errorf("event is %s with %+v", ev.Status, p)
		}
		return nil
	}, "event becomes %s", want)
}

func (s *testPipeline) email(id string) schoolbell.ChannelProgress {
	s.t.Helper()
	p, err := s.ledger.Events.Progress(s.t.Context(), id)
	if err != nil {
		s.t.Fatalf("progress: %v", err)
	}
	return p.Channels[schoolbell.ChannelEmail]
}

func (s *testPipeline) wantOnce(users int) {
	s.t.Helper()
	s.provider.mu.Lock()
	defer s.provider.mu.Unlock()
	if len(s.provider.accepted) != users {
		s.t.Errorf("%d users got mail, want %d", len(s.provider.accepted), users)
	}
	for id, n := range s.provider.accepted {
		if n != 1 {
			s.t.Errorf("message %s was accepted %d times", id, n)
		}
	}
}

// provider is a mail provider in the test's hands.
type provider struct {
	mu       sync.Mutex
	accepted map[string]int // by message id
	tried    int
	answer   func(m schoolbell.Message) schoolbell.Result // nil accepts
	gate     chan struct{}                                // nil is open
}

func newProvider() *provider { return &provider{accepted: map[string]int{}} }

func (p *provider) Send(ctx context.Context, msgs []schoolbell.Message, done func(int, schoolbell.Result)) {
	for i, m := range msgs {
		select {
		case <-p.entrance():
			done(i, p.take(m))
		case <-ctx.Done():
			done(i, schoolbell.Result{Verdict: schoolbell.VerdictUntried})
		}
	}
}

var open = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func (p *provider) entrance() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gate == nil {
		return open
	}
	return p.gate
}

func (p *provider) take(m schoolbell.Message) schoolbell.Result {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tried++
	res := schoolbell.Result{Verdict: schoolbell.VerdictSent}
	if p.answer != nil {
		res = p.answer(m)
	}
	if res.Verdict == schoolbell.VerdictSent || res.Verdict == schoolbell.VerdictUncertain {
		p.accepted[m.ID]++
	}
	return res
}

func (p *provider) answers(f func(m schoolbell.Message) schoolbell.Result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = f
}

func (p *provider) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.accepted)
}

type plainRenderer struct{}

func (plainRenderer) Render(ev *schoolbell.Event, ch schoolbell.Channel, r ledger.Recipient) (schoolbell.Message, error) {
	return schoolbell.Message{ID: fmt.Sprintf("%s.%d", ev.ID, r.Seq), EventID: ev.ID, UserID: r.UserID, Channel: ch, Subject: ev.Title, Text: schoolbell.Plain(ev.Body)}, nil
}

func TestPipeline(t *testing.T) {
	t.Parallel()
	t.Run("everyone is reached once", testPipelineReachesEveryone)
	t.Run("events wait in the ledger while Redis is down", testPipelineRedisDown)
	t.Run("a flushed Redis loses and repeats nothing", testPipelineRedisFlushed)
	t.Run("stopped workers release rows without using an attempt", testPipelineStoppedWorkers)
	t.Run("rows are retried until their attempts are used up", testPipelineRetries)
	t.Run("a slow-down pauses the channel and uses no attempt", testPipelineSlowDown)
	t.Run("a lost reply makes a delivery uncertain", testPipelineLostReply)
	t.Run("an in-app event needs no batches", testPipelineInApp)
	t.Run("jobs removed by hand are rebuilt", testPipelineRemovedJobs)
}

func testPipelineReachesEveryone(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 1234)
	s.work()
	ev := s.create()
	s.await(ev.ID, schoolbell.EventCompleted)
	s.wantOnce(1234)
	p, err := s.ledger.Events.Progress(t.Context(), ev.ID)
	if err != nil {
		t.Fatal(err)
	}
	if p.Percent != 100 || p.Channels[schoolbell.ChannelInApp].Sent != 1234 || p.Channels[schoolbell.ChannelEmail].Sent != 1234 {
		t.Errorf("progress %+v", p)
	}
	testenv.Eventually(t, 5*time.Second, func() error { return s.jobState(ev.ID, bullmq.StateCompleted) }, "event job completes")
	job, err := s.pipeline.Queues()[0].Job(t.Context(), ev.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(job.Data); got != `{"event_id":"`+ev.ID+`"}` {
		t.Errorf("job data %s holds more than the id", got)
	}
}

func (s *testPipeline) jobState(id string, want bullmq.State) error {
	state, err := s.pipeline.Queues()[0].State(s.t.Context(), id)
	if err == nil && state != want {
		err = fmt.Errorf("job is %s, want %s", state, want)
	}
	return err
}

func testPipelineRedisDown(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 30)
	server := testenv.RedisServer(t, testenv.RedisOptions{})
	s.redis = redisClient(t, server.Addr)
	s.pipeline = s.newPipeline()
	server.Stop()
	s.work()
	ev := s.create()
	if ev.Status != schoolbell.EventQueued {
		t.Errorf("status %s, want queued", ev.Status)
	}
	server.Restart()
	s.await(ev.ID, schoolbell.EventCompleted)
	s.wantOnce(30)
}

func testPipelineRedisFlushed(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 2000)
	s.provider.gate = make(chan struct{})
	s.work()
	ev := s.create()
	go func() {
		for range 700 {
			s.provider.gate <- struct{}{}
		}
		if err := s.redis.FlushAll(context.Background()).Err(); err != nil {
			t.Errorf("flush: %v", err)
		}
		close(s.provider.gate)
	}()
	s.await(ev.ID, schoolbell.EventCompleted)
	s.wantOnce(2000)
}

func testPipelineStoppedWorkers(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 1000)
	s.provider.gate = make(chan struct{})
	stop := s.work()
	ev := s.create()
	for range 130 {
		s.provider.gate <- struct{}{}
	}
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	for open := true; open; { // claimed rows are sent; none are claimed after them
		select {
		case s.provider.gate <- struct{}{}:
		case <-stopped:
			open = false
		}
	}
	sending, _, err := s.ledger.Reports.Deliveries(t.Context(), ev.ID, schoolbell.DeliveryFilter{Status: schoolbell.DeliverySending}, ledger.DeliveryCursor{}, 500)
	if err != nil || len(sending) > 0 {
		t.Fatalf("%d rows are still claimed after the stop (%v)", len(sending), err)
	}
	if n := s.provider.count(); n >= 1000 {
		t.Fatalf("all %d went out before the stop; nothing was tested", n)
	}
	close(s.provider.gate)
	s.pipeline = s.newPipeline()
	s.work()
	s.await(ev.ID, schoolbell.EventCompleted)
	s.wantOnce(1000)
	if got := s.email(ev.ID); got.Sent != 1000 {
		t.Errorf("email %+v, want 1000 sent and none uncertain", got)
	}
}

func testPipelineRetries(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 120)
	tries := map[string]int{}
	s.provider.answer = func(m schoolbell.Message) schoolbell.Result {
		tries[m.UserID]++
		switch {
		case m.UserID == userID(3):
			return schoolbell.Result{Verdict: schoolbell.VerdictGiveUp, Reason: "550 no such user"}
		case m.UserID == userID(4):
			return schoolbell.Result{Verdict: schoolbell.VerdictRetry, Reason: "451 try later"}
		case m.UserID == userID(5) && tries[m.UserID] < 3:
			return schoolbell.Result{Verdict: schoolbell.VerdictRetry, Reason: "451 try later"}
		}
		return schoolbell.Result{Verdict: schoolbell.VerdictSent}
	}
	s.work()
	ev := s.create()
	s.await(ev.ID, schoolbell.EventCompleted)
	if got := s.email(ev.ID); got.Sent != 118 || got.Failed != 2 {
		t.Errorf("email %+v, want 118 sent and 2 failed", got)
	}
	for user, want := range map[string]int{userID(3): 1, userID(4): 4, userID(5): 3, userID(6): 1} {
		if tries[user] != want {
			t.Errorf("%s was tried %d times, want %d", user, tries[user], want)
		}
	}
	failed, err := s.pipeline.Queues()[1].Jobs(t.Context(), bullmq.JobsOptions{States: []bullmq.State{bullmq.StateFailed}, OldestFirst: true})
	if err != nil || len(failed) != 1 {
		t.Fatalf("%d failed jobs (%v), want the batch that used up its tries", len(failed), err)
	}

	s.provider.answers(nil)
	rows, err := s.pipeline.Retry(t.Context(), ev.ID, schoolbell.RetryFilter{})
	if err != nil || rows != 2 {
		t.Fatalf("Retry: %d rows, %v; want 2", rows, err)
	}
	s.await(ev.ID, schoolbell.EventCompleted)
	s.wantOnce(120)
	if got := s.email(ev.ID); got.Sent != 120 {
		t.Errorf("email %+v after the retry, want 120 sent", got)
	}
}

func testPipelineSlowDown(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 300, func(c *notify.Config) { c.Retries = 0 })
	refusals := 0
	s.provider.answer = func(schoolbell.Message) schoolbell.Result {
		if refusals < 40 {
			refusals++
			return schoolbell.Result{Verdict: schoolbell.VerdictSlowDown, Reason: "421 too many", After: 50 * time.Millisecond}
		}
		return schoolbell.Result{Verdict: schoolbell.VerdictSent}
	}
	s.work()
	ev := s.create()
	s.await(ev.ID, schoolbell.EventCompleted)
	s.wantOnce(300)
	if got := s.email(ev.ID); got.Sent != 300 {
		t.Errorf("email %+v, want all sent", got)
	}
}

func testPipelineLostReply(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 50)
	lost := map[string]bool{}
	s.provider.answer = func(m schoolbell.Message) schoolbell.Result {
		if m.UserID == userID(7) && !lost[m.ID] {
			lost[m.ID] = true
			return schoolbell.Result{Verdict: schoolbell.VerdictUncertain, Reason: "connection lost after the final dot"}
		}
		return schoolbell.Result{Verdict: schoolbell.VerdictSent}
	}
	s.work()
	ev := s.create()
	s.await(ev.ID, schoolbell.EventCompleted)
	if got := s.email(ev.ID); got.Sent != 49 || got.Uncertain != 1 {
		t.Errorf("email %+v, want 49 sent and 1 uncertain", got)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	t.Run("a scheduled event waits and can be cancelled", testCancelScheduled)
	t.Run("a half-sent event sends nothing more", testCancelHalfSent)
}

func testCancelScheduled(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 10)
	s.work()
	later := func(d time.Duration) func(*schoolbell.Event) {
		return func(ev *schoolbell.Event) { ev.SendAt = time.Now().Add(d) }
	}
	soon, never := s.create(later(300*time.Millisecond)), s.create(later(50*time.Second))
	if soon.Status != schoolbell.EventScheduled {
		t.Errorf("status %s, want scheduled", soon.Status)
	}
	testenv.Eventually(t, 5*time.Second, func() error { return s.jobState(never.ID, bullmq.StateDelayed) }, "the scheduled event's job is delayed")
	if ev, err := s.pipeline.Cancel(t.Context(), never.ID); err != nil || ev.Status != schoolbell.EventCancelled {
		t.Fatalf("Cancel: %+v, %v", ev, err)
	}
	s.await(soon.ID, schoolbell.EventCompleted)
	testenv.Eventually(t, 5*time.Second, func() error { return s.jobState(never.ID, bullmq.StateUnknown) }, "the cancelled event's job is gone")
	if _, err := s.pipeline.Cancel(t.Context(), soon.ID); schoolbell.CodeOf(err) != schoolbell.CodeConflict {
		t.Errorf("cancelling a completed event: %v, want a conflict", err)
	}
	s.wantOnce(10)
}

func testCancelHalfSent(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 1000)
	s.provider.gate = make(chan struct{})
	s.work()
	ev := s.create()
	for range 60 {
		s.provider.gate <- struct{}{}
	}
	if _, err := s.pipeline.Cancel(t.Context(), ev.ID); err != nil {
		t.Fatalf("cancel: %v", err)
	}
	close(s.provider.gate)
	testenv.Eventually(t, 20*time.Second, func() error {
		if got := s.email(ev.ID); got.Pending > 0 || got.Cancelled == 0 {
			return fmt.Errorf("email %+v", got)
		}
		return nil
	}, "every row is terminal")
	if got := s.email(ev.ID); got.Sent != s.provider.count() {
		t.Errorf("%d rows are sent, the provider accepted %d", got.Sent, s.provider.count())
	}
	if n := s.provider.count(); n > 60+5*50+50 {
		t.Errorf("%d emails went out, more than were in flight when the event was cancelled", n)
	}
}

func testPipelineInApp(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 77)
	s.work()
	ev := s.create(func(ev *schoolbell.Event) { ev.Channels = []schoolbell.Channel{schoolbell.ChannelInApp} })
	s.await(ev.ID, schoolbell.EventCompleted)
	items, unread, err := s.ledger.Inboxes.Inbox(t.Context(), userID(76), 0, 10)
	if err != nil || len(items) != 1 || unread != 1 || items[0].EventID != ev.ID {
		t.Errorf("inbox %+v, %d unread, %v", items, unread, err)
	}
}

func testPipelineRemovedJobs(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 400)
	s.provider.gate = make(chan struct{})
	s.cfg.Concurrency = 1
	s.pipeline = s.newPipeline()
	stop := s.work()
	ev := s.create()
	s.provider.gate <- struct{}{}
	stop() // with three batches never looked at
	q := s.pipeline.Queues()[1]
	waiting, err := q.Jobs(t.Context(), bullmq.JobsOptions{States: []bullmq.State{bullmq.StatePrioritized}, OldestFirst: true})
	if err != nil || len(waiting) == 0 {
		t.Fatalf("%d waiting batches, %v", len(waiting), err)
	}
	for _, job := range waiting {
		if err := q.Remove(t.Context(), job.ID, bullmq.RemoveOptions{}); err != nil {
			t.Fatalf("remove %s: %v", job.ID, err)
		}
	}
	close(s.provider.gate)
	s.pipeline = s.newPipeline()
	s.work()
	s.await(ev.ID, schoolbell.EventCompleted)
	s.wantOnce(400)
}

func TestCreate(t *testing.T) {
	t.Parallel()
	t.Run("an invalid event names its fields and is not stored", testCreateInvalid)
}

func testCreateInvalid(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 1)
	good := func() *schoolbell.Event {
		return &schoolbell.Event{Title: "T", Body: "B", Audience: schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{userID(0)}}},
			Channels: []schoolbell.Channel{schoolbell.ChannelInApp}}
	}
	tests := []struct {
		name, field string
		change      func(*schoolbell.Event)
	}{
		{"a channel that is not set up", "channels[1]", func(ev *schoolbell.Event) { ev.Channels = append(ev.Channels, schoolbell.ChannelSMS) }},
		{"no channel", "channels", func(ev *schoolbell.Event) { ev.Channels = []schoolbell.Channel{} }},
		{"an unknown group", "audience.groups[0]", func(ev *schoolbell.Event) { ev.Audience.Groups = []string{"7z"} }},
		{"an unknown user to leave out", "audience.exclude.users[0]", func(ev *schoolbell.Event) { ev.Audience.Exclude = &schoolbell.Selector{Users: []string{"nobody"}} }},
		{"an empty audience", "audience", func(ev *schoolbell.Event) { ev.Audience = schoolbell.Audience{} }},
		{"a line break in the title", "title", func(ev *schoolbell.Event) { ev.Title = "a\r\nBcc: x@y.z" }},
	}
	for _, tt := range tests {
		ev := good()
		tt.change(ev)
		_, _, err := s.pipeline.Create(t.Context(), ev, ledger.Idempotency{})
		if fields := faultFields(err); schoolbell.CodeOf(err) != schoolbell.CodeInvalid || !slices.Contains(fields, tt.field) {
			t.Errorf("%s: fields %v (%v), want %s", tt.name, fields, err, tt.field)
		}
	}
	left, err := s.ledger.Waves.UnqueuedWaves(t.Context(), time.Hour, 10)
	if err != nil || len(left) != 0 {
		t.Errorf("%d events were stored (%v)", len(left), err)
	}
}

func faultFields(err error) []string {
	var fields []string
	switch e := err.(type) {
	case schoolbell.Faults:
		for _, f := range e {
			fields = append(fields, f.Field)
		}
	case *schoolbell.Error:
		fields = append(fields, e.Field)
	}
	return fields
}

func testLog() *slog.Logger {
	if testing.Verbose() {
		return slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return slog.New(slog.DiscardHandler)
}

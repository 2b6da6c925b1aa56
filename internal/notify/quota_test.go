package notify_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/ledger"
	"schoolbell/internal/notify"
	"schoolbell/internal/testenv"
)

func TestQuota(t *testing.T) {
	t.Parallel()
	t.Run("two workers together keep to the rate", testQuotaTwoWorkers)
	t.Run("the smaller of two quotas applies", testQuotaProvider)
	t.Run("events take turns at a low rate", testQuotaTurns)
	t.Run("jobs that wait for the rate do not turn back the time", testQuotaVirtualTime)
	t.Run("urgent messages do not wait for normal ones", testQuotaUrgent)
	t.Run("no slot is held while nothing may be sent", testQuotaSlots)
	t.Run("attempts that the provider rejects count too", testQuotaRetries)
	t.Run("deliveries wait while the daily limit is reached", testQuotaDaily)
	t.Run("waiting deliveries of an expired event expire", testQuotaExpired)
	t.Run("a small event is sent in place if the quota allows", testQuotaInPlace)
	t.Run("a quota that is not valid is rejected", testQuotaInvalid)
}

func withQuota(rate float64, daily int) func(*notify.Config) {
	return func(c *notify.Config) {
		c.Quotas = map[schoolbell.Channel]ledger.Quota{schoolbell.ChannelEmail: {Name: "email", Rate: rate, Daily: daily, UrgentShare: 20}}
	}
}

// sends are the messages that a provider was offered, in order.
type sends struct {
	mu     sync.Mutex
	at     []time.Time
	events []string
}

// watch records what the provider is offered, and accepts it.
func (s *testPipeline) watch() *sends {
	w := new(sends)
	s.provider.answers(func(m schoolbell.Message) schoolbell.Result {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.at, w.events = append(w.at, time.Now()), append(w.events, m.EventID)
		return schoolbell.Result{Verdict: schoolbell.VerdictSent}
	})
	return w
}

// wantRate fails the test if more messages were offered since start than a rate allows.
func (w *sends) wantRate(t *testing.T, start time.Time, rate float64) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, at := range w.at {
		if most := rate*at.Sub(start).Seconds() + max(rate/4, 2); float64(i+1) > most {
			t.Fatalf("%d messages after %v, want at most %f", i+1, at.Sub(start), most)
		}
	}
}

// before returns how many messages of one event were offered before the first of another.
func (w *sends) before(one, other string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range w.events {
		switch id {
		case one:
			n++
		case other:
			return n
		}
	}
	return n
}

func testQuotaTwoWorkers(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 60, withQuota(50, 0), func(c *notify.Config) { c.BatchSize = 7 })
	sent, start := s.watch(), time.Now()
	s.work()
	s.pipeline = s.newPipeline() // of a second process
	s.work()
	ev := s.create()
	s.await(ev.ID, schoolbell.EventCompleted)
	s.wantOnce(60)
	sent.wantRate(t, start, 40) // without the urgent share
}

// What the provider allows counts too, and may change.
func testQuotaProvider(t *testing.T) {
	t.Parallel()
	var rate atomic.Int64
	rate.Store(50)
	s := newTestPipeline(t, 60, withQuota(1000, 0), func(c *notify.Config) {
		c.BatchSize = 7
		c.ProviderQuotas = map[schoolbell.Channel]func(context.Context) (float64, int){
			schoolbell.ChannelEmail: func(context.Context) (float64, int) { return float64(rate.Load()), 0 },
		}
	})
	sent, start := s.watch(), time.Now()
	s.work()
	first := s.create()
	s.await(first.ID, schoolbell.EventCompleted)
	s.wantOnce(60)
	sent.wantRate(t, start, 50)
	rate.Store(0) // the provider has no limit any more
	second := s.create()
	s.await(second.ID, schoolbell.EventCompleted)
	s.wantOnce(120)
}

func testQuotaTurns(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 200, withQuota(20, 0), func(c *notify.Config) { c.BatchSize = 20 }) // ten seconds
	sent := s.watch()
	s.work()
	large := s.create()
	testenv.Eventually(t, 20*time.Second, func() bool { return s.provider.count() > 2 }, "the large event is being sent")
	for range 3 {
		small := s.create(toUser(0))
		s.await(small.ID, schoolbell.EventCompleted)
		if n := s.provider.count(); n > 190 {
			t.Errorf("%d messages were sent before a small event", n)
		}
	}
	s.await(large.ID, schoolbell.EventCompleted)
	s.wantOnce(203)
	if len(sent.at) != 203 {
		t.Errorf("%d messages were offered", len(sent.at))
	}
}

// The front of a queue, after which new events get their place, moves forward.
func testQuotaVirtualTime(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 200, withQuota(40, 0), func(c *notify.Config) { c.BatchSize = 20 })
	email := s.queue(normalEmail)
	s.work()
	large := s.create()
	testenv.Eventually(t, 20*time.Second, func() bool { return s.provider.count() > 2 }, "the event is being sent")
	last, back := 0, 0
	testenv.Eventually(t, 60*time.Second, func() bool {
		front, err := email.Front(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		if front.Priority > 0 && front.Priority < last-10 {
			back++
		}
		last = max(last, front.Priority)
		return s.provider.count() > 100
	}, "half of the event is sent")
	if back > 1 { // a job may return after the front has moved
		t.Errorf("the front went back %d times", back)
	}
	if _, err := s.pipeline.Cancel(t.Context(), large.ID); err != nil {
		t.Fatal(err)
	}
}

func testQuotaUrgent(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 40, withQuota(5, 0), inPlace)
	sent := s.watch()
	s.work()
	large := s.create()
	testenv.Eventually(t, 20*time.Second, func() bool { return s.count(normalEmail, bullmq.StatePrioritized) > 0 }, "normal messages wait")
	alarm := s.create(urgent, toUser(1))
	s.await(alarm.ID, schoolbell.EventCompleted)
	if n := sent.before(large.ID, alarm.ID); n > 20 {
		t.Errorf("%d normal messages were sent before an urgent one", n)
	}
	everybody := s.create(urgent)
	s.await(everybody.ID, schoolbell.EventCompleted)
	if n := s.provider.count(); n > 79 {
		t.Errorf("%d messages were sent before the end of an urgent event for everybody", n)
	}
}

func testQuotaSlots(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 30, withQuota(0, 5), func(c *notify.Config) { c.BatchSize = 3 })
	s.work()
	s.create()
	testenv.Eventually(t, 20*time.Second, func() error {
		active, waiting := s.count(normalEmail, bullmq.StateActive), s.count(normalEmail, bullmq.StatePrioritized)
		if n := s.provider.count(); n != 4 || active != 0 || waiting != 9 {
			return fmt.Errorf("%d messages were sent, %d jobs run, %d wait", n, active, waiting)
		}
		return nil
	}, "the jobs wait")
	if ttl, err := s.queue(urgentEmail).RateLimitTTL(t.Context(), bullmq.RateLimitTTLOptions{Max: 1 << 30}); err != nil || ttl > 0 {
		t.Errorf("the urgent queue rests for %v (%v)", ttl, err)
	}
}

func testQuotaRetries(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 1, withQuota(0, 2), func(c *notify.Config) { c.Quotas[schoolbell.ChannelEmail] = ledger.Quota{Name: "email", Daily: 2} })
	s.provider.answers(func(schoolbell.Message) schoolbell.Result {
		return schoolbell.Result{Verdict: schoolbell.VerdictRetry, Reason: "450 later"}
	})
	s.work()
	ev := s.create()
	testenv.Eventually(t, 20*time.Second, func() error { return s.rests(normalEmail) }, "the queue rests")
	s.provider.mu.Lock()
	defer s.provider.mu.Unlock()
	if s.provider.tried != 2 {
		t.Errorf("%d attempts, want 2", s.provider.tried)
	}
	if p, err := s.ledger.Events.Progress(t.Context(), ev.ID); err != nil || p.Channels[schoolbell.ChannelEmail].Pending != 1 {
		t.Errorf("progress %+v, %v", p, err)
	}
}

// rests returns an error unless the queue rests.
func (s *testPipeline) rests(queue string) error {
	ttl, err := s.queue(queue).RateLimitTTL(s.t.Context(), bullmq.RateLimitTTLOptions{Max: 1 << 30})
	if err == nil && ttl <= 0 {
		err = fmt.Errorf("queue %s does not rest", queue)
	}
	return err
}

// lockedBuffer is a log that tests read.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) count(words string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.text.String(), words)
}

func testQuotaDaily(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 30, withQuota(0, 20), func(c *notify.Config) { c.BatchSize = 4 })
	log := new(lockedBuffer)
	var err error
	s.pipeline, err = notify.New(s.ledger.Stores, s.redis, s.cfg, slog.New(slog.NewTextHandler(log, nil)))
	must(t, err)
	stop := s.work()
	ev := s.create()
	// A job that returned what it had reserved leaves a part of the limit unused until the rest of the queue ends.
	testenv.Eventually(t, 40*time.Second, func() error {
		if n := s.provider.count(); n != 16 {
			return fmt.Errorf("%d messages sent, want 16", n)
		}
		return s.rests(normalEmail)
	}, "normal messages wait")
	alarm := s.create(urgent, toUser(0))
	s.await(alarm.ID, schoolbell.EventCompleted)
	s.wantOnce(17)
	if p, err := s.ledger.Events.Progress(t.Context(), ev.ID); err != nil || p.Channels[schoolbell.ChannelEmail].Pending != 14 || p.Channels[schoolbell.ChannelEmail].Failed != 0 {
		t.Errorf("progress %+v, %v", p, err)
	}
	if n := log.count("daily limit reached"); n != 1 {
		t.Errorf("the log says %d times that the limit is reached", n)
	}
	got := figures(t, s.pipeline.Metrics())
	for name, want := range map[string]float64{"quota_daily_used email": 17, "quota_messages_total email normal": 16, "quota_messages_total email urgent": 1} {
		if got["schoolbell_"+name] != want {
			t.Errorf("%s is %v, want %v", name, got["schoolbell_"+name], want)
		}
	}
	if got["schoolbell_quota_waits_total email normal daily"] == 0 || got["schoolbell_quota_waits_total email normal rate"] > 0 {
		t.Errorf("figures %v", got)
	}
	stop()
	withQuota(0, 100)(&s.cfg)
	s.pipeline = s.newPipeline()
	s.work()
	s.await(ev.ID, schoolbell.EventCompleted)
	s.wantOnce(31)
}

// figures returns the metrics by their names and the values of their labels.
func figures(t *testing.T, of prometheus.Collector) map[string]float64 {
	t.Helper()
	reg := prometheus.NewRegistry()
	must(t, reg.Register(of))
	families, err := reg.Gather()
	must(t, err)
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			values[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return values
}

func testQuotaExpired(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 30, withQuota(0, 5), func(c *notify.Config) { c.BatchSize = 4 })
	s.work()
	ev := s.create(func(ev *schoolbell.Event) { ev.ExpiresAt = time.Now().Add(10 * time.Second) })
	s.await(ev.ID, schoolbell.EventCompleted)
	p, err := s.ledger.Events.Progress(t.Context(), ev.ID)
	if c := p.Channels[schoolbell.ChannelEmail]; err != nil || c.Sent != 4 || c.Expired != 26 {
		t.Errorf("progress %+v, %v, want 4 sent and 26 expired", c, err)
	}
}

func testQuotaInPlace(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 5, withQuota(100, 5), inPlace)
	s.work()
	for i := range 4 {
		ev := s.create(toUser(i))
		s.await(ev.ID, schoolbell.EventCompleted)
	}
	if n := s.jobs(normalEmail); n != 0 {
		t.Errorf("%d batch jobs were added for small events", n)
	}
	late := s.create(toUser(4))
	testenv.Eventually(t, 20*time.Second, func() bool { return s.count(normalEmail, bullmq.StatePrioritized) == 1 }, "the next event waits in a batch job")
	testenv.Eventually(t, 20*time.Second, func() error { return s.inState(normalEvents, late.ID, bullmq.StateWaitingChildren) }, "its own job waits for that")
	if n := s.count(normalEvents, bullmq.StateActive); n != 0 {
		t.Errorf("%d jobs of events run", n)
	}
	s.wantOnce(4)
}

func testQuotaInvalid(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 1)
	for _, q := range []ledger.Quota{{Rate: -1}, {Daily: -1}, {Monthly: -1}, {Rate: 1, PerMessage: -1}, {Rate: 1, UrgentShare: 91}, {Rate: 1, UrgentShare: -1}} {
		s.cfg.Quotas = map[schoolbell.Channel]ledger.Quota{schoolbell.ChannelEmail: q}
		if _, err := notify.New(s.ledger.Stores, s.redis, s.cfg, testLog()); err == nil {
			t.Errorf("the quota %+v is taken", q)
		}
	}
}

package webhook_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/publicdial"
	"schoolbell/internal/store"
	"schoolbell/internal/store/postgres"
	"schoolbell/internal/store/sqlite"
	"schoolbell/internal/testenv"
	"schoolbell/internal/webhook"
)

func TestMain(m *testing.M) { testenv.Main(m) }

const patience = 30 * time.Second

// school is a ledger with webhooks.
type school struct {
	*store.Ledger
	t       *testing.T
	log     *logBuffer
	change  func(*webhook.Config)
	service *webhook.Service // of the process that manages webhooks
	people  int
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// onBoth runs a test on both engines.
func onBoth(t *testing.T, change func(*webhook.Config), test func(s *school)) {
	t.Parallel()
	for _, engine := range []string{"SQLite", "PostgreSQL"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := &school{t: t, log: &logBuffer{}, change: change}
			if engine == "PostgreSQL" {
				db, err := postgres.Open(t.Context(), testenv.Postgres(t), postgres.Options{})
				s.must(err)
				s.Ledger = store.OnPostgres(db)
			} else {
				db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"), sqlite.Options{})
				s.must(err)
				s.Ledger = store.OnSQLite(db)
			}
			t.Cleanup(func() { s.must(s.Close()) })
			s.must(s.Migrate(t.Context()))
			s.service = s.process()
			test(s)
		})
	}
}

func (s *school) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// process returns the service of another process, with short waits.
func (s *school) process(change ...func(*webhook.Config)) *webhook.Service {
	cfg := webhook.Config{Store: s.Webhooks, Progress: s.Reports.Progress, Logger: slog.New(slog.NewTextHandler(s.log, nil)),
		Guard: publicdial.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}),
		Poll:  10 * time.Millisecond, Idle: 20 * time.Millisecond, Schedule: []time.Duration{10 * time.Millisecond, 20 * time.Millisecond, 40 * time.Millisecond}}
	for _, c := range append(change, s.change) {
		if c != nil {
			c(&cfg)
		}
	}
	return webhook.New(cfg)
}

// run runs a service until stop, or the end of the test.
func (s *school) run(service *webhook.Service) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- service.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		s.must(<-done)
	})
	s.t.Cleanup(stop)
	return stop
}

func (s *school) hook(url string, types ...schoolbell.WebhookType) schoolbell.Webhook {
	s.t.Helper()
	if len(types) == 0 {
		types = []schoolbell.WebhookType{schoolbell.WebhookUserOptedOut}
	}
	w, err := s.service.Create(s.t.Context(), schoolbell.Webhook{URL: url, Types: types})
	s.must(err)
	return w
}

func (s *school) webhook(id string) schoolbell.Webhook {
	s.t.Helper()
	w, err := s.service.Webhook(s.t.Context(), id)
	s.must(err)
	return w
}

// optOut makes another user opt out.
func (s *school) optOut() (id string) {
	s.t.Helper()
	s.people++
	id = fmt.Sprint("u", s.people)
	_, err := s.People.PutUsers(s.t.Context(), []*schoolbell.User{{ID: id, Name: "Ada " + id, Email: id + "@example.org", Roles: []schoolbell.Role{schoolbell.RoleParent}}})
	s.must(err)
	s.must(s.People.PutPreferences(s.t.Context(), id, []schoolbell.Preference{{Category: schoolbell.CategoryReminder, Channel: schoolbell.ChannelEmail, Mode: schoolbell.ModeOff}}))
	return id
}

func (s *school) eventually(what string, cond func() bool) {
	s.t.Helper()
	testenv.Eventually(s.t, patience, cond, "%s", what)
}

func TestSend(t *testing.T) {
	t.Parallel()
	t.Run("a message is signed and sent once", testSendOnce)
	t.Run("a failed message is sent again with the same id", testSendRetry)
	t.Run("both secrets sign after a rotation", testSendRotation)
	t.Run("a message is given up after its last attempt", testSendGivenUp)
	t.Run("a receiver may ask for a wait", testSendRetryAfter)
	t.Run("a slow receiver does not hold up others", testSendSlow)
	t.Run("many facts share messages", testSendMany)
	t.Run("an erased user has a number only", testSendErased)
}

func testSendOnce(t *testing.T) {
	onBoth(t, nil, func(s *school) {
		r := newReceiver(s.t, 204)
		w := s.hook(r.URL)
		s.run(s.service)
		s.run(s.process())
		user := s.optOut()
		s.eventually("the message arrives", func() bool { return len(r.all()) > 0 })
		s.eventually("the attempt is recorded", func() bool {
			list, err := s.service.Attempts(s.t.Context(), w.ID, 0, 10)
			return err == nil && len(list) == 1 && list[0].OK() && list[0].Status == 204 && list[0].MessageID == r.ids()[0]
		})
		m := r.all()[0]
		p := m.message.Data.Preferences
		if !m.signedBy(w.Secret.Reveal()) || m.signedBy(schoolbell.NewWebhookSecret().Reveal()) || m.message.Type != schoolbell.WebhookUserOptedOut ||
			len(p) != 1 || p[0].UserID != user || p[0].Category != schoolbell.CategoryReminder || p[0].Channel != schoolbell.ChannelEmail || p[0].At.IsZero() {
			s.t.Errorf("message %+v", m)
		}
		second := s.optOut()
		s.eventually("the next message arrives", func() bool { return len(r.all()) > 1 })
		if all := r.all(); len(all) != 2 || all[1].message.Data.Preferences[0].UserID != second || all[1].id == m.id {
			s.t.Errorf("messages %+v", all)
		}
		for _, personal := range []string{"Ada", "example.org"} {
			if strings.Contains(m.body, personal) {
				s.t.Errorf("the message has %q: %s", personal, m.body)
			}
		}
	})
}

func testSendRetry(t *testing.T) {
	onBoth(t, nil, func(s *school) {
		r := newReceiver(s.t, 500, 302, 204)
		r.header.Set("Location", "http://169.254.169.254/latest")
		w := s.hook(r.URL)
		s.run(s.service)
		s.optOut()
		s.eventually("it arrives at last", func() bool { return len(r.all()) == 3 })
		for _, m := range r.all() {
			if m.id != r.ids()[0] || m.body != r.all()[0].body || !m.signedBy(w.Secret.Reveal()) {
				s.t.Errorf("message %+v", m)
			}
		}
		s.eventually("the success ends the failing", func() bool { return s.webhook(w.ID).FailingSince.IsZero() && len(s.work().Due) == 0 })
		list, err := s.service.Attempts(s.t.Context(), w.ID, 0, 10)
		s.must(err)
		if len(list) != 3 || list[2].Status != 500 || list[1].Status != 302 || !strings.Contains(list[1].Error, "redirect") || list[0].Number != 3 {
			s.t.Errorf("attempts %+v", list)
		}
	})
}

func (s *school) work() ledger.WebhookWork {
	s.t.Helper()
	w, err := s.Webhooks.WebhookWork(s.t.Context(), 10, 10)
	s.must(err)
	return w
}

func testSendRotation(t *testing.T) {
	var ahead time.Duration
	var mu sync.Mutex
	clock := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return time.Now().Add(ahead)
	}
	onBoth(t, func(c *webhook.Config) { c.Clock = clock }, func(s *school) {
		r := newReceiver(s.t, 204)
		r.now = clock
		w := s.hook(r.URL)
		next, err := s.service.Rotate(s.t.Context(), w.ID)
		s.must(err)
		_, err = s.service.Test(s.t.Context(), w.ID)
		s.must(err)
		if m := r.all()[0]; !m.signedBy(w.Secret.Reveal()) || !m.signedBy(next.Secret.Reveal()) {
			s.t.Errorf("signed %s", m.signature)
		}
		mu.Lock()
		ahead += 25 * time.Hour
		mu.Unlock()
		_, err = s.service.Test(s.t.Context(), w.ID)
		s.must(err)
		if m := r.all()[1]; m.signedBy(w.Secret.Reveal()) || !m.signedBy(next.Secret.Reveal()) {
			s.t.Errorf("a day later, signed %s", m.signature)
		}
	})
}

func testSendGivenUp(t *testing.T) {
	onBoth(t, nil, func(s *school) {
		r := newReceiver(s.t, 500)
		w := s.hook(r.URL)
		s.run(s.service)
		s.optOut()
		s.eventually("it is given up", func() bool { return strings.Contains(s.log.String(), "given up") })
		if len(r.all()) != 4 || !s.webhook(w.ID).Enabled {
			s.t.Errorf("%d attempts", len(r.all()))
		}
	})
}

func testSendRetryAfter(t *testing.T) {
	onBoth(t, nil, func(s *school) {
		r := newReceiver(s.t, 429, 204)
		r.header.Set("Retry-After", "1")
		w := s.hook(r.URL)
		s.run(s.service)
		s.optOut()
		s.eventually("it arrives", func() bool { return len(r.all()) == 2 })
		s.eventually("it is recorded", func() bool {
			list, err := s.service.Attempts(s.t.Context(), w.ID, 0, 10)
			return err == nil && len(list) == 2 && list[0].At.Sub(list[1].At) >= time.Second
		})
	})
}

func testSendSlow(t *testing.T) {
	onBoth(t, nil, func(s *school) {
		slow, fast := newReceiver(s.t, 204), newReceiver(s.t, 204)
		slow.hold = make(chan struct{})
		release := sync.OnceFunc(func() { close(slow.hold) })
		s.t.Cleanup(release)
		s.hook(slow.URL)
		s.hook(fast.URL)
		stop := s.run(s.service)
		for n := 1; n <= 10; n++ {
			s.optOut()
			s.eventually("the fast one has it", func() bool { return len(fast.all()) == n })
		}
		if n := len(slow.all()); n > 4 {
			s.t.Errorf("the slow one has %d requests at once", n)
		}
		release()
		s.eventually("the slow one has all", func() bool { return len(slow.all()) == 10 })
		stop()
	})
}

func testSendMany(t *testing.T) {
	onBoth(t, nil, func(s *school) {
		r := newReceiver(s.t, 204)
		s.hook(r.URL)
		for range 120 {
			s.optOut()
		}
		s.run(s.service)
		told := func() (n int) {
			for _, m := range r.all() {
				n += len(m.message.Data.Preferences)
			}
			return n
		}
		s.eventually("all are told", func() bool { return told() == 120 })
		if n := len(r.all()); n != 3 {
			s.t.Errorf("%d messages tell 120 facts", n)
		}
	})
}

func testSendErased(t *testing.T) {
	onBoth(t, nil, func(s *school) {
		r := newReceiver(s.t, 500, 204)
		s.hook(r.URL)
		user := s.optOut()
		r.first = func() {
			if err := s.People.DeleteUser(s.t.Context(), user); err != nil {
				s.t.Error(err)
			}
		}
		s.run(s.service)
		s.eventually("it arrives", func() bool { return len(r.all()) == 2 })
		if m := r.all()[1]; !strings.HasPrefix(m.message.Data.Preferences[0].UserID, "#") {
			s.t.Errorf("message %s", m.body)
		}
	})
}

func TestDisable(t *testing.T) {
	t.Parallel()
	t.Run("410 disables a webhook", testDisableGone)
	t.Run("failing for days disables a webhook", testDisableFailing)
}

func testDisableGone(t *testing.T) {
	onBoth(t, nil, func(s *school) {
		r := newReceiver(s.t, 410, 204)
		w := s.hook(r.URL)
		s.run(s.service)
		s.optOut()
		s.eventually("it is disabled", func() bool { return !s.webhook(w.ID).Enabled })
		s.wantDisabled(w.ID, schoolbell.WebhookGone)
		s.optOut()
		_, err := s.service.Change(s.t.Context(), w.ID, ledger.WebhookPatch{Enabled: new(true)})
		s.must(err)
		user := s.optOut()
		s.eventually("it gets messages again", func() bool { return len(r.all()) == 2 })
		if got := r.all()[1].message.Data.Preferences; len(got) != 1 || got[0].UserID != user {
			s.t.Errorf("it was told %+v, of what happened while it was disabled", got)
		}
	})
}

// wantDisabled checks what a webhook, the log and the audit say.
func (s *school) wantDisabled(id, reason string) {
	s.t.Helper()
	if w := s.webhook(id); w.Enabled || w.DisabledReason != reason || w.DisabledAt.IsZero() {
		s.t.Errorf("webhook %+v", w)
	}
	s.eventually("the log says it", func() bool { return strings.Contains(s.log.String(), "a webhook was disabled") })
	entries, err := s.Reports.AuditEntries(s.t.Context(), schoolbell.AuditFilter{Action: "webhook.disable"}, "", 10)
	s.must(err)
	if len(entries) != 1 || entries[0].Target.ID != id || entries[0].Actor.Kind != schoolbell.ActorSystem || entries[0].Changes["reason"] != reason {
		s.t.Errorf("the audit has %+v", entries)
	}
}

func testDisableFailing(t *testing.T) {
	onBoth(t, func(c *webhook.Config) {
		c.GiveUp = 100 * time.Millisecond
		for range 100 {
			c.Schedule = append(c.Schedule, 20*time.Millisecond)
		}
	}, func(s *school) {
		r := newReceiver(s.t, 503)
		w := s.hook(r.URL)
		s.run(s.service)
		s.optOut()
		s.eventually("it is disabled", func() bool { return !s.webhook(w.ID).Enabled })
		s.wantDisabled(w.ID, schoolbell.WebhookFailing)
	})
}

func TestRefused(t *testing.T) {
	t.Parallel()
	t.Run("addresses that are not public are not called", testRefusedAddresses)
}

func testRefusedAddresses(t *testing.T) {
	closed := func(c *webhook.Config) { c.Guard = publicdial.New(nil) }
	onBoth(t, nil, func(s *school) {
		r := newReceiver(s.t, 204)
		w := s.hook(r.URL)
		strict := s.process(closed)
		for _, url := range []string{r.URL, "https://127.0.0.1/", "https://[::ffff:10.0.0.1]/", "https://169.254.169.254/latest/meta-data", "https://[fd00:ec2::254]/"} {
			_, err := strict.Create(s.t.Context(), schoolbell.Webhook{URL: url, Types: schoolbell.WebhookTypes()})
			if fault := schoolbell.FaultsOf(err); len(fault) != 1 || fault[0].Field != "url" {
				s.t.Errorf("%s: %v", url, err)
			}
		}
		a, err := strict.Test(s.t.Context(), w.ID) // stored while it was allowed
		s.must(err)
		named, err := strict.Create(s.t.Context(), schoolbell.Webhook{URL: "https://localhost/", Types: schoolbell.WebhookTypes()})
		s.must(err)
		b, err := strict.Test(s.t.Context(), named.ID)
		s.must(err)
		if a.OK() || b.OK() || len(r.all()) != 0 || !strings.Contains(a.Error+b.Error, "public") || strings.Contains(a.Error+b.Error, "127.0.0.1") {
			s.t.Errorf("attempts %+v, %+v", a, b)
		}
	})
}

func TestCrash(t *testing.T) {
	t.Parallel()
	t.Run("a sender that dies before the record repeats the id", testCrashBeforeRecord)
	t.Run("a sender that dies is replaced", testCrashReplaced)
	t.Run("a message that cannot be stored is told later", testCrashBeforeMessages)
}

type hookStore = ledger.Webhooks

// dying cannot store some things, as if the process had died.
type dying struct {
	hookStore
	record, put bool
}

var errDead = errors.New("the process is dead")

func (d dying) RecordWebhookAttempt(ctx context.Context, a schoolbell.WebhookAttempt, r ledger.WebhookResult) error {
	if d.record {
		return errDead
	}
	return d.hookStore.RecordWebhookAttempt(ctx, a, r)
}

func (d dying) PutWebhookMessages(ctx context.Context, m []ledger.WebhookMessage, told []ledger.WebhookFact, next *ledger.WebhookFact) error {
	if d.put {
		return errDead
	}
	return d.hookStore.PutWebhookMessages(ctx, m, told, next)
}

// EndWebhookTurn does nothing: a dead process does not end its turn.
func (dying) EndWebhookTurn(context.Context, string) error { return nil }

func testCrashBeforeRecord(t *testing.T) {
	onBoth(t, nil, func(s *school) {
		r := newReceiver(s.t, 204)
		w := s.hook(r.URL)
		user := s.optOut()
		stop := s.run(s.process(func(c *webhook.Config) {
			c.Store, c.Turn, c.Timeout = dying{hookStore: s.Webhooks, record: true}, 300*time.Millisecond, 100*time.Millisecond
		}))
		s.eventually("it arrives", func() bool { return len(r.all()) > 0 })
		stop()
		before := len(r.all())
		s.run(s.service)
		s.eventually("it arrives again", func() bool { return len(r.all()) > before })
		s.eventually("it is recorded", func() bool { return len(s.work().Due) == 0 })
		for _, m := range r.all() {
			if m.id != r.ids()[0] || m.message.Data.Preferences[0].UserID != user || !m.signedBy(w.Secret.Reveal()) {
				s.t.Errorf("message %+v", m)
			}
		}
	})
}

func testCrashReplaced(t *testing.T) {
	onBoth(t, nil, func(s *school) {
		r := newReceiver(s.t, 204)
		s.hook(r.URL)
		stop := s.run(s.process(func(c *webhook.Config) {
			c.Store, c.Turn, c.Timeout = dying{hookStore: s.Webhooks}, 300*time.Millisecond, 100*time.Millisecond
		}))
		s.optOut()
		s.eventually("the first one sends", func() bool { return len(r.all()) == 1 })
		s.run(s.service)
		stop()
		s.optOut()
		s.eventually("the second one sends", func() bool { return len(r.all()) == 2 })
	})
}

func testCrashBeforeMessages(t *testing.T) {
	onBoth(t, nil, func(s *school) {
		r := newReceiver(s.t, 204)
		s.hook(r.URL)
		s.optOut()
		stop := s.run(s.process(func(c *webhook.Config) {
			c.Store, c.Turn, c.Timeout = dying{hookStore: s.Webhooks, put: true}, 300*time.Millisecond, 100*time.Millisecond
		}))
		s.eventually("it fails", func() bool { return strings.Contains(s.log.String(), "cannot send webhooks") })
		stop()
		s.run(s.service)
		s.eventually("it arrives", func() bool { return len(r.all()) == 1 })
	})
}

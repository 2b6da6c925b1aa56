package webhook

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/publicdial"
)

// Progress counts the deliveries of an event. CodeNotFound if there is no such event.
type Progress func(ctx context.Context, eventID string) (schoolbell.Progress, error)

// Config is what a Service is made of. Zero durations and counts mean the defaults.
type Config struct {
	Store    ledger.Webhooks
	Progress Progress
	Guard    *publicdial.Guard // decides which addresses may be dialled
	Logger   *slog.Logger
	Clock    func() time.Time // nil means time.Now

	Schedule  []time.Duration // waits before the second attempt and those that follow; DefaultSchedule if nil
	Timeout   time.Duration   // of one attempt; 10 s
	GiveUp    time.Duration   // a webhook that has failed for so long is disabled; 5 days
	Poll      time.Duration   // between looks for work, of the process that has the turn; 1 s
	Idle      time.Duration   // between looks whether the turn is free, or whether there are webhooks; 10 s
	Turn      time.Duration   // after which others take over from a process that died; 30 s
	PerTarget int             // requests to one webhook at once; 4
}

// DefaultSchedule are the waits before the second to the tenth attempt of a message: three days in all.
func DefaultSchedule() []time.Duration {
	return []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
		10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour}
}

// rotation is how long the old secret of a webhook still signs after it was replaced.
const rotation = 24 * time.Hour

// Service manages webhooks and sends their messages. It is safe for concurrent use. Any number of processes may run one on the
// same ledger: one at a time sends.
type Service struct {
	cfg     Config
	client  *http.Client
	holder  string
	metrics metrics
	wake    chan struct{} // a message has ended or was added here: look for work at once
}

// New returns a Service. [Service.Run] sends.
func New(cfg Config) *Service {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Schedule == nil {
		cfg.Schedule = DefaultSchedule()
	}
	for _, d := range []struct {
		value   *time.Duration
		initial time.Duration
	}{{&cfg.Timeout, 10 * time.Second}, {&cfg.GiveUp, 5 * 24 * time.Hour}, {&cfg.Poll, time.Second}, {&cfg.Idle, 10 * time.Second}, {&cfg.Turn, 30 * time.Second}} {
		if *d.value <= 0 {
			*d.value = d.initial
		}
	}
	if cfg.PerTarget <= 0 {
		cfg.PerTarget = 4
	}
	return &Service{cfg: cfg, client: cfg.Guard.NewClient(cfg.PerTarget), holder: uuid.NewString(), metrics: newMetrics(), wake: make(chan struct{}, 1)}
}

// Collectors are the metrics of this process.
func (s *Service) Collectors() []prometheus.Collector {
	return []prometheus.Collector{s.metrics.attempts, s.metrics.ended, s.metrics.disabled}
}

// Webhooks returns all webhooks, the oldest first.
func (s *Service) Webhooks(ctx context.Context) ([]schoolbell.Webhook, error) {
	return s.cfg.Store.Webhooks(ctx)
}

// Webhook returns a webhook; CodeNotFound if there is none.
func (s *Service) Webhook(ctx context.Context, id string) (schoolbell.Webhook, error) {
	return s.cfg.Store.Webhook(ctx, id)
}

// Create stores a webhook with a new id and secret, enabled, and returns it.
func (s *Service) Create(ctx context.Context, w schoolbell.Webhook) (schoolbell.Webhook, error) {
	w.Normalize()
	if err := s.check(w); err != nil {
		return w, err
	}
	w.ID, w.Enabled, w.Secret, w.CreatedAt = uuid.NewString(), true, schoolbell.NewWebhookSecret(), schoolbell.Time(s.cfg.Clock())
	ledger.ChangeOf(ctx).Target(w.ID)
	if err := s.cfg.Store.AddWebhook(ctx, w); err != nil {
		return w, err
	}
	s.look()
	return w, nil
}

// Change changes a webhook and returns it.
func (s *Service) Change(ctx context.Context, id string, p ledger.WebhookPatch) (schoolbell.Webhook, error) {
	w, err := s.cfg.Store.Webhook(ctx, id)
	if err != nil {
		return w, err
	}
	next := w
	if p.URL != nil {
		next.URL = *p.URL
	}
	if p.Types != nil {
		next.Types = p.Types
	}
	if p.Description != nil {
		next.Description = *p.Description
	}
	next.Normalize()
	if err := s.check(next); err != nil {
		return w, err
	}
	p.URL, p.Types, p.Description = &next.URL, next.Types, &next.Description
	w, err = s.cfg.Store.ChangeWebhook(ctx, id, p)
	s.look()
	return w, err
}

// check reports why a webhook cannot be stored. A name is not resolved: where it leads is checked at each attempt.
func (s *Service) check(w schoolbell.Webhook) error {
	if err := w.Validate(); err != nil {
		return err
	}
	u, err := url.Parse(w.URL)
	if err == nil {
		err = s.cfg.Guard.CheckURL(u)
	}
	if err != nil {
		return schoolbell.Invalid("url", "may not be called: %s", refusal(err))
	}
	return nil
}

// Remove deletes a webhook. Its messages are not sent any more.
func (s *Service) Remove(ctx context.Context, id string) error {
	return s.cfg.Store.RemoveWebhook(ctx, id)
}

// Rotate gives a webhook a new secret and returns it. Messages have signatures by both for a day.
func (s *Service) Rotate(ctx context.Context, id string) (schoolbell.Webhook, error) {
	return s.cfg.Store.RotateWebhook(ctx, id, schoolbell.NewWebhookSecret(), s.cfg.Clock().Add(rotation))
}

// Attempts returns up to limit attempts of a webhook, newest first, those before one (0 for the newest).
func (s *Service) Attempts(ctx context.Context, id string, before int64, limit int) ([]schoolbell.WebhookAttempt, error) {
	return s.cfg.Store.WebhookAttempts(ctx, id, before, limit)
}

// Waiting counts the messages of a webhook that were not taken yet.
func (s *Service) Waiting(ctx context.Context, id string) (int, error) {
	return s.cfg.Store.WaitingWebhookMessages(ctx, id)
}

// Test sends a message of type webhook.test to a webhook at once, also to one that is disabled, and returns the attempt. It is in
// the list of attempts and changes nothing else.
func (s *Service) Test(ctx context.Context, id string) (schoolbell.WebhookAttempt, error) {
	w, err := s.cfg.Store.Webhook(ctx, id)
	if err != nil {
		return schoolbell.WebhookAttempt{}, err
	}
	m := ledger.WebhookMessage{ID: newID(), WebhookID: id, Type: schoolbell.WebhookTest, CreatedAt: schoolbell.Time(s.cfg.Clock())}
	body, err := bodyOf(m, nil)
	if err != nil {
		return schoolbell.WebhookAttempt{}, err
	}
	a, _ := s.attempt(ctx, w, m, body)
	if ctx.Err() != nil {
		return a, ctx.Err()
	}
	return a, s.cfg.Store.RecordWebhookAttempt(ctx, a, ledger.WebhookResult{Ended: true})
}

// look makes Run look for work at once.
func (s *Service) look() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// newID returns the id of a message. It has no dot, which separates it from the time in what is signed.
func newID() string {
	id := uuid.New()
	return "msg_" + base32Of(id[:])
}

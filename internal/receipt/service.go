package receipt

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"schoolbell"
	"schoolbell/internal/channel/email/returnpath"
)

// Source is a kind of request that brings receipts.
type Source string

// The sources.
const (
	SES           Source = "ses"
	SendGrid      Source = "sendgrid"
	Twilio        Source = "twilio"
	TwilioInbound Source = "twilio_inbound" // messages that recipients send
	Mail          Source = "mail"           // emails that come back, and complaints by email
)

// Request is one request of a provider.
type Request struct {
	Header http.Header
	Body   []byte // as it came
	URI    string // path and query, as they came

	Recipient string // the address to which an email went; empty if it is in the URI or in the email
}

// Store is what the service needs of the ledger.
type Store interface {
	// RecordReceipts records receipts that were not recorded before, and returns how many.
	RecordReceipts(ctx context.Context, receipts []schoolbell.Receipt) (recorded int, err error)
}

// decoder verifies a request and returns the receipts in it. Its errors are [schoolbell.Error]: CodeForbidden for a
// request that is not the provider's, CodeInvalid for one that cannot be read, CodeUnavailable for one that cannot
// be verified now.
type decoder func(ctx context.Context, r Request) ([]schoolbell.Receipt, error)

// Service takes receipts. It is safe for concurrent use.
type Service struct {
	secret   [sha256.Size]byte
	decoders map[Source]decoder // of the sources that are set up
	bounces  *returnpath.Addresses
	store    Store
	now      func() time.Time
	log      *slog.Logger

	received *prometheus.CounterVec
	refused  *prometheus.CounterVec

	mu     sync.Mutex
	logged map[Source]time.Time // when a refusal was logged last
}

// refusalEvery is how often a refusal of each source is logged. A provider that is set up wrongly sends every
// receipt again and again.
const refusalEvery = time.Minute

// New returns a service on a ledger. Without a secret it takes nothing.
func New(cfg Config, store Store, log *slog.Logger) *Service {
	cfg = cfg.withDefaults()
	s := &Service{secret: sha256.Sum256([]byte(cfg.Secret)), decoders: map[Source]decoder{}, store: store, now: cfg.Clock, log: log, logged: map[Source]time.Time{}}
	s.received = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "schoolbell_receipts_total", Help: "Receipts of providers that were recorded, by source and kind. Repetitions are not counted."}, []string{"source", "kind"})
	s.refused = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "schoolbell_receipts_refused_total", Help: "Requests with receipts that were refused, by source and code."}, []string{"source", "code"})
	if cfg.Secret == "" {
		return s
	}
	if len(cfg.SESTopics) > 0 {
		s.decoders[SES] = newSES(cfg).receipts
	}
	if cfg.SendGridKey != nil {
		s.decoders[SendGrid] = (&sendGrid{key: cfg.SendGridKey, now: cfg.Clock}).receipts
	}
	if cfg.TwilioToken != "" {
		t := &twilio{token: []byte(cfg.TwilioToken), publicURL: cfg.PublicURL, now: cfg.Clock}
		s.decoders[Twilio], s.decoders[TwilioInbound] = t.receipts, t.inbound
	}
	if cfg.Bounces != nil {
		s.bounces = cfg.Bounces
		s.decoders[Mail] = (&byMail{addresses: cfg.Bounces, now: cfg.Clock}).receipts
	}
	return s
}

// Collectors are the metrics of the service.
func (s *Service) Collectors() []prometheus.Collector {
	return []prometheus.Collector{s.received, s.refused}
}

// Opens reports whether requests of a source are taken under a URL with this secret. How long it takes says nothing
// about the right secret.
func (s *Service) Opens(source Source, secret string) bool {
	given := sha256.Sum256([]byte(secret))
	right := subtle.ConstantTimeCompare(given[:], s.secret[:]) == 1
	return s.decoders[source] != nil && right
}

// Known reports whether an address is the envelope sender of an email of ours.
func (s *Service) Known(address string) bool {
	if s.bounces == nil {
		return false
	}
	_, ok := s.bounces.Parse(address)
	return ok
}

// Take verifies a request of a source that is open, and records its receipts. After an error the provider may send
// the request again; see decoder for the errors.
func (s *Service) Take(ctx context.Context, source Source, r Request) error {
	receipts, err := s.decoders[source](ctx, r)
	if err != nil {
		s.refuse(ctx, source, err)
		return err
	}
	if len(receipts) == 0 {
		return nil
	}
	recorded, err := s.store.RecordReceipts(ctx, receipts)
	if err != nil {
		return fmt.Errorf("record receipts of %s: %w", source, err)
	}
	if recorded == len(receipts) { // which of them were repetitions is not known
		for _, r := range receipts {
			s.received.WithLabelValues(string(source), string(r.Kind)).Inc()
		}
	}
	return nil
}

// refuse counts a refusal and logs it, but not each of many.
func (s *Service) refuse(ctx context.Context, source Source, err error) {
	s.refused.WithLabelValues(string(source), string(schoolbell.CodeOf(err))).Inc()
	now := s.now()
	s.mu.Lock()
	silent := now.Sub(s.logged[source]) < refusalEvery
	if !silent {
		s.logged[source] = now
	}
	s.mu.Unlock()
	if !silent {
		s.log.WarnContext(ctx, "receipts refused", "source", string(source), "error", err)
	}
}

// forged is the error of a request that is not the provider's.
func forged(format string, args ...any) error {
	return &schoolbell.Error{Code: schoolbell.CodeForbidden, Message: fmt.Sprintf(format, args...)}
}

// unreadable is the error of a request that the provider signed but that cannot be decoded.
func unreadable(what string) error {
	return &schoolbell.Error{Code: schoolbell.CodeInvalid, Message: what + " cannot be decoded"}
}

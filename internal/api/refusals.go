package api

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"schoolbell"
	"schoolbell/internal/auth"
)

// Reasons for refusals beside those of package auth.
const (
	reasonMissing   = "missing"   // no credential, or none that can be read
	reasonForbidden = "forbidden" // a good credential that does not allow the call
	reasonLimited   = "limited"   // too many wrong ones came from the address, so nobody looked
)

// Lines about refused keys: at most these at once and a second, so that guessing keys
// cannot fill the log.
const (
	refusalBurst     = 10
	refusalPerSecond = 1
)

// refusals counts and logs credentials that are refused. It is safe for concurrent use.
type refusals struct {
	log     *slog.Logger
	clock   func() time.Time
	counter *prometheus.CounterVec
	lines   *rate.Limiter

	mu      sync.Mutex
	skipped int // lines since the last one
}

func newRefusals(log *slog.Logger, clock func() time.Time, reg *prometheus.Registry) (*refusals, error) {
	r := &refusals{log: log, clock: clock, lines: rate.NewLimiter(refusalPerSecond, refusalBurst),
		counter: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "schoolbell_http_refused_total", Help: "Requests whose key or token was refused, by reason."}, []string{"reason"})}
	for _, reason := range []string{auth.ReasonUnknown, auth.ReasonExpired, auth.ReasonRevoked, reasonMissing, reasonForbidden, reasonLimited} {
		r.counter.WithLabelValues(reason) // zero, not missing
	}
	return r, reg.Register(r.counter)
}

// note counts a refusal, and logs it if it concerns a key.
func (r *refusals) note(ctx context.Context, rt route, err error) {
	refusal, ok := errors.AsType[*auth.Refusal](err)
	switch {
	case ok:
	case schoolbell.CodeOf(err) == schoolbell.CodeUnauthorized:
		refusal = &auth.Refusal{Reason: reasonMissing}
	case schoolbell.CodeOf(err) == schoolbell.CodeForbidden:
		refusal = &auth.Refusal{Reason: reasonForbidden}
	default:
		return
	}
	r.counter.WithLabelValues(refusal.Reason).Inc()
	if refusal.Fingerprint == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.lines.AllowN(r.clock(), 1) {
		r.skipped++
		return
	}
	r.log.WarnContext(ctx, "API key refused", "reason", refusal.Reason, "fingerprint", refusal.Fingerprint, "route", rt.id,
		"request_id", requestID(ctx), "skipped", r.skipped)
	r.skipped = 0
}

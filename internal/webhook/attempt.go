package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/publicdial"
)

const (
	maxReply   = 64 << 10 // bytes of a reply that are read, so that its connection can be used again
	maxWait    = 24 * time.Hour
	jitterPart = 10 // a wait is up to a tenth longer, so that messages that failed together do not return together
)

// attempt sends a message once. retryAfter is the wait for which the receiver asks, 0 for none.
func (s *Service) attempt(ctx context.Context, w schoolbell.Webhook, m ledger.WebhookMessage, body []byte) (a schoolbell.WebhookAttempt, retryAfter time.Duration) {
	at := s.cfg.Clock()
	a = schoolbell.WebhookAttempt{WebhookID: w.ID, MessageID: m.ID, Type: m.Type, Number: m.Attempts + 1, At: schoolbell.Time(at)}
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	req, err := request(ctx, w, m.ID, at, body)
	var res *http.Response
	if err == nil {
		res, err = s.client.Do(req)
	}
	if err != nil {
		a.Error, a.Duration = cause(err), time.Since(start)
		return a, 0
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxReply)) // what it says does not matter
	_ = res.Body.Close()
	a.Duration, a.Status = time.Since(start), res.StatusCode
	if res.StatusCode/100 != 2 {
		a.Error = replied(res.StatusCode)
	}
	return a, waitOf(res.Header, at)
}

// request returns the signed request of an attempt.
func request(ctx context.Context, w schoolbell.Webhook, id string, at time.Time, body []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the URL cannot be read")
	}
	var signatures []string
	for _, secret := range w.Secrets(at) {
		signatures = append(signatures, secret.Sign(id, at, body))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Schoolbell")
	req.Header.Set("webhook-id", id)
	req.Header.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
	req.Header.Set("webhook-signature", strings.Join(signatures, " "))
	return req, nil
}

func replied(status int) string {
	switch {
	case status/100 == 3:
		return fmt.Sprintf("the receiver replied %d: redirects are not followed", status)
	case status == http.StatusGone:
		return "the receiver replied 410: it wants no more messages"
	}
	return fmt.Sprintf("the receiver replied %d", status)
}

// waitOf returns the wait that a reply asks for by Retry-After, in seconds or until a date (RFC 9110, 10.2.3), at most a day.
func waitOf(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil {
		return time.Duration(max(0, min(seconds, int(maxWait/time.Second)))) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, min(at.Sub(now), maxWait))
	}
	return 0
}

// cause says why there is no reply, without addresses and without the URL, which may have a secret.
func cause(err error) string {
	var dns *net.DNSError
	var unverified *tls.CertificateVerificationError
	var timeout net.Error
	var e *url.Error
	switch {
	case errors.Is(err, publicdial.ErrRefused):
		return "the URL may not be called: " + refusal(err)
	case errors.As(err, &dns):
		return "the name of the host cannot be resolved"
	case errors.As(err, &unverified):
		return "the certificate of the receiver is not valid: " + unverified.Err.Error()
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the receiver refuses the connection"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no reply in time"
	case errors.As(err, &e):
		err = e.Err
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return "the receiver cannot be reached: " + err.Error()
}

// refusal returns what the guard says, without the texts around it.
func refusal(err error) string {
	text := err.Error()
	if i := strings.LastIndex(text, publicdial.ErrRefused.Error()+": "); i >= 0 {
		return text[i+len(publicdial.ErrRefused.Error())+2:]
	}
	return text
}

// record stores an attempt and what follows from it, and says it loudly if that disables the webhook.
func (s *Service) record(ctx context.Context, w schoolbell.Webhook, a schoolbell.WebhookAttempt, retryAfter time.Duration) error {
	r := s.resultOf(w, a, retryAfter)
	if r.Disable != "" {
		ctx = ledger.WithChange(ctx, disabling(a, r.Disable))
	}
	if err := s.cfg.Store.RecordWebhookAttempt(ctx, a, r); err != nil {
		return err
	}
	s.metrics.note(a, r)
	switch {
	case r.Disable != "":
		s.cfg.Logger.Error("a webhook was disabled; see its attempts, and enable it when its receiver works again",
			"webhook", w.ID, "reason", r.Disable, "error", a.Error, "failing_since", w.FailingSince)
	case r.Ended && !a.OK():
		s.cfg.Logger.Error("a webhook message was given up after its last attempt", "webhook", w.ID, "message", a.MessageID, "type", string(a.Type),
			"attempts", a.Number, "error", a.Error)
	}
	return nil
}

// disabling is the audit entry of a webhook that the program disables.
func disabling(a schoolbell.WebhookAttempt, reason string) *ledger.Change {
	return ledger.NewChange(schoolbell.AuditEntry{At: a.At, Actor: schoolbell.Actor{Kind: schoolbell.ActorSystem}, Action: "webhook.disable",
		Target: schoolbell.Target{Kind: "webhook", ID: a.WebhookID}, Changes: map[string]any{"reason": reason, "status": a.Status}})
}

// resultOf decides what follows from an attempt.
func (s *Service) resultOf(w schoolbell.Webhook, a schoolbell.WebhookAttempt, retryAfter time.Duration) (r ledger.WebhookResult) {
	if a.OK() || a.Number > len(s.cfg.Schedule) {
		r.Ended = true
	} else {
		wait := s.cfg.Schedule[a.Number-1]
		wait += rand.N(wait/jitterPart + 1)
		r.NextAt = a.At.Add(a.Duration + max(wait, retryAfter))
	}
	switch {
	case a.OK():
	case a.Status == http.StatusGone:
		r.Disable, r.Ended = schoolbell.WebhookGone, true
	case !w.FailingSince.IsZero() && a.At.Sub(w.FailingSince) >= s.cfg.GiveUp:
		r.Disable = schoolbell.WebhookFailing
	}
	return r
}

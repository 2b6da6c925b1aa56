package sendgrid

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/internal/channel/calls"
)

const stopRest = 5 * time.Minute // somebody must change settings or the account

// fault is an entry of the list that a reply with an error has.
type fault struct {
	Message string `json:"message"`
	Field   string `json:"field"` // such as personalizations.0.to.0.email
}

func faults(reply calls.Reply) []fault {
	var body struct {
		Errors []fault `json:"errors"`
	}
	_ = json.Unmarshal(reply.Body, &body) // a proxy on the way may answer with something else
	return body.Errors
}

// reason returns what a reply says, as one line. It may quote a recipient.
func reason(reply calls.Reply) string {
	text := fmt.Sprintf("SendGrid: status %d", reply.Status)
	for _, f := range faults(reply) {
		text += ": " + f.Message
		if f.Field != "" {
			text += " (" + f.Field + ")"
		}
	}
	return calls.Words(text)
}

// refusedRecipients returns the places in a request of n recipients of those that SendGrid refused, and why. There are
// none if anything else is wrong with the request.
func refusedRecipients(reply calls.Reply, n int) (places map[int]bool, why string) {
	if reply.Status != http.StatusBadRequest {
		return nil, ""
	}
	places = make(map[int]bool)
	for _, f := range faults(reply) {
		rest, ok := strings.CutPrefix(f.Field, "personalizations.")
		number, _, _ := strings.Cut(rest, ".")
		place, err := strconv.Atoi(number)
		if !ok || err != nil || place < 0 || place >= n {
			return nil, ""
		}
		places[place] = true
	}
	return places, reason(reply)
}

// result is what a reply says about all messages of the request.
func (s *SendGrid) result(reply calls.Reply) schoolbell.Result {
	r := schoolbell.Result{Verdict: schoolbell.VerdictRetry, Reason: reason(reply)}
	switch reply.Status {
	case http.StatusAccepted:
		return schoolbell.Result{Verdict: schoolbell.VerdictSent, ProviderID: reply.Header.Get("X-Message-Id")}
	case http.StatusTooManyRequests:
		r.Verdict, r.After = schoolbell.VerdictSlowDown, rest(reply.Header, time.Now())
	case http.StatusUnauthorized, http.StatusForbidden:
		r.Verdict, r.After, r.Down = schoolbell.VerdictSlowDown, stopRest, true
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		r.Verdict = schoolbell.VerdictGiveUp
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooEarly: // of proxies: not taken
	default:
		if reply.Status >= http.StatusInternalServerError || reply.OK() {
			r.Verdict = schoolbell.VerdictUncertain // it may have been accepted
		} else { // no SendGrid answers so: the URL is wrong
			r.Verdict, r.After, r.Down = schoolbell.VerdictSlowDown, stopRest, true
		}
	}
	return r
}

// rest returns how long a reply asks to wait: until the time in X-RateLimit-Reset (Unix seconds), at least a second, or 0
// if it does not say.
func rest(h http.Header, now time.Time) time.Duration {
	at, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64)
	if err != nil {
		return min(calls.RetryAfter(h, now), maxReset)
	}
	return max(time.Second, min(time.Unix(at, 0).Sub(now), maxReset))
}

// Check reports whether SendGrid would accept email now: whether the latest email was taken, and otherwise whether the key
// may send.
func (s *SendGrid) Check(ctx context.Context) error {
	if why := s.stop.Reason(); why != "" {
		return unavailable(why)
	}
	if s.recent() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	reply, err := s.do(ctx, http.MethodGet, scopesPath, nil)
	if err != nil {
		return unavailable(failed(err).Reason)
	}
	var body struct{ Scopes []string }
	switch {
	case reply.Status == http.StatusForbidden || reply.Status == http.StatusTooManyRequests:
		// The key is known. One that may only send may not read its own scopes.
	case !reply.OK():
		return unavailable(reason(reply))
	case json.Unmarshal(reply.Body, &body) != nil:
		return unavailable("SendGrid: the reply to GET " + scopesPath + " is not JSON")
	case !slices.Contains(body.Scopes, "mail.send"):
		return unavailable("SendGrid: the API key may not send email (scope mail.send)")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checked = time.Now()
	return nil
}

func (s *SendGrid) recent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.checked) < checkedAge
}

// forget makes the next check ask SendGrid.
func (s *SendGrid) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checked = time.Time{}
}

func unavailable(why string) error {
	return &schoolbell.Error{Code: schoolbell.CodeUnavailable, Message: "SendGrid rejects all email", Err: errors.New(schoolbell.Redact(why, schoolbell.Personal{}))}
}

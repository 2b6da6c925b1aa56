package ses

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"schoolbell"
	"schoolbell/internal/channel/calls"
)

const (
	accountAge     = 5 * time.Minute  // how long an answer is good for: SES allows one call a second for all programs together
	accountRetry   = 10 * time.Second // after a failure, before quotas are asked for again
	accountTimeout = 5 * time.Second
)

// Account is what SES says about the account in its region.
type Account struct {
	Sandbox     bool    // only verified recipients get email
	Paused      bool    // no email is sent
	Enforcement string  // HEALTHY, PROBATION or SHUTDOWN
	Rate        float64 // emails per second
	Daily       int     // emails in 24 hours; 0 for no limit
	Sent        int     // in the last 24 hours
}

// account remembers the latest answer.
type account struct {
	asking chan struct{} // has room for who asks SES

	mu     sync.Mutex
	known  Account
	at     time.Time // of known; zero if it is not to be relied on
	failed time.Time // when the latest question failed
}

func newAccount() account { return account{asking: make(chan struct{}, 1)} }

// forget makes the next check ask SES.
func (a *account) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.at = time.Time{}
}

func (a *account) latest() (known Account, fresh bool, failed time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.known, time.Since(a.at) < accountAge, a.failed
}

func (a *account) note(known Account, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.failed = time.Now()
		return
	}
	a.known, a.at = known, time.Now()
}

// Account returns what SES says about the account, not older than some minutes.
func (s *SES) Account(ctx context.Context) (Account, error) {
	select {
	case s.account.asking <- struct{}{}:
		defer func() { <-s.account.asking }()
	case <-ctx.Done():
		return Account{}, ctx.Err()
	}
	if known, fresh, _ := s.account.latest(); fresh {
		return known, nil
	}
	ctx, cancel := context.WithTimeout(ctx, min(accountTimeout, s.cfg.Timeout))
	defer cancel()
	known, err := s.ask(ctx)
	if errors.Is(err, errTooMany) { // others have just asked: the account is there, and its keys are right
		known, _, _ = s.account.latest()
		return known, nil
	}
	s.account.note(known, err)
	return known, err
}

var errTooMany = errors.New("too many requests")

// ask calls GetAccount.
func (s *SES) ask(ctx context.Context) (Account, error) {
	reply, err := s.do(ctx, http.MethodGet, accountPath, nil)
	if err != nil {
		return Account{}, errors.New(failed(err).Reason)
	}
	if !reply.OK() {
		e := parseError(reply)
		if reply.Status == http.StatusTooManyRequests {
			return Account{}, errTooMany
		}
		return Account{}, errors.New(e.String())
	}
	var body struct {
		SendQuota struct {
			Max24HourSend   float64
			MaxSendRate     float64
			SentLast24Hours float64
		}
		SendingEnabled          bool
		ProductionAccessEnabled bool
		EnforcementStatus       string
	}
	if err := json.Unmarshal(reply.Body, &body); err != nil {
		return Account{}, errors.New("SES: the reply to GetAccount is not JSON")
	}
	return Account{
		Sandbox: !body.ProductionAccessEnabled, Paused: !body.SendingEnabled, Enforcement: calls.Words(body.EnforcementStatus),
		Rate: max(0, body.SendQuota.MaxSendRate), Daily: int(max(0, body.SendQuota.Max24HourSend)), Sent: int(body.SendQuota.SentLast24Hours),
	}, nil
}

// Check reports whether SES would accept email now: whether the latest email was taken, and otherwise what GetAccount says.
func (s *SES) Check(ctx context.Context) error {
	if reason := s.stop.Reason(); reason != "" {
		return unavailable(errors.New(reason))
	}
	a, err := s.Account(ctx)
	switch {
	case err != nil:
		return unavailable(err)
	case a.Paused:
		return unavailable(fmt.Errorf("sending is paused; the account is %s", a.Enforcement))
	case a.Daily > 0 && a.Sent >= a.Daily:
		return unavailable(fmt.Errorf("the quota of %d emails in 24 hours is used up", a.Daily))
	}
	return nil
}

func unavailable(err error) error {
	return &schoolbell.Error{Code: schoolbell.CodeUnavailable, Message: "Amazon SES rejects all email", Err: redacted{err}}
}

// redacted is an error that may quote SES, without the addresses in its words.
type redacted struct{ err error }

func (e redacted) Error() string { return schoolbell.Redact(e.err.Error(), schoolbell.Personal{}) }
func (e redacted) Unwrap() error { return e.err }

// Quota returns how many emails SES takes in a second and in 24 hours, each 0 for no limit or as long as SES has not said
// so. It asks SES every few minutes, and waits for the answer only if there is none yet.
func (s *SES) Quota(ctx context.Context) (rate float64, daily int) {
	known, fresh, failed := s.account.latest()
	if fresh || time.Since(failed) < accountRetry || len(s.account.asking) > 0 && known.Rate > 0 {
		return known.Rate, known.Daily
	}
	if a, err := s.Account(ctx); err == nil {
		known = a
	}
	return known.Rate, known.Daily
}

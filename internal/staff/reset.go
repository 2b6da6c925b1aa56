package staff

import (
	"context"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// ResetTTL is how long a link is good that somebody has asked for by email.
const ResetTTL = time.Hour

// AllowReset counts that somebody at an address of a client asks for a link for the account with an email address. CodeLimited,
// with [Wait], after too many. It does not tell whether there is such an account.
func (s *Service) AllowReset(email, address string) error {
	if wait := s.throttle.begin(attempt{email: schoolbell.NormalizeStaffEmail(email), address: address, reset: true}); wait > 0 {
		return &Wait{wait}
	}
	return nil
}

// ResetLink returns the account with an email address, and the secret of a new link with which its owner chooses a password.
// Earlier links of the account end. CodeNotFound if there is no such account.
func (s *Service) ResetLink(ctx context.Context, email string) (a schoolbell.StaffAccount, secret string, err error) {
	if a, err = s.AccountOf(ctx, email); err != nil {
		return a, "", err
	}
	ledger.ChangeOf(ctx).Target(a.ID)
	secret, err = s.newLink(ctx, a.ID, ResetTTL)
	return a, secret, err
}

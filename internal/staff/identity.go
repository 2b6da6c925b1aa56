package staff

import (
	"context"
	"fmt"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// Identity is somebody at an identity provider.
type Identity struct {
	Issuer, Subject string // who it is, for ever
	Email           string // as it is now; empty if it is not known
	Verified        bool   // the address belongs to the person
}

// Linked is the identity with which the owner of an account signs in.
type Linked struct {
	Issuer, Subject string
	Account         string
	At              time.Time
}

// IdentityStore keeps who signs in with which identity. Every method is one transaction; implementations are safe for concurrent use.
type IdentityStore interface {
	// IdentityAccount returns the account of an identity; CodeNotFound if there is none.
	IdentityAccount(ctx context.Context, issuer, subject string) (schoolbell.StaffAccount, error)

	// LinkIdentity gives the account with an email address an identity, and returns the account. CodeNotFound if there is no such
	// account, CodeConflict if it has another identity of the same issuer.
	LinkIdentity(ctx context.Context, l Linked, email string) (schoolbell.StaffAccount, error)

	// Identity returns the identity of an account at an issuer; CodeNotFound if it has none.
	Identity(ctx context.Context, account, issuer string) (Linked, error)

	// UnlinkIdentities removes the identities of an account and ends its sessions. CodeNotFound if it has none.
	UnlinkIdentities(ctx context.Context, account string) error
}

// Identities lets the owners of accounts sign in at an identity provider. It is safe for concurrent use.
type Identities struct {
	service *Service
	store   IdentityStore
}

// NewIdentities returns the identities in a store, of the accounts of a service.
func NewIdentities(service *Service, store IdentityStore) *Identities {
	return &Identities{service, store}
}

// Allow counts that somebody at an address of a client brings an answer of the identity provider. CodeLimited, with [Wait], after too many
// that it has not made.
func (s *Identities) Allow(address string) error {
	if wait := s.service.throttle.begin(attempt{address: address, external: true}); wait > 0 {
		return &Wait{wait}
	}
	return nil
}

// Forgive takes back what Allow has counted: the answer is that of the identity provider, whether it lets somebody in or not. A school
// whose computers share an address must not wait because the identity provider was unavailable.
func (s *Identities) Forgive(address string) {
	s.service.throttle.undo(attempt{address: address, external: true})
}

// SignIn returns the account of an identity, and the secret of a new session. The first time, it is the account with the identity's
// email address, if the identity provider has verified that. From then on the address does not matter. CodeNotFound if there is no
// account, CodeInvalid if the address is not verified, and CodeConflict if the account belongs to another identity.
func (s *Identities) SignIn(ctx context.Context, id Identity) (a schoolbell.StaffAccount, session string, err error) {
	a, err = s.store.IdentityAccount(ctx, id.Issuer, id.Subject)
	if schoolbell.CodeOf(err) == schoolbell.CodeNotFound {
		a, err = s.link(ctx, id)
	}
	if err != nil {
		return a, "", err
	}
	session, err = s.service.Begin(ctx, a.ID)
	return a, session, err
}

func (s *Identities) link(ctx context.Context, id Identity) (a schoolbell.StaffAccount, err error) {
	switch {
	case id.Email == "":
		return a, schoolbell.NotFound("staff account", "")
	case !id.Verified:
		return a, schoolbell.Invalid("email", "is not verified by the identity provider")
	}
	account, err := s.service.AccountOf(ctx, id.Email)
	if err != nil {
		return a, err
	}
	madeBy(ctx, account.ID)
	ledger.ChangeOf(ctx).Set("linked", true)
	return s.store.LinkIdentity(ctx, Linked{Issuer: id.Issuer, Subject: id.Subject, At: schoolbell.Time(s.service.now())}, account.Email)
}

// Of returns when the owner of an account has signed in at an issuer for the first time; the zero time for never.
func (s *Identities) Of(ctx context.Context, account, issuer string) (time.Time, error) {
	l, err := s.store.Identity(ctx, account, issuer)
	if schoolbell.CodeOf(err) == schoolbell.CodeNotFound {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("look up the identity of a staff account: %w", err)
	}
	return l.At, nil
}

// Unlink removes the identities of an account and ends its sessions: the next one with its email address is linked. CodeNotFound if it
// has none.
func (s *Identities) Unlink(ctx context.Context, account string) error {
	ledger.ChangeOf(ctx).Target(account)
	return s.store.UnlinkIdentities(ctx, account)
}

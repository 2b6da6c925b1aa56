package staff

import (
	"context"
	"time"

	"schoolbell"
)

// Store keeps accounts. Every method is one transaction; implementations are safe for concurrent use.
type Store interface {
	// AddAccount stores a new account; CodeConflict if another has its email address or there are too many, CodeInvalid if one of
	// its groups does not exist.
	AddAccount(ctx context.Context, a schoolbell.StaffAccount) error

	// AddFirstAccount takes the link with that digest, which belongs to no account, and stores an account with a
	// password. CodeNotFound if the link is gone, CodeConflict if there is an account already.
	AddFirstAccount(ctx context.Context, link []byte, a schoolbell.StaffAccount, passwordHash string) error

	// ChangeAccount stores the email address, the name, the role, the right to send urgent events and the groups of an account.
	// CodeNotFound if there is none, CodeConflict if another has the address or no admin would be left, CodeInvalid if one of the
	// groups does not exist.
	ChangeAccount(ctx context.Context, a schoolbell.StaffAccount) error

	// RemoveAccount removes an account with its sessions, links and drafts; CodeNotFound if there is none, CodeConflict if
	// no admin would be left.
	RemoveAccount(ctx context.Context, id string) error

	// Accounts returns every account, ordered by name.
	Accounts(ctx context.Context) ([]schoolbell.StaffAccount, error)

	// Account returns an account; CodeNotFound if there is none.
	Account(ctx context.Context, id string) (schoolbell.StaffAccount, error)

	// Credentials returns the account with an email address and the hash of its password, "" if it has none;
	// CodeNotFound if there is no such account.
	Credentials(ctx context.Context, email string) (a schoolbell.StaffAccount, passwordHash string, err error)

	// SetPassword takes the link with that digest, stores the hash of a password in its account and ends the
	// account's sessions. CodeNotFound if the link is gone.
	SetPassword(ctx context.Context, link []byte, passwordHash string) error

	// AddLink stores a link. It replaces earlier ones of the same account.
	AddLink(ctx context.Context, l Link) error

	// Link returns the link with that digest; CodeNotFound if there is none.
	Link(ctx context.Context, digest []byte) (Link, error)
}

// SessionStore keeps sessions. Every method is one transaction; implementations are safe for concurrent use.
type SessionStore interface {
	// AddSession stores a session and that its account has signed in; CodeNotFound if the account is gone.
	AddSession(ctx context.Context, s Session) error

	// Session returns the session with that digest and its account; CodeNotFound if there is none.
	Session(ctx context.Context, digest []byte) (Session, schoolbell.StaffAccount, error)

	// Sessions returns those of several sessions that are there, and the account of each by its id.
	Sessions(ctx context.Context, digests [][]byte) ([]Session, map[string]schoolbell.StaffAccount, error)

	// NoteSessionUse stores when a session was used, unless a later time is stored.
	NoteSessionUse(ctx context.Context, digest []byte, at time.Time) error

	// EndSession ends the session with that digest, if it is there.
	EndSession(ctx context.Context, digest []byte) error

	// EndSessions ends all sessions of an account.
	EndSessions(ctx context.Context, account string) error

	// RemoveEnded removes the sessions that were not used since idle or began before oldest, and the links that
	// expired before now.
	RemoveEnded(ctx context.Context, idle, oldest, now time.Time) error
}

// Link lets one person choose a password, once. Who has the link needs nothing else.
type Link struct {
	Digest    []byte // SHA-256 of its secret
	Account   string // empty for the link with which the first account is made
	ExpiresAt time.Time
}

// Session is a browser in which somebody has signed in.
type Session struct {
	Digest    []byte // SHA-256 of its secret
	Account   string
	CreatedAt time.Time
	UsedAt    time.Time // to within a minute
}

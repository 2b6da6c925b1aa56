package staff

import (
	"context"
	"fmt"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// maxSecret is how long a secret of a session or a link may be; longer ones are not even looked up.
const maxSecret = 64

// absentHash is a hash that no password has. Passwords of unknown accounts are compared with it, so that they take as long.
const absentHash = "$argon2id$v=19$m=7168,t=5,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// Visitor is somebody who signs in.
type Visitor struct {
	Address string // of the client; empty if it is not known
	Known   string // the account whose owner has signed in with this browser before; empty for none
}

// SignIn returns the account with an email address and a password, and the secret of a new session. A wrong address
// and a wrong password are the same error: CodeUnauthorized. CodeLimited, with [Wait], after too many attempts.
func (s *Service) SignIn(ctx context.Context, email, password string, v Visitor) (a schoolbell.StaffAccount, session string, err error) {
	email = schoolbell.NormalizeStaffEmail(email)
	if len(email) > schoolbell.MaxEmailLength || len(password) > maxPassword {
		return a, "", wrongPassword()
	}
	a, hash, err := s.accounts.Credentials(ctx, email)
	missing := schoolbell.CodeOf(err) == schoolbell.CodeNotFound
	if err != nil && !missing {
		return a, "", err
	}
	try := attempt{email: email, address: v.Address, known: a.ID != "" && v.Known == a.ID}
	if wait := s.throttle.begin(try); wait > 0 {
		return a, "", &Wait{wait}
	}
	if hash == "" {
		hash = absentHash
	}
	ok, err := s.hasher.matches(ctx, password, hash)
	if err != nil {
		s.throttle.undo(try)
		return a, "", err
	}
	if !ok || missing {
		return a, "", wrongPassword()
	}
	s.throttle.undo(try)
	session, err = s.Begin(ctx, a.ID)
	return a, session, err
}

func wrongPassword() error {
	return &schoolbell.Error{Code: schoolbell.CodeUnauthorized, Message: "the email address or the password is wrong"}
}

// Wait is the error of too many attempts to sign in. Its code is CodeLimited.
type Wait struct{ For time.Duration }

// Error says how long to wait.
func (w *Wait) Error() string {
	return fmt.Sprintf("too many attempts to sign in; wait %s", w.For.Round(time.Second))
}

// Unwrap returns the error with the code.
func (w *Wait) Unwrap() error { return schoolbell.Limited("too many attempts to sign in") }

// Begin starts a session of an account whose owner has proved who they are, and returns its secret.
func (s *Service) Begin(ctx context.Context, account string) (session string, err error) {
	madeBy(ctx, account)
	secret, now := newSecret(), schoolbell.Time(s.now())
	err = s.sessions.AddSession(ctx, Session{Digest: digestOf(secret), Account: account, CreatedAt: now, UsedAt: now})
	if err != nil {
		return "", fmt.Errorf("store a session: %w", err)
	}
	return secret, nil
}

// madeBy says that the owner of an account makes the change of a call.
func madeBy(ctx context.Context, account string) {
	change := ledger.ChangeOf(ctx)
	change.By(schoolbell.Actor{Kind: schoolbell.ActorStaff, ID: account})
	change.Target(account)
}

// Session returns the account of a session's secret. CodeUnauthorized if the session has ended.
func (s *Service) Session(ctx context.Context, secret string) (schoolbell.StaffAccount, error) {
	if secret == "" || len(secret) > maxSecret {
		return schoolbell.StaffAccount{}, ended()
	}
	digest, now := digestOf(secret), s.now()
	found, a, err := s.sessions.Session(ctx, digest)
	switch {
	case schoolbell.CodeOf(err) == schoolbell.CodeNotFound:
		return a, ended()
	case err != nil:
		return a, fmt.Errorf("look up a session: %w", err)
	case found.over(now):
		return schoolbell.StaffAccount{}, ended()
	case now.Sub(found.UsedAt) >= noteUseEvery:
		if err := s.sessions.NoteSessionUse(ctx, digest, schoolbell.Time(now)); err != nil {
			return a, fmt.Errorf("note the use of a session: %w", err)
		}
	}
	return a, nil
}

// over reports whether a session has ended by its age.
func (s Session) over(now time.Time) bool {
	return now.Sub(s.UsedAt) >= idleLimit || now.Sub(s.CreatedAt) >= sessionLimit
}

// Sessions returns the accounts of those secrets whose sessions go on. It does not count as use of a session.
func (s *Service) Sessions(ctx context.Context, secrets []string) (map[string]schoolbell.StaffAccount, error) {
	digests, secretOf := make([][]byte, len(secrets)), make(map[string]string, len(secrets))
	for i, secret := range secrets {
		digests[i] = digestOf(secret)
		secretOf[string(digests[i])] = secret
	}
	found, accounts, err := s.sessions.Sessions(ctx, digests)
	if err != nil {
		return nil, fmt.Errorf("look up sessions: %w", err)
	}
	open, now := map[string]schoolbell.StaffAccount{}, s.now()
	for _, session := range found {
		if !session.over(now) {
			open[secretOf[string(session.Digest)]] = accounts[session.Account]
		}
	}
	return open, nil
}

func ended() error {
	return &schoolbell.Error{Code: schoolbell.CodeUnauthorized, Message: "nobody has signed in, or the session has ended"}
}

// SignOut ends the session with that secret.
func (s *Service) SignOut(ctx context.Context, secret string) error {
	return s.sessions.EndSession(ctx, digestOf(secret))
}

// SignOutEverywhere ends all sessions of an account.
func (s *Service) SignOutEverywhere(ctx context.Context, account string) error {
	return s.sessions.EndSessions(ctx, account)
}

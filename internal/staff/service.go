package staff

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"schoolbell"
	"schoolbell/internal/ledger"
)

const (
	secretBytes = 32
	linkTTL     = 48 * time.Hour // of a link with which somebody chooses a password

	idleLimit    = 12 * time.Hour     // a session that is not used ends
	sessionLimit = 7 * 24 * time.Hour // every session ends
	noteUseEvery = time.Minute
	removeEvery  = time.Hour
)

// Service knows the accounts and their sessions. It is safe for concurrent use.
type Service struct {
	accounts Store
	sessions SessionStore
	now      func() time.Time
	hasher   hasher
	throttle *throttle
	log      *slog.Logger
	devices  []byte // secret that signs the tokens of known browsers
}

// Options are the settings of a Service. The zero value works.
type Options struct {
	Clock  func() time.Time // nil means time.Now
	Logger *slog.Logger     // nil means slog.Default
}

// Secrets keeps secrets that all processes on one ledger share.
type Secrets interface {
	// Secret returns the secret of a name. If there is none it keeps fresh.
	Secret(ctx context.Context, name string, fresh []byte) ([]byte, error)
}

// deviceSecret is the name of the secret that signs the tokens of known browsers.
const deviceSecret = "staff-device-v1"

// Open returns a Service. A process that lets people sign in also runs Run.
func Open(ctx context.Context, accounts Store, sessions SessionStore, secrets Secrets, o Options) (*Service, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	fresh := make([]byte, sha256.Size)
	_, _ = rand.Read(fresh) // never fails: it ends the program instead
	devices, err := secrets.Secret(ctx, deviceSecret, fresh)
	if err != nil {
		return nil, fmt.Errorf("load the secret %s: %w", deviceSecret, err)
	}
	return &Service{accounts: accounts, sessions: sessions, now: o.Clock, hasher: newHasher(), throttle: newThrottle(o.Clock), log: o.Logger, devices: devices}, nil
}

// Run removes ended sessions and expired links every hour until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	for {
		now := s.now()
		if err := s.sessions.RemoveEnded(ctx, now.Add(-idleLimit), now.Add(-sessionLimit), now); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "ended sessions could not be removed; the next try is in an hour", "error", err) // they are still refused
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(removeEvery):
		}
	}
}

// Add makes an account without a password and returns it with the secret of a link with which its owner chooses one.
// CodeInvalid, with faults, for a bad account; CodeConflict if another has the email address.
func (s *Service) Add(ctx context.Context, a schoolbell.StaffAccount) (added schoolbell.StaffAccount, link string, err error) {
	a.Normalize()
	if err := a.Validate(); err != nil {
		return a, "", err
	}
	a.ID, a.CreatedAt, a.SignedInAt, a.Password = uuid.Must(uuid.NewV7()).String(), schoolbell.Time(s.now()), time.Time{}, false
	change := ledger.ChangeOf(ctx)
	change.Target(a.ID)
	describe(change, a)
	if err := s.accounts.AddAccount(ctx, a); err != nil {
		return a, "", fmt.Errorf("add a staff account: %w", err)
	}
	link, err = s.newLink(ledger.WithChange(ctx, nil), a.ID, linkTTL)
	return a, link, err
}

// describe names what an account may do. Its name and address are of a person.
func describe(change *ledger.Change, a schoolbell.StaffAccount) {
	change.Set("role", string(a.Role))
	change.Set("urgent", a.Urgent)
	change.Set("groups", len(a.Groups))
}

// Change stores what an admin has changed of an account. Errors are those of [Service.Add] and CodeNotFound, and
// CodeConflict if no admin would be left.
func (s *Service) Change(ctx context.Context, a schoolbell.StaffAccount) error {
	a.Normalize()
	if err := a.Validate(); err != nil {
		return err
	}
	change := ledger.ChangeOf(ctx)
	change.Target(a.ID)
	describe(change, a)
	return s.accounts.ChangeAccount(ctx, a)
}

// Remove removes an account and ends its sessions. CodeNotFound if there is none, CodeConflict for the last admin.
func (s *Service) Remove(ctx context.Context, id string) error {
	ledger.ChangeOf(ctx).Target(id)
	return s.accounts.RemoveAccount(ctx, id)
}

// Accounts returns every account, ordered by name.
func (s *Service) Accounts(ctx context.Context) ([]schoolbell.StaffAccount, error) {
	return s.accounts.Accounts(ctx)
}

// Account returns an account; CodeNotFound if there is none.
func (s *Service) Account(ctx context.Context, id string) (schoolbell.StaffAccount, error) {
	return s.accounts.Account(ctx, id)
}

// AccountOf returns the account with an email address; CodeNotFound if there is none.
func (s *Service) AccountOf(ctx context.Context, email string) (schoolbell.StaffAccount, error) {
	a, _, err := s.accounts.Credentials(ctx, schoolbell.NormalizeStaffEmail(email))
	return a, err
}

// PasswordLink returns the secret of a new link with which the owner of an account chooses a password. Earlier links
// of the account end. Its sessions go on until the link is used.
func (s *Service) PasswordLink(ctx context.Context, account string) (secret string, err error) {
	ledger.ChangeOf(ctx).Target(account)
	return s.newLink(ctx, account, linkTTL)
}

// FirstLink returns the secret of a link with which somebody makes the first account, an admin; "" if there are
// accounts. Earlier links of this kind end.
func (s *Service) FirstLink(ctx context.Context) (secret string, err error) {
	accounts, err := s.accounts.Accounts(ctx)
	if err != nil || len(accounts) > 0 {
		return "", err
	}
	return s.newLink(ctx, "", linkTTL)
}

func (s *Service) newLink(ctx context.Context, account string, ttl time.Duration) (secret string, err error) {
	secret = newSecret()
	err = s.accounts.AddLink(ctx, Link{Digest: digestOf(secret), Account: account, ExpiresAt: schoolbell.Time(s.now().Add(ttl))})
	if err != nil {
		return "", fmt.Errorf("store a link of the staff: %w", err)
	}
	return secret, nil
}

// LinkAccount returns the account of a link: the zero account if the link is for the first one. CodeNotFound if the
// link was used, replaced or has expired.
func (s *Service) LinkAccount(ctx context.Context, secret string) (a schoolbell.StaffAccount, err error) {
	l, err := s.accounts.Link(ctx, digestOf(secret))
	if err != nil {
		return a, err
	}
	if !s.now().Before(l.ExpiresAt) {
		return a, schoolbell.NotFound("link", "")
	}
	if l.Account == "" {
		return a, nil
	}
	return s.accounts.Account(ctx, l.Account)
}

// UseLink gives the account of a link a password and ends the link and the account's sessions. For the first account,
// name and email are those of first. It returns the account.
func (s *Service) UseLink(ctx context.Context, secret, password string, first schoolbell.StaffAccount) (a schoolbell.StaffAccount, err error) {
	if a, err = s.LinkAccount(ctx, secret); err != nil {
		return a, err
	}
	if a.ID == "" {
		return s.addFirst(ctx, secret, password, first)
	}
	if err := checkPassword(password, a); err != nil {
		return a, err
	}
	hash, err := s.hasher.hash(ctx, password)
	if err != nil {
		return a, err
	}
	madeBy(ctx, a.ID)
	return a, s.accounts.SetPassword(ctx, digestOf(secret), hash)
}

func (s *Service) addFirst(ctx context.Context, secret, password string, a schoolbell.StaffAccount) (schoolbell.StaffAccount, error) {
	a = schoolbell.StaffAccount{ID: uuid.Must(uuid.NewV7()).String(), Email: a.Email, Name: a.Name, Role: schoolbell.RoleAdmin, Urgent: true,
		Password: true, CreatedAt: schoolbell.Time(s.now())}
	a.Normalize()
	faults := schoolbell.FaultsOf(a.Validate())
	faults = append(faults, schoolbell.FaultsOf(checkPassword(password, a))...)
	if err := faults.Err(); err != nil {
		return a, err
	}
	hash, err := s.hasher.hash(ctx, password)
	if err != nil {
		return a, err
	}
	madeBy(ctx, a.ID)
	describe(ledger.ChangeOf(ctx), a)
	return a, s.accounts.AddFirstAccount(ctx, digestOf(secret), a, hash)
}

func newSecret() string {
	b := make([]byte, secretBytes)
	_, _ = rand.Read(b) // never fails: it ends the program instead
	return base64.RawURLEncoding.EncodeToString(b)
}

func digestOf(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

package panel

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/health"
	"schoolbell/internal/ledger"
	"schoolbell/internal/preview"
	"schoolbell/internal/staff"
	"schoolbell/wire"
)

// Staff is what the panel needs to know who is there.
type Staff interface {
	SignIn(ctx context.Context, email, password string, v staff.Visitor) (a schoolbell.StaffAccount, session string, err error)
	Begin(ctx context.Context, account string) (session string, err error)
	Session(ctx context.Context, secret string) (schoolbell.StaffAccount, error)
	SignOut(ctx context.Context, secret string) error
	SignOutEverywhere(ctx context.Context, account string) error
	LinkAccount(ctx context.Context, secret string) (schoolbell.StaffAccount, error)
	UseLink(ctx context.Context, secret, password string, first schoolbell.StaffAccount) (schoolbell.StaffAccount, error)
	Accounts(ctx context.Context) ([]schoolbell.StaffAccount, error)
	Account(ctx context.Context, id string) (schoolbell.StaffAccount, error)
	Add(ctx context.Context, a schoolbell.StaffAccount) (added schoolbell.StaffAccount, link string, err error)
	Change(ctx context.Context, a schoolbell.StaffAccount) error
	Remove(ctx context.Context, id string) error
	PasswordLink(ctx context.Context, account string) (secret string, err error)
	DeviceToken(account string) string
	DeviceAccount(token string) string
}

// Store is what the panel reads of events.
type Store interface {
	Event(ctx context.Context, id string) (*schoolbell.Event, error)
	Progress(ctx context.Context, id string) (schoolbell.Progress, error)
	Events(ctx context.Context, f schoolbell.EventFilter, before string, limit int) ([]*schoolbell.Event, error)
	Deliveries(ctx context.Context, eventID string, f schoolbell.DeliveryFilter, after ledger.DeliveryCursor, limit int) ([]schoolbell.Delivery, ledger.DeliveryCursor, error)
	AuditEntries(ctx context.Context, f schoolbell.AuditFilter, before string, limit int) ([]schoolbell.AuditEntry, error)
	PutAuditEntry(ctx context.Context, e schoolbell.AuditEntry) error
}

// Pipeline is what the panel does with events.
type Pipeline interface {
	Cancel(ctx context.Context, id string) (*schoolbell.Event, error)
	Retract(ctx context.Context, id string) (ev *schoolbell.Event, wave int, err error)
	Release(ctx context.Context, id string) (*schoolbell.Event, error)
	Retry(ctx context.Context, id string) (rows int, err error)
	Create(ctx context.Context, ev *schoolbell.Event, idem ledger.Idempotency) (stored *schoolbell.Event, replayed bool, err error)
}

// Previews tells what an event would do.
type Previews interface {
	Preview(ctx context.Context, ev *schoolbell.Event, o preview.Options) (*wire.EventPreview, error)
}

// Groups are the groups of the directory.
type Groups interface {
	// Groups returns up to limit groups in order of id, those after the given id, "" for the first page.
	Groups(ctx context.Context, after string, limit int) ([]*schoolbell.Group, error)
}

// School is what the panel needs of the school's own choices.
type School interface {
	Categories(ctx context.Context) ([]schoolbell.CategoryInfo, error)
}

// People is what the panel reads of people.
type People interface {
	User(ctx context.Context, id string) (*schoolbell.User, error)
	Devices(ctx context.Context, userID string) ([]schoolbell.Device, error)
	Preferences(ctx context.Context, userID string) ([]schoolbell.Preference, error)
	Put(ctx context.Context, u *schoolbell.User) (schoolbell.Change, error)
}

// Directory finds people.
type Directory interface {
	Find(ctx context.Context, f schoolbell.UserFilter, after schoolbell.UserPlace, limit int) ([]*schoolbell.User, error)
	Names(ctx context.Context, ids []string) (map[string]string, error)
	Guardians(ctx context.Context, student string) ([]string, error)
}

// Schedules are when people want messages.
type Schedules interface {
	Get(ctx context.Context, userID string) (v schoolbell.Schedule, timezone string, err error)
}

// Queues are the BullMQ queues of the installation.
type Queues interface {
	// All returns the queues with the installation's prefix in Redis, Schoolbell's own first.
	All(ctx context.Context) ([]*bullmq.Queue, error)

	// Own reports whether a queue is Schoolbell's own.
	Own(name string) bool
}

// Config is what a Server is made of. What stands before PublicURL is required.
type Config struct {
	Staff    Staff
	Store    Store
	Pipeline Pipeline
	School   School
	Queues   Queues

	People    People
	Directory Directory
	Schedules Schedules

	Settings func() schoolbell.SchoolSettings // of the school, as they are now
	Previews Previews
	Groups   Groups
	Channels []schoolbell.Channel // that are set up, in the order in which they are shown

	Health func(ctx context.Context) health.Readiness

	PublicURL string                       // origin at which browsers see the server; empty if it is not known
	Address   func(r *http.Request) string // of the client of a request

	Logger *slog.Logger     // nil means slog.Default
	Clock  func() time.Time // nil means time.Now

	LiveEvery time.Duration // how often live parts of pages are made; 0 means a second
	Heartbeat time.Duration // how often a quiet stream says that it lives; 0 means 15 s
}

package panel

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"schoolbell"
	"schoolbell/internal/health"
	"schoolbell/internal/ledger"
	"schoolbell/internal/panel/accounts"
	"schoolbell/internal/panel/audit"
	"schoolbell/internal/panel/mail"
	"schoolbell/internal/panel/people"
	"schoolbell/internal/panel/queues"
	"schoolbell/internal/panel/settings"
	"schoolbell/internal/panel/site"
	"schoolbell/internal/panel/templateeditor"
	"schoolbell/internal/preview"
	"schoolbell/internal/staff"
	"schoolbell/wire"
)

// Staff is what the panel needs to know who is there.
type Staff interface {
	site.Staff
	accounts.Staff
	SignIn(ctx context.Context, email, password string, v staff.Visitor) (a schoolbell.StaffAccount, session string, err error)
	Begin(ctx context.Context, account string) (session string, err error)
	SignOut(ctx context.Context, secret string) error
	SignOutEverywhere(ctx context.Context, account string) error
	LinkAccount(ctx context.Context, secret string) (schoolbell.StaffAccount, error)
	UseLink(ctx context.Context, secret, password string, first schoolbell.StaffAccount) (schoolbell.StaffAccount, error)
	AllowReset(email, address string) error
	ResetLink(ctx context.Context, email string) (a schoolbell.StaffAccount, secret string, err error)
	DeviceToken(account string) string
	DeviceAccount(token string) string
}

// Store is what the panel reads of events.
type Store interface {
	site.Audit
	audit.Store
	Event(ctx context.Context, id string) (*schoolbell.Event, error)
	Progress(ctx context.Context, id string) (schoolbell.Progress, error)
	Events(ctx context.Context, f schoolbell.EventFilter, before string, limit int) ([]*schoolbell.Event, error)
	Deliveries(ctx context.Context, eventID string, f schoolbell.DeliveryFilter, after ledger.DeliveryCursor, limit int) ([]schoolbell.Delivery, ledger.DeliveryCursor, error)
}

// Pipeline is what the panel does with events.
type Pipeline interface {
	Cancel(ctx context.Context, id string) (*schoolbell.Event, error)
	Retract(ctx context.Context, id string) (ev *schoolbell.Event, wave int, err error)
	Release(ctx context.Context, id string) (*schoolbell.Event, error)
	Retry(ctx context.Context, id string, only schoolbell.RetryFilter) (rows int, err error)
	Create(ctx context.Context, ev *schoolbell.Event, idem ledger.Idempotency) (stored *schoolbell.Event, replayed bool, err error)
	Change(ctx context.Context, id string, c schoolbell.EventChange) (*schoolbell.Event, error)
	Update(ctx context.Context, id string, c schoolbell.EventChange) (ev *schoolbell.Event, wave int, err error)
}

// Previews tells what an event would do.
type Previews interface {
	Preview(ctx context.Context, ev *schoolbell.Event, o preview.Options) (*wire.EventPreview, error)
	PreviewStored(ctx context.Context, ev *schoolbell.Event, o preview.Options) (*wire.EventPreview, error)
}

// Drafts are events that an account has not sent yet.
type Drafts interface {
	Save(ctx context.Context, d staff.Draft) (staff.Draft, error)
	Draft(ctx context.Context, account, id string) (staff.Draft, error)
	All(ctx context.Context, account string) ([]staff.Draft, error)
	Count(ctx context.Context, account string) (int, error)
	Remove(ctx context.Context, account, id string) error
}

// Config is what a Server is made of. What stands before PublicURL is required.
type Config struct {
	Staff    Staff
	Store    Store
	Overview ledger.Overviews
	Reports  ledger.EventReports
	Pipeline Pipeline
	Drafts   Drafts
	School   settings.CategoryService
	Queues   queues.Source

	Areas            staff.AreaStore // what is within the groups of limited accounts
	People           people.Service
	Directory        people.Directory
	PersonDeliveries ledger.PersonDeliveries
	Schedules        people.Schedules
	Templates        templateeditor.Templates

	SchoolSettings settings.SchoolSettings
	Keys           settings.APIKeys
	Webhooks       settings.WebhookService
	Tests          settings.Tests
	Suppressions   ledger.Suppressions

	Settings func() schoolbell.SchoolSettings // of the school, as they are now
	Previews Previews
	Groups   site.Groups
	Channels []schoolbell.Channel // that are set up, in the order in which they are shown

	PublicURL string                       // origin at which browsers see the server; empty if it is not known
	Address   func(r *http.Request) string // of the client of a request

	Health       func(ctx context.Context) health.Readiness // nil means that nothing is known
	LatestHealth func(ctx context.Context) health.Readiness // without waiting for a check, for each page; nil means that pages do not say it

	Kept schoolbell.Retention // what the settings of the process say
	Mail mail.Catcher         // nil if a mail server takes the email

	Providers settings.Providers

	SignOn *SignOn // nil if people sign in with passwords only

	Logger *slog.Logger     // nil means slog.Default
	Clock  func() time.Time // nil means time.Now

	LiveEvery time.Duration // how often live parts of pages are made; 0 means a second
	Heartbeat time.Duration // how often a quiet stream says that it lives; 0 means 15 s
}

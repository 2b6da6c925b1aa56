package api

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/auth"
	"schoolbell/internal/health"
	"schoolbell/internal/inbox"
	"schoolbell/internal/ledger"
	"schoolbell/internal/people"
	"schoolbell/internal/preview"
	"schoolbell/wire"
)

// Pipeline is what the API needs of the use cases of events.
type Pipeline interface {
	Create(ctx context.Context, ev *schoolbell.Event, idem ledger.Idempotency) (stored *schoolbell.Event, replayed bool, err error)
	CreateMany(ctx context.Context, events []ledger.NewEvent) ([]ledger.CreatedEvent, error)
	Change(ctx context.Context, id string, c schoolbell.EventChange) (*schoolbell.Event, error)
	Update(ctx context.Context, id string, c schoolbell.EventChange) (ev *schoolbell.Event, wave int, err error)
	Cancel(ctx context.Context, id string) (*schoolbell.Event, error)
	Retract(ctx context.Context, id string) (ev *schoolbell.Event, wave int, err error)
	Release(ctx context.Context, id string) (*schoolbell.Event, error)
	ReleaseAll(ctx context.Context, held int) error
	Retry(ctx context.Context, id string, only schoolbell.RetryFilter) (rows int, err error)
}

// Previews is what the API needs to tell what an event would do.
type Previews interface {
	Preview(ctx context.Context, ev *schoolbell.Event, o preview.Options) (*wire.EventPreview, error)
}

// People is what the API needs of the use cases of users and groups.
type People interface {
	Put(ctx context.Context, u *schoolbell.User) (schoolbell.Change, error)
	User(ctx context.Context, id string) (*schoolbell.User, error)
	UserByNumber(ctx context.Context, number int64) (*schoolbell.User, error)
	Users(ctx context.Context, after string, limit int) ([]*schoolbell.User, error)
	Delete(ctx context.Context, id string) error
	Import(ctx context.Context, r io.Reader, format people.Format) (people.Report, error)
	PutGroup(ctx context.Context, g *schoolbell.Group) (schoolbell.Change, error)
	Group(ctx context.Context, id string) (*schoolbell.Group, error)
	Groups(ctx context.Context, after string, limit int) ([]*schoolbell.Group, error)
	Preferences(ctx context.Context, userID string) ([]schoolbell.Preference, error)
	PutPreferences(ctx context.Context, userID string, wishes []schoolbell.Preference) error
	AddDevice(ctx context.Context, userID string, d schoolbell.Device) (schoolbell.Change, error)
	Devices(ctx context.Context, userID string) ([]schoolbell.Device, error)
	RemoveDevice(ctx context.Context, userID, deviceID string) error
}

// Schedules is what the API needs of the schedules of users.
type Schedules interface {
	Get(ctx context.Context, userID string) (s schoolbell.Schedule, timezone string, err error)
	Put(ctx context.Context, userID string, s schoolbell.Schedule) error
	PutLanguage(ctx context.Context, userID, tag string) error
}

// Push is what browsers need to receive push messages. The zero value is a server that sends none.
type Push struct {
	PublicKey string                   // for the applicationServerKey of a subscription
	Serves    func(origin string) bool // whether the push service at an origin may be used
}

// School is what the API needs of the school's own choices.
type School interface {
	Categories(ctx context.Context) ([]schoolbell.CategoryInfo, error)
	Category(ctx context.Context, id schoolbell.Category) (schoolbell.CategoryInfo, error)
	PutCategory(ctx context.Context, c schoolbell.CategoryInfo) (schoolbell.CategoryInfo, schoolbell.Change, error)
	DeleteCategory(ctx context.Context, id schoolbell.Category) error
}

// Inbox is what the API needs of the in-app inbox.
type Inbox interface {
	List(ctx context.Context, userID string, before int64, limit int) (items []schoolbell.InboxItem, unread int, err error)
	MarkRead(ctx context.Context, userID, eventID string) (unread int, err error)
	Acknowledge(ctx context.Context, userID, eventID string) (unread int, err error)
	MarkAllRead(ctx context.Context, userID string, upTo int64) (unread int, err error)
	Subscribe(ctx context.Context, userID string, after int64) (*inbox.Subscription, error)
	Check(ctx context.Context, userID string, sub *inbox.Subscription) error
}

// Auth is what the API needs to know who is calling.
type Auth interface {
	Key(ctx context.Context, secret string) (schoolbell.APIKey, error)
	Recognizes(ctx context.Context, credential string) (bool, error)
	Token(ctx context.Context, by schoolbell.APIKey, userID string, ttl time.Duration) (token string, expires time.Time, err error)
	TokenUser(ctx context.Context, token string) (auth.TokenUser, error)
	RevokeTokens(ctx context.Context, userID string) error
}

// Config is what a Server is made of. Store, Ping, Pipeline, People, Schedules, Calendars, Inbox, Auth and
// Settings are required.
type Config struct {
	Store            Store
	Exports          ledger.Exports
	PersonDeliveries ledger.PersonDeliveries
	Ping             func(ctx context.Context) error // reports whether the ledger answers and its schema is the one this program needs
	Pipeline         Pipeline
	Previews         Previews
	People           People
	Schedules        Schedules
	Calendars        Calendars
	School           School
	Inbox            Inbox
	Auth             Auth
	Settings         Settings
	Push             Push

	// Messages and Links are for the pages for people, which there are none of without both. PublicURL is the URL of this server in
	// the links to calendar feeds.
	Messages  Messages
	Links     Links
	PublicURL string

	// Channels are those that this installation has. People choose among them on the preference page.
	Channels []schoolbell.Channel

	Receipts Receipts // nil for no receipts of providers

	Suppressions ledger.Suppressions
	Webhooks     Webhooks
	Reported     map[schoolbell.Channel]bool // channels whose provider sends receipts

	// SMSCost tells how many segments the text message of an event has, and what one costs: 0 if that is not known.
	// Nil means that there are no text messages.
	SMSCost func(ev *schoolbell.Event) (segments int, price float64, currency string)

	Templates Templates // of messages

	// Queues are the queues to show and manage, in that order.
	Queues []*bullmq.Queue

	// Dependencies are named by /readyz beside the ledger, which is always asked first.
	Dependencies []health.Dependency

	// Registry is what /metrics serves; the Server adds its own. Nil means a new one.
	Registry  *prometheus.Registry
	NoMetrics bool // leaves /metrics out

	Logger  *slog.Logger     // nil means slog.Default
	Version string           // of the program, for the OpenAPI document
	Clock   func() time.Time // for the audit and for limits of the log; nil means time.Now

	MaxImportBytes int64         // 0 means 256 MiB
	BodyTimeout    time.Duration // within which a JSON body must arrive; 0 means 30 s
	ImportIdle     time.Duration // how long an import or a bulk request may wait for its next bytes; 0 means a minute
	ImportTimeout  time.Duration // how long an import may take; 0 means 30 minutes
	BulkTimeout    time.Duration // how long the events of a bulk request may take to arrive; 0 means 5 minutes
	Grace          time.Duration // how long Serve waits for running requests when it stops; 0 means 10 s
	ProgressEvery  time.Duration // how often a watched event is counted; 0 means 300 ms
	Heartbeat      time.Duration // how often a quiet stream says that it lives; 0 means 15 s
	StreamCheck    time.Duration // how often a stream checks that its caller may still read it; 0 means 4 s
	Streams        StreamLimits
	Rates          RateLimits
	TLS            *tls.Config // of the listener; nil for plain HTTP
	Origins        []string    // of web pages whose scripts may call the API
}

// Package people is the pages of the panel about people: the list, each person, suppressions and the import.
package people

import (
	"context"
	"embed"
	"io"
	"net/http"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/panel/site"
	directory "schoolbell/internal/people"
)

//go:embed templates/*.html
var files embed.FS

var parse = site.Parser(files, nil)

// Config is what the pages need.
type Config struct {
	People       Service
	Directory    Directory
	Deliveries   ledger.PersonDeliveries
	Schedules    Schedules
	Suppressions ledger.Suppressions
	Categories   site.Categories
	Channels     []schoolbell.Channel             // that are set up, in the order in which they are shown
	Settings     func() schoolbell.SchoolSettings // of the school, as they are now
}

// Service is what the panel does with people.
type Service interface {
	User(ctx context.Context, id string) (*schoolbell.User, error)
	Devices(ctx context.Context, userID string) ([]schoolbell.Device, error)
	Preferences(ctx context.Context, userID string) ([]schoolbell.Preference, error)
	PutPreferences(ctx context.Context, userID string, changed []schoolbell.Preference) error
	Put(ctx context.Context, u *schoolbell.User) (schoolbell.Change, error)
	Import(ctx context.Context, r io.Reader, format directory.Format) (directory.Report, error)
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
	Put(ctx context.Context, userID string, v schoolbell.Schedule) error
}

// Pages are the pages of people.
type Pages struct {
	site *site.Site
	cfg  Config
}

// New returns the pages. All fields of cfg are required.
func New(s *site.Site, cfg Config) *Pages { return &Pages{s, cfg} }

// Group lists the pages.
func (p *Pages) Group() site.Group {
	return site.Group{Routes: []site.Route{
		{Method: http.MethodGet, Path: "people", Need: site.AnyRole, Limit: site.Narrowed, Serve: p.listPeople},
		{Method: http.MethodGet, Path: "people/{id}", Need: site.AnyRole, Limit: site.OfPerson, Serve: p.showPerson},
		{Method: http.MethodGet, Path: "people/{id}/edit", Need: schoolbell.ScopeSend, Limit: site.OfPerson, Serve: p.editPerson},
		{Method: http.MethodPost, Path: "people/{id}/edit", Need: schoolbell.ScopeSend, Limit: site.OfPerson, Action: "user.put", Serve: p.putPerson},
		{Method: http.MethodGet, Path: "people/{id}/preferences", Need: schoolbell.ScopeSend, Limit: site.OfPerson, Serve: p.editPreferences},
		{Method: http.MethodPost, Path: "people/{id}/preferences", Need: schoolbell.ScopeSend, Limit: site.OfPerson, Action: "user.put_preferences", Serve: p.putPreferences},
		{Method: http.MethodGet, Path: "import", Need: schoolbell.ScopeAdmin, Serve: p.showImport},
		{Method: http.MethodPost, Path: "import", Need: schoolbell.ScopeAdmin, Action: "user.import", Upload: true, Serve: p.importPeople},
		{Method: http.MethodGet, Path: "suppressions", Need: schoolbell.ScopeAdmin, Serve: p.listSuppressions},
		{Method: http.MethodPost, Path: "suppressions", Need: schoolbell.ScopeAdmin, Action: "suppression.create", Serve: p.addSuppression},
		{Method: http.MethodGet, Path: "suppressions/{id}/remove", Need: schoolbell.ScopeAdmin, Serve: p.askRemoveSuppression},
		{Method: http.MethodPost, Path: "suppressions/{id}/remove", Need: schoolbell.ScopeAdmin, Action: "suppression.delete", Serve: p.removeSuppression},
	}, Notices: map[string]string{
		"suppressed":   "The address is stopped. Nothing is sent to it.",
		"unsuppressed": "Messages are sent to the address again. A provider may have a list of its own, which does not change.",
	}}
}

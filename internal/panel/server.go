package panel

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"golang.org/x/sync/errgroup"

	"schoolbell/internal/health"
	"schoolbell/internal/panel/accounts"
	"schoolbell/internal/panel/audit"
	"schoolbell/internal/panel/cache"
	"schoolbell/internal/panel/mail"
	"schoolbell/internal/panel/people"
	"schoolbell/internal/panel/queues"
	"schoolbell/internal/panel/settings"
	"schoolbell/internal/panel/site"
	"schoolbell/internal/panel/templateeditor"
)

// Root is the path of all pages.
const Root = site.Root

// Server is the panel. It is an http.Handler that is safe for concurrent use.
type Server struct {
	site    *site.Site
	cfg     Config
	handler http.Handler
	queues  *queues.Pages
	people  *people.Pages
	cache   *cache.Values
	resets  chan reset // wait for their emails
}

// New returns a Server with all its routes. The process also runs Run.
func New(cfg Config) (s *Server, err error) {
	if name := cfg.missing(); name != "" {
		return nil, fmt.Errorf("panel: Config.%s is required", name)
	}
	if cfg.Health == nil {
		cfg.Health = func(context.Context) health.Readiness { return health.Readiness{} }
	}
	s = &Server{cfg: cfg, cache: cache.New(), resets: make(chan reset, waitingResets)}
	s.site = site.New(site.Config{Staff: cfg.Staff, Areas: cfg.Areas, Groups: cfg.Groups, Categories: cfg.School, Audit: cfg.Store, Settings: cfg.Settings, Navigation: navigation(cfg.Mail != nil),
		PublicURL: cfg.PublicURL, Address: cfg.Address, Health: cfg.LatestHealth, Logger: cfg.Logger, Clock: cfg.Clock, LiveEvery: cfg.LiveEvery, Heartbeat: cfg.Heartbeat})
	s.people = people.New(s.site, people.Config{People: cfg.People, Directory: cfg.Directory, Deliveries: cfg.PersonDeliveries, Schedules: cfg.Schedules, Suppressions: cfg.Suppressions, Categories: cfg.School,
		Channels: cfg.Channels, Settings: cfg.Settings})
	s.queues = queues.New(s.site, queues.Config{Queues: cfg.Queues})
	s.handler, err = s.site.Handler(s.groups()...)
	return s, err
}

// groups are all pages. Those that are not in a package of their own come first.
func (s *Server) groups() []site.Group {
	c := s.cfg
	return []site.Group{
		{Routes: s.routes(), Notices: notices},
		s.people.Group(),
		templateeditor.New(s.site, templateeditor.Config{Templates: c.Templates, Categories: c.School, Directory: c.Directory, People: c.People, Events: c.Store, Settings: c.Settings}).Group(),
		s.queues.Group(),
		mail.New(s.site, mail.Config{Catcher: c.Mail}).Group(),
		settings.New(s.site, settings.Config{Settings: c.SchoolSettings, Categories: c.School, Channels: c.Channels, Keys: c.Keys, Webhooks: c.Webhooks, Tests: c.Tests, Messages: c.Store, Traffic: c.Overview,
			Health: c.Health, Providers: c.Providers, Kept: c.Kept}).Group(),
		audit.New(s.site, audit.Config{Audit: c.Store}).Group(),
		accounts.New(s.site, accounts.Config{Staff: c.Staff, Groups: c.Groups, SignOn: c.SignOn.forAccounts()}).Group(),
	}
}

// missing returns the name of a required field that has no value, "" if all have one.
func (c Config) missing() string {
	for field, v := range reflect.ValueOf(c).Fields() {
		if field.Name == "PublicURL" { // the others are optional
			break
		}
		if v.IsZero() {
			return field.Name
		}
	}
	return ""
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Run makes the live parts of open pages and sends links to the staff until ctx ends. Then it ends the streams of pages.
func (s *Server) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.site.Run(ctx) })
	g.Go(func() error { return s.runResets(ctx) })
	return g.Wait()
}

// Redirect sends a browser that asks for the server's root to the panel.
func Redirect(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Location", strings.TrimPrefix(Root, "/"))
	w.WriteHeader(http.StatusSeeOther)
}

package site

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/internal/health"
	"schoolbell/internal/panel/live"
)

// Root is the path of all pages.
const Root = "/panel/"

const (
	defaultLiveEvery = time.Second
	defaultHeartbeat = 15 * time.Second
)

// Config is what a Site is made of. What stands before PublicURL is required.
type Config struct {
	Staff      Staff
	Areas      Areas
	Groups     Groups
	Categories Categories
	Audit      Audit
	Settings   func() schoolbell.SchoolSettings // of the school, as they are now
	Navigation []NavGroup

	PublicURL string                       // origin at which browsers see the server; empty if it is not known
	Address   func(r *http.Request) string // of the client of a request; nil means that it is not known

	Health func(ctx context.Context) health.Readiness // that is known without waiting; nil means that pages do not say it

	Logger *slog.Logger     // nil means slog.Default
	Clock  func() time.Time // nil means time.Now

	LiveEvery time.Duration // how often live parts of pages are made; 0 means a second
	Heartbeat time.Duration // how often a quiet stream says that it lives; 0 means 15 s
}

// Staff knows who has signed in, and what the accounts are called.
type Staff interface {
	Session(ctx context.Context, secret string) (schoolbell.StaffAccount, error)
	Sessions(ctx context.Context, secrets []string) (map[string]schoolbell.StaffAccount, error)
	Accounts(ctx context.Context) ([]schoolbell.StaffAccount, error)
}

// Areas know what is within the groups of limited accounts.
type Areas interface {
	EventWithin(ctx context.Context, id string, groups []string) (bool, error)
	PeopleWithin(ctx context.Context, groups, ids []string) (map[string]bool, error)
	GroupsBelow(ctx context.Context, groups []string) ([]*schoolbell.Group, error)
}

// Groups are the groups of the directory.
type Groups interface {
	// Groups returns up to limit groups in order of id, those after the given id, "" for the first page.
	Groups(ctx context.Context, after string, limit int) ([]*schoolbell.Group, error)
}

// Categories are those of the school.
type Categories interface {
	Categories(ctx context.Context) ([]schoolbell.CategoryInfo, error)
}

// Audit stores changes that were made outside of the ledger.
type Audit interface {
	PutAuditEntry(ctx context.Context, e schoolbell.AuditEntry) error
}

// Site is what all pages share: who asks and what they may, the frame of pages, and streams of their live parts.
type Site struct {
	Log     *slog.Logger     // of all pages
	Now     func() time.Time // the clock of all pages
	cfg     Config
	live    *live.Hub
	open    live.Sessions
	notices map[string]string // of all groups
}

// New returns a Site without pages. The process also runs Run.
func New(cfg Config) *Site {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Address == nil {
		cfg.Address = func(*http.Request) string { return "" }
	}
	if cfg.LiveEvery <= 0 {
		cfg.LiveEvery = defaultLiveEvery
	}
	if cfg.Heartbeat <= 0 {
		cfg.Heartbeat = defaultHeartbeat
	}
	return &Site{cfg: cfg, Log: cfg.Logger, Now: cfg.Clock, live: live.NewHub(cfg.LiveEvery), notices: map[string]string{"saved": "Saved."}}
}

// Handler returns the handler of all requests for the pages of groups. It is called once.
func (s *Site) Handler(groups ...Group) (http.Handler, error) {
	mux := http.NewServeMux()
	for _, g := range groups {
		for _, rt := range g.Routes {
			if rt.Method == http.MethodPost && rt.Action == "" && !rt.Reads && !rt.Own {
				return nil, fmt.Errorf("panel: route %s changes something and names no action for the audit", rt.Path)
			}
			mux.Handle(rt.Method+" "+Root+rt.Path, s.handle(rt))
		}
		for done, text := range g.Notices {
			if s.notices[done] != "" {
				return nil, fmt.Errorf("panel: there are two notices %q", done)
			}
			s.notices[done] = text
		}
	}
	mux.HandleFunc(Root, s.noPage)
	protection := http.NewCrossOriginProtection()
	if origin := originOf(s.cfg.PublicURL); origin != "" {
		if err := protection.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("panel: PUBLIC_URL: %w", err)
		}
	}
	protection.SetDenyHandler(http.HandlerFunc(s.foreignForm))
	return protection.Handler(mux), nil
}

// Run makes the live parts of open pages until ctx ends. Then it ends the streams of pages.
func (s *Site) Run(ctx context.Context) error { return s.live.Run(ctx) }

// Address is that of the client of a request.
func (s *Site) Address(r *http.Request) string { return s.cfg.Address(r) }

// URL is the URL of the panel by PUBLIC_URL; empty if it is not known.
func (s *Site) URL() string {
	if originOf(s.cfg.PublicURL) == "" {
		return ""
	}
	return strings.TrimRight(s.cfg.PublicURL, "/") + Root
}

// originOf returns the origin of a URL, "" if it has none.
func originOf(public string) string {
	u, err := url.Parse(public)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

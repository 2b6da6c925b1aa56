package panel

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"schoolbell/internal/health"
)

// Root is the path of all pages.
const Root = "/panel/"

const (
	defaultLiveEvery = time.Second
	defaultHeartbeat = 15 * time.Second
)

// Server is the panel. It is an http.Handler that is safe for concurrent use.
type Server struct {
	cfg     Config
	log     *slog.Logger
	now     func() time.Time
	handler http.Handler
	live    *hub
	recent  recent
}

// New returns a Server with all its routes. The process also runs Run.
func New(cfg Config) (*Server, error) {
	for name, missing := range map[string]bool{"Staff": cfg.Staff == nil, "Store": cfg.Store == nil, "Pipeline": cfg.Pipeline == nil,
		"School": cfg.School == nil, "People": cfg.People == nil, "Directory": cfg.Directory == nil, "Schedules": cfg.Schedules == nil,
		"Queues": cfg.Queues == nil, "Settings": cfg.Settings == nil,
		"Previews": cfg.Previews == nil, "Groups": cfg.Groups == nil, "Channels": len(cfg.Channels) == 0} {
		if missing {
			return nil, fmt.Errorf("panel: Config.%s is required", name)
		}
	}
	cfg = cfg.withDefaults()
	s := &Server{cfg: cfg, log: cfg.Logger, now: cfg.Clock, live: newHub(cfg.LiveEvery)}
	mux := http.NewServeMux()
	for _, rt := range routes {
		if rt.method == http.MethodPost && rt.action == "" && !rt.reads {
			return nil, fmt.Errorf("panel: route %s changes something and names no action for the audit", rt.path)
		}
		mux.Handle(rt.method+" "+Root+rt.path, s.handle(rt))
	}
	mux.HandleFunc(Root, s.noPage)
	protection := http.NewCrossOriginProtection()
	if origin := originOf(cfg.PublicURL); origin != "" {
		if err := protection.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("panel: PUBLIC_URL: %w", err)
		}
	}
	protection.SetDenyHandler(http.HandlerFunc(s.foreignForm))
	s.handler = protection.Handler(mux)
	return s, nil
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Health == nil {
		c.Health = func(context.Context) health.Readiness { return health.Readiness{} }
	}
	if c.Address == nil {
		c.Address = func(*http.Request) string { return "" }
	}
	if c.LiveEvery <= 0 {
		c.LiveEvery = defaultLiveEvery
	}
	if c.Heartbeat <= 0 {
		c.Heartbeat = defaultHeartbeat
	}
	return c
}

// originOf returns the origin of a URL, "" if it has none.
func originOf(public string) string {
	u, err := url.Parse(public)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Run makes the live parts of open pages until ctx ends, and then ends their streams.
func (s *Server) Run(ctx context.Context) error { return s.live.run(ctx) }

// Redirect sends a browser that asks for the server's root to the panel.
func Redirect(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Location", strings.TrimPrefix(Root, "/"))
	w.WriteHeader(http.StatusSeeOther)
}

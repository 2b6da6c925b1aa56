package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"time"

	"schoolbell/internal/health"
	"schoolbell/internal/upload"
	"schoolbell/internal/web"
	"schoolbell/wire"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"
)

const (
	maxDiscard       = 16 << 20 // of a body that is refused
	discardTime      = 2 * time.Second
	maxHeaderBytes   = 64 << 10
	defaultGrace     = 10 * time.Second
	defaultProgress  = 300 * time.Millisecond
	defaultHeartbeat = 15 * time.Second
	// With the few seconds for which keys and tokens are remembered, a stream ends within
	// ten seconds of what ends its caller.
	defaultStreamCheck = 4 * time.Second
	readHeaderTimeout  = 5 * time.Second
	readTimeout        = 30 * time.Second
	writeTimeout       = 60 * time.Second
	idleTimeout        = 2 * time.Minute
)

// Server is the HTTP API. It is an http.Handler that is safe for concurrent use.
type Server struct {
	cfg     Config
	log     *slog.Logger
	mux     *http.ServeMux
	handler http.Handler // the mux, behind what every request passes
	api     huma.API
	metrics *metrics
	watched progressCache

	readiness *health.Check
	open      *streamCounter
	rates     *rateLimiter
	refusals  *refusals

	largeBodies *semaphore.Weighted // bytes, see maxLargeBodies
	bulkEvent   *huma.Schema        // of an item of a bulk request

	streams    context.Context // ends when streams must
	endStreams context.CancelFunc
}

// New returns a Server with all its routes.
func New(cfg Config) (*Server, error) {
	for name, missing := range map[string]bool{"Store": cfg.Store == nil, "Ping": cfg.Ping == nil, "Pipeline": cfg.Pipeline == nil,
		"People": cfg.People == nil, "Inbox": cfg.Inbox == nil, "Auth": cfg.Auth == nil, "Settings": cfg.Settings == nil} {
		if missing {
			return nil, fmt.Errorf("api: Config.%s is required", name)
		}
	}
	cfg = cfg.withDefaults()
	s := &Server{cfg: cfg, log: cfg.Logger, mux: http.NewServeMux()}
	s.handler = withCORS(cfg.Origins, http.HandlerFunc(s.route))
	s.readiness = health.NewCheck(s.dependencyDown, health.Dependency{Name: "ledger", Check: cfg.Ping}, cfg.Dependencies...)
	s.open = newStreamCounter(cfg.Streams)
	s.rates = newRateLimiter(cfg.Rates, cfg.Auth)
	s.largeBodies = semaphore.NewWeighted(maxLargeBodies)
	s.watched = newProgressCache(cfg.Store, cfg.ProgressEvery)
	s.streams, s.endStreams = context.WithCancel(context.Background())
	m, err := newMetrics(cfg.Registry)
	if err != nil {
		return nil, fmt.Errorf("api: register metrics: %w", err)
	}
	s.metrics = m
	if s.refusals, err = newRefusals(cfg.Logger, cfg.Clock, cfg.Registry); err != nil {
		return nil, fmt.Errorf("api: register metrics: %w", err)
	}
	s.api = humago.New(s.mux, s.humaConfig())
	s.bulkEvent = s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[wire.BulkEvent](), true, "BulkEvent")
	for _, r := range s.routes() {
		if r.changes() && r.action == "" {
			return nil, fmt.Errorf("api: route %s changes something and names no action for the audit", r.id)
		}
		r.handler(s, r)
	}
	s.mux.Handle("GET /static/{name}", web.Static())
	s.mountPages()
	schemas := s.api.OpenAPI().Components.Schemas.Map()
	delete(schemas, "ErrorModel") // huma's own problems, which fromHuma replaces
	delete(schemas, "ErrorDetail")
	s.mountDocs()
	return s, nil
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Registry == nil {
		c.Registry = prometheus.NewRegistry()
	}
	if c.Version == "" {
		c.Version = "dev"
	}
	if c.MaxImportBytes <= 0 {
		c.MaxImportBytes = upload.MaxImport
	}
	if c.BodyTimeout <= 0 {
		c.BodyTimeout = readTimeout
	}
	if c.ImportTimeout <= 0 {
		c.ImportTimeout = upload.ImportTimeout
	}
	if c.ImportIdle <= 0 {
		c.ImportIdle = upload.ImportIdle
	}
	if c.BulkTimeout <= 0 {
		c.BulkTimeout = bulkTimeout
	}
	if c.Grace <= 0 {
		c.Grace = defaultGrace
	}
	if c.ProgressEvery <= 0 {
		c.ProgressEvery = defaultProgress
	}
	if c.StreamCheck <= 0 {
		c.StreamCheck = defaultStreamCheck
	}
	if c.Heartbeat <= 0 {
		c.Heartbeat = defaultHeartbeat
	}
	return c
}

// Handle mounts another part, such as the admin panel, beside the API. The
// pattern is one of http.ServeMux. Call it before serving.
func (s *Server) Handle(pattern string, h http.Handler) { s.mux.Handle(pattern, h) }

// ClientAddress returns the address of the client of a request, also behind the proxies that the configuration trusts;
// of IPv6 it is the network.
func (s *Server) ClientAddress(r *http.Request) string { return s.rates.address(r) }

// Serve answers requests that come in on ln until ctx ends. Then it stops
// listening, ends the streams, waits for the running requests up to the grace
// time, and returns; it returns an error if it had to cut some off. It closes ln.
// It speaks TLS if the configuration has it.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	hs := &http.Server{
		Handler:           s,
		TLSConfig:         s.cfg.TLS,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	hs.RegisterOnShutdown(s.EndStreams)
	failed := make(chan error, 1)
	go func() {
		if s.cfg.TLS != nil {
			failed <- hs.ServeTLS(ln, "", "")
			return
		}
		failed <- hs.Serve(ln)
	}()
	select {
	case err := <-failed:
		return fmt.Errorf("serve HTTP: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Grace)
	defer cancel()
	err := hs.Shutdown(grace)
	if err != nil {
		err = errors.Join(fmt.Errorf("stop serving HTTP: %w", err), hs.Close())
	}
	<-failed // http.ErrServerClosed: it was asked to
	return err
}

// EndStreams ends every live stream and refuses new ones; Serve does it when it
// stops. A program that runs the Server in its own http.Server calls it then.
func (s *Server) EndStreams() { s.endStreams() }

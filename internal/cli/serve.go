package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"schoolbell/internal/api"
	"schoolbell/internal/auth"
	"schoolbell/internal/config"
	"schoolbell/internal/health"
	"schoolbell/internal/inbox"
	"schoolbell/internal/people"
)

type serveCmd struct {
	Config config.Config `embed:""`
}

// Run answers the API until ctx ends. While the queues live in this process it
// works them too.
func (c *serveCmd) Run(ctx context.Context, a *app) error {
	if err := a.load(&c.Config); err != nil {
		return err
	}
	return endsInTime(ctx, c.Config.General.ShutdownGrace, func() error { return a.serve(ctx, &c.Config) })
}

func (a *app) serve(ctx context.Context, cfg *config.Config) (err error) {
	h := newHouse(cfg, newLogger(a.Err, cfg))
	a.warnOfFiles(cfg, h.log)
	defer func() { err = errors.Join(err, h.close()) }()

	ln, err := listen(ctx, "HTTP_ADDR", cfg.HTTP.Addr)
	if err != nil {
		return err
	}
	defer ln.Close() // for the starts that end early; serving closes it too
	if err := h.openLedger(ctx); err != nil {
		return err
	}
	a.tick("Ledger connected: %s", cfg.LedgerName())
	if err := h.openRedis(); err != nil {
		return err
	}
	if err := a.lookAtRedis(ctx, h); err != nil {
		return err
	}
	if !cfg.Redis.External() {
		if err := h.openSenders(); err != nil {
			return err
		}
		a.warnOfCatcher(h)
	}
	if err := h.openPipeline(); err != nil {
		return err
	}
	keys := auth.New(h.ledger, auth.Options{})
	parts, err := h.serveParts(ln, keys, a.version())
	if err != nil {
		return err
	}
	first, err := a.seedKey(ctx, cfg, keys, h.log) // late: what follows cannot fail before the key is told
	if err != nil {
		return err
	}
	base := config.LocalURL(ln.Addr().String())
	a.tick("Schoolbell %s serves %s (how to use it: %s/docs)", a.version(), base, base)
	a.showFirstKey(first)
	err = runParts(ctx, append(parts, a.noteStop(ctx, cfg)), h.ground)
	a.farewell(err)
	return err
}

// lookAtRedis says what Redis this is. One that is away does not keep the API
// from accepting events: they are in the ledger, and leave when it is back.
func (a *app) lookAtRedis(ctx context.Context, h *house) error {
	name := h.cfg.Redis.Name()
	if !h.cfg.Redis.External() {
		a.tick("Queues live in this process, which works them too")
		return nil
	}
	facts, err := probeRedis(ctx, h.rdb)
	switch {
	case unfit(err):
		return fmt.Errorf("this Redis cannot be used: %w (%s)", err, name)
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		h.log.Error("Redis is away: events are accepted and will be sent when it is back", "redis", name, "error", err)
		return nil
	}
	a.tick("Redis connected: %s, version %s; run schoolbell worker to work the queues", name, facts.version)
	a.warnOfRedis(h, facts)
	return nil
}

// serveParts are the API on ln and the relay, and the workers where this process has them.
func (h *house) serveParts(ln net.Listener, keys *auth.Service, version string) ([]part, error) {
	box := inbox.New(h.ledger, inbox.Options{Logger: h.log})
	proxies, err := h.cfg.HTTP.Proxies()
	if err != nil {
		return nil, err
	}
	connections := connectionLimit(h.cfg, openFiles())
	streams := streamLimit(h.cfg.HTTP.StreamsMax, connections)
	if streams < h.cfg.HTTP.StreamsMax {
		h.log.Warn("fewer live streams than STREAMS_MAX: this process may open too few files", "streams", streams, "connections", connections, "files", openFiles())
	}
	server, err := api.New(api.Config{
		Store: h.ledger, Pipeline: h.pipeline, People: people.New(h.ledger, h.log), Inbox: box, Auth: keys,
		Queues: h.pipeline.Queues(), Dependencies: h.dependencies(), Registry: h.metrics, NoMetrics: !h.cfg.HTTP.Metrics,
		Logger: h.log, Version: version, Grace: workGrace(h.cfg),
		Streams: api.StreamLimits{PerUser: h.cfg.HTTP.StreamsPerUser, PerKey: h.cfg.HTTP.StreamsPerKey, Total: streams},
		Rates:   api.RateLimits{PerKey: h.cfg.HTTP.RatePerKey, PerAddress: h.cfg.HTTP.RatePerAddress, TrustedProxies: proxies},
	})
	if err != nil {
		return nil, fmt.Errorf("set the API up: %w", err)
	}
	parts := []part{
		func(ctx context.Context) error { return server.Serve(ctx, limitConnections(ln, connections)) },
		box.Run, h.pipeline.RunRelay,
	}
	if len(h.senders) == 0 {
		return parts, nil
	}
	workers, err := h.workers()
	if err != nil {
		return nil, err
	}
	return append(parts, workers), nil
}

// seedKey stores the configured API key, or makes the first one.
func (a *app) seedKey(ctx context.Context, cfg *config.Config, keys *auth.Service, log *slog.Logger) (firstKey, error) {
	k := cfg.HTTP.APIKey.Reveal()
	if k == "" {
		return a.makeFirstKey(ctx, cfg, keys)
	}
	replaced, err := keys.Seed(ctx, k)
	for _, old := range replaced {
		log.Warn("the API key of the settings has replaced an earlier one, which is refused from now on", "replaced", auth.Fingerprint(old))
	}
	return firstKey{}, err
}

// healthCheck checks the ledger and what else this process depends on.
func (h *house) healthCheck() *health.Check {
	report := func(ctx context.Context, dependency string, err error) {
		h.log.WarnContext(ctx, "dependency is down", "error", err, "dependency", dependency)
	}
	return health.NewCheck(report, health.Dependency{Name: "ledger", Check: h.ledger.Ping}, h.dependencies()...)
}

// dependencies are what /readyz asks beside the ledger.
func (h *house) dependencies() []health.Dependency {
	deps := []health.Dependency{{Name: "redis", Check: func(ctx context.Context) error { return checkWritable(ctx, h.rdb, h.cfg.KeyPrefix()) }}}
	for ch, s := range h.senders {
		deps = append(deps, health.Dependency{Name: string(ch), Check: s.Check})
	}
	return deps
}

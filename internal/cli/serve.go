package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"schoolbell/internal/app"
	"schoolbell/internal/auth"
	"schoolbell/internal/config"
)

type serveCmd struct {
	Config config.Config `embed:""`
}

// Run answers the API until ctx ends. While the queues live in this process it
// works them too.
func (c *serveCmd) Run(ctx context.Context, a *program) error {
	if err := a.load(&c.Config); err != nil {
		return err
	}
	return app.EndsInTime(ctx, c.Config.Queue.ShutdownGrace, func() error { return a.serve(ctx, &c.Config) })
}

func (a *program) serve(ctx context.Context, cfg *config.Config) (err error) {
	r := app.New(cfg, newLogger(a.Err, cfg.General))
	a.limitMemory(r.Log)
	a.warnOfFiles(&cfg.Core, r.Log)
	defer func() { err = errors.Join(err, r.Close()) }()

	ln, err := app.Listen(ctx, "HTTP_ADDR", cfg.HTTP.Addr)
	if err != nil {
		return err
	}
	defer ln.Close() // for the starts that end early; serving closes it too
	if err := r.OpenBounces(ctx); err != nil {
		return err
	}
	profiles, err := a.serveProfiles(ctx, r)
	if err != nil {
		return err
	}
	if err := r.OpenLedger(ctx); err != nil {
		return err
	}
	a.tick("Ledger connected: %s", cfg.LedgerName())
	if err := r.SeedSettings(ctx); err != nil {
		return err
	}
	if err := r.OpenRedis(); err != nil {
		return err
	}
	if err := a.lookAtRedis(ctx, r); err != nil {
		return err
	}
	if !cfg.Redis.External() {
		if err := r.OpenChannels(); err != nil {
			return err
		}
		a.warnOfCatcher(r)
	}
	if err := r.OpenPipeline(ctx); err != nil {
		return err
	}
	keys := auth.New(r.Ledger.Auth, auth.Options{})
	services, err := r.Serve(ctx, ln, keys, a.version())
	if err != nil {
		return err
	}
	first, err := a.seedKey(ctx, cfg, keys, r.Log) // late: what follows cannot fail before the key is told
	if err != nil {
		return err
	}
	base := cfg.HTTP.LocalURL(ln.Addr().String())
	a.tick("Schoolbell %s serves %s (API reference: %s/docs)", a.version(), base, base)
	if addr := r.BounceAddr(); addr != nil {
		a.tick("Bounces to %s are taken by SMTP at %s", cfg.Receipts.BounceDomain, addr)
	}
	a.showFirstKey(first)
	if err := a.inviteAdmin(ctx, r, base); err != nil && ctx.Err() == nil {
		r.Log.Warn("the accounts of the staff cannot be read", "error", err)
	}
	run := func(ctx context.Context) error { return r.Run(ctx, append(services, a.noteStop(ctx, cfg))...) }
	err = app.Run(ctx, []app.Service{run}, profiles)
	a.farewell(err)
	return err
}

// lookAtRedis says what Redis this is. An unavailable one does not keep the API
// from accepting events: they are in the ledger, and leave when it is back.
func (a *program) lookAtRedis(ctx context.Context, r *app.Runtime) error {
	name := r.Config.Redis.Name()
	if !r.Config.Redis.External() {
		a.tick("Queues and workers run in this process")
		return nil
	}
	facts, err := app.ProbeRedis(ctx, r.Redis)
	switch {
	case app.Unusable(err):
		return fmt.Errorf("this Redis cannot be used: %w (%s)", err, name)
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		r.Log.Error("Redis is unavailable: events are accepted and will be sent when it is back", "redis", name, "error", err)
		return nil
	}
	a.tick("Redis connected: %s, version %s; run schoolbell worker to process the queues", name, facts.Version)
	a.warnOfRedis(r, facts)
	return nil
}

// seedKey stores the configured API key, or makes the first one.
func (a *program) seedKey(ctx context.Context, cfg *config.Config, keys *auth.Service, log *slog.Logger) (firstKey, error) {
	k := cfg.HTTP.APIKey.Reveal()
	if k == "" {
		return a.makeFirstKey(ctx, cfg, keys)
	}
	replaced, err := keys.Seed(asAccount(ctx), k)
	for _, old := range replaced {
		log.Warn("SCHOOLBELL_API_KEY has replaced an earlier key, which is no longer accepted", "replaced", auth.Fingerprint(old))
	}
	return firstKey{}, err
}

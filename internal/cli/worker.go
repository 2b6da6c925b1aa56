package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"schoolbell/internal/advice"
	"schoolbell/internal/app"
	"schoolbell/internal/channel"
	"schoolbell/internal/config"
	"schoolbell/internal/health"
)

type workerCmd struct {
	Config config.Config `embed:""`
}

// Run works the queues until ctx ends.
func (c *workerCmd) Run(ctx context.Context, a *program) error {
	if err := a.load(&c.Config); err != nil {
		return err
	}
	cfg := &c.Config
	if !cfg.Redis.External() {
		return advice.Add(errors.New("a worker needs a Redis that it shares with the API"),
			"set REDIS_HOST or REDIS_URL; without Redis, schoolbell serve runs the workers itself")
	}
	if err := channel.Runnable(cfg); err != nil {
		return err
	}
	return app.EndsInTime(ctx, cfg.Queue.ShutdownGrace, func() error { return a.runWorker(ctx, cfg) })
}

func (a *program) runWorker(ctx context.Context, cfg *config.Config) (err error) {
	r := app.New(cfg, newLogger(a.Err, cfg.General))
	a.limitMemory(r.Log)
	a.warnOfFiles(&cfg.Core, r.Log)
	defer func() { err = errors.Join(err, r.Close()) }()

	var metrics *prometheus.Registry
	if cfg.HTTP.Metrics {
		metrics = r.Metrics
	}
	page := health.NewPage(a.version(), metrics)
	infra, err := a.servePage(ctx, r, page)
	if err != nil {
		return err
	}
	profiles, err := a.serveProfiles(ctx, r)
	if err != nil {
		return err
	}
	infra = append(infra, profiles...)
	work := func(ctx context.Context) error { return a.work(ctx, r, page) }
	err = app.Run(ctx, []app.Service{work, a.noteStop(ctx, cfg)}, infra)
	a.farewell(err)
	return err
}

// servePage returns the services that answer on METRICS_ADDR, if that is set.
func (a *program) servePage(ctx context.Context, r *app.Runtime, page *health.Page) ([]app.Service, error) {
	cfg := r.Config
	if cfg.HTTP.MetricsAddr == "" {
		return nil, nil
	}
	conf, reload, err := r.TLS()
	if err != nil {
		return nil, err
	}
	ln, err := app.Listen(ctx, "METRICS_ADDR", cfg.HTTP.MetricsAddr)
	if err != nil {
		return nil, err
	}
	a.tick("Health and metrics at %s", cfg.HTTP.LocalURL(ln.Addr().String()))
	services := []app.Service{app.ServeHTTP(ln, page, conf, app.WorkGrace(cfg), r.Log)}
	if reload != nil {
		services = append(services, reload)
	}
	return services, nil
}

// serveProfiles returns the services that answer on PPROF_ADDR, if that is set.
func (a *program) serveProfiles(ctx context.Context, r *app.Runtime) ([]app.Service, error) {
	addr, serve, err := r.Profiles(ctx)
	if err != nil || serve == nil {
		return nil, err
	}
	a.tick("Profiles at http://%s/debug/pprof/", addr)
	return []app.Service{serve}, nil
}

// work waits until Redis is there, puts the worker together and runs it.
func (a *program) work(ctx context.Context, r *app.Runtime, page *health.Page) error {
	if err := r.OpenRedis(); err != nil {
		return err
	}
	if err := a.connect(ctx, r); err != nil || ctx.Err() != nil {
		return err
	}
	if err := r.OpenChannels(); err != nil {
		return err
	}
	a.warnOfCatcher(r)
	if err := r.OpenPipeline(ctx); err != nil {
		return err
	}
	workers, err := r.Workers()
	if err != nil {
		return err
	}
	announce := func(ctx context.Context) error {
		select {
		case <-r.Pipeline.Ready():
			page.Started(r.HealthCheck())
			a.tick("Queues: %s", strings.Join(r.QueueNames(), ", "))
			a.tick("Worker %s is running and waits for jobs", r.Config.Queue.WorkerName)
		case <-ctx.Done():
		}
		return nil
	}
	return r.Run(ctx, append(r.Relay(), workers, announce)...)
}

// connect waits for Redis and opens the ledger, and says so. When ctx ends
// meanwhile it returns nil: a worker may be stopped while it waits.
func (a *program) connect(ctx context.Context, r *app.Runtime) error {
	name := r.Config.Redis.Name()
	facts, err := app.AwaitRedis(ctx, r.Redis, func(err error) {
		r.Log.Warn("Redis is unavailable, waiting for it", "redis", name, "error", err)
	})
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		return fmt.Errorf("this Redis cannot be used: %w (%s)", err, name)
	}
	a.tick("Redis connected: %s, version %s", name, facts.Version)
	a.warnOfRedis(r, facts)
	if err := r.OpenLedger(ctx); err != nil {
		return err
	}
	a.tick("Ledger connected: %s", r.Config.LedgerName())
	return r.LoadSettings(ctx)
}

// warnOfRedis says what about a Redis may lose jobs.
func (a *program) warnOfRedis(r *app.Runtime, f app.RedisFacts) {
	if f.Evicts() {
		r.Log.Warn("Redis may evict jobs when its memory is full", "maxmemory_policy", f.Policy, "fix", app.EvictionAdvice)
	}
	if f.ReadOnly {
		r.Log.Warn("Redis is a read-only replica, jobs cannot be stored", "redis", r.Config.Redis.Name())
	}
}

// warnOfCatcher says that email is captured, not sent.
func (a *program) warnOfCatcher(r *app.Runtime) {
	if c := r.Channels.Catcher; c != nil {
		r.Log.Warn("email is captured, not sent: SMTP_HOST is not set", "catcher", c.Addr())
	}
}

// tick says that a step of the start has been taken.
func (a *program) tick(format string, args ...any) {
	a.say("%s %s", a.style.good("✓"), fmt.Sprintf(format, args...))
}

// noteStop is a service that says so when signalled, the end of the outer context,
// asks the process to stop.
func (a *program) noteStop(signalled context.Context, cfg *config.Config) app.Service {
	return func(ctx context.Context) error {
		<-ctx.Done()
		if signalled.Err() != nil {
			a.say("Stopping: running work may take up to %v. A second signal exits at once", cfg.Queue.ShutdownGrace)
		}
		return nil
	}
}

// farewell says that a process ended as it should.
func (a *program) farewell(err error) {
	if err == nil {
		a.tick("Stopped")
	}
}

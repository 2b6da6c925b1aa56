package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"schoolbell/internal/config"
	"schoolbell/internal/health"
)

type workerCmd struct {
	Config config.Config `embed:""`
}

// Run works the queues until ctx ends.
func (c *workerCmd) Run(ctx context.Context, a *app) error {
	if err := a.load(&c.Config); err != nil {
		return err
	}
	cfg := &c.Config
	if !cfg.Redis.External() {
		return advise(errors.New("a worker needs a Redis that it shares with the API"),
			"set REDIS_HOST or REDIS_URL; without Redis, schoolbell serve runs the workers itself")
	}
	if cfg.Email.Host == "" && !cfg.Set("MAIL_CATCHER_ADDR") {
		return advise(errors.New("a worker needs SMTP_HOST: without it all mail would count as sent that only a mail catcher in this process has seen"),
			"set SMTP_HOST and EMAIL_FROM; to catch all mail on purpose, set MAIL_CATCHER_ADDR=%s", cfg.Email.CatcherAddr)
	}
	return endsInTime(ctx, cfg.General.ShutdownGrace, func() error { return a.runWorker(ctx, cfg) })
}

func (a *app) runWorker(ctx context.Context, cfg *config.Config) (err error) {
	h := newHouse(cfg, newLogger(a.Err, cfg))
	a.warnOfFiles(cfg, h.log)
	defer func() { err = errors.Join(err, h.close()) }()

	var metrics *prometheus.Registry
	if cfg.HTTP.Metrics {
		metrics = h.metrics
	}
	page := health.NewPage(a.version(), metrics)
	var ground []part
	if addr := cfg.HTTP.MetricsAddr; addr != "" {
		ln, err := listen(ctx, "METRICS_ADDR", addr)
		if err != nil {
			return err
		}
		a.tick("Health and metrics at %s", config.LocalURL(ln.Addr().String()))
		ground = append(ground, serveHTTP(ln, page, workGrace(cfg), h.log))
	}
	work := func(ctx context.Context) error { return a.work(ctx, h, page) }
	err = runParts(ctx, []part{work, a.noteStop(ctx, cfg)}, ground)
	a.farewell(err)
	return err
}

// work waits until Redis is there, puts the worker together and runs it.
func (a *app) work(ctx context.Context, h *house, page *health.Page) error {
	if err := h.openRedis(); err != nil {
		return err
	}
	if err := a.connect(ctx, h); err != nil || ctx.Err() != nil {
		return err
	}
	if err := h.openSenders(); err != nil {
		return err
	}
	a.warnOfCatcher(h)
	if err := h.openPipeline(); err != nil {
		return err
	}
	workers, err := h.workers()
	if err != nil {
		return err
	}
	announce := func(ctx context.Context) error {
		select {
		case <-h.pipeline.Ready():
			page.Started(h.healthCheck())
			a.tick("Queues: %s", strings.Join(h.queueNames(), ", "))
			a.tick("Worker %s is running and waits for jobs", h.cfg.Queue.WorkerName)
		case <-ctx.Done():
		}
		return nil
	}
	return runParts(ctx, []part{workers, h.pipeline.RunRelay, announce}, h.ground)
}

// connect waits for Redis and opens the ledger, and says so. When ctx ends
// meanwhile it returns nil: a worker may be stopped while it waits.
func (a *app) connect(ctx context.Context, h *house) error {
	name := h.cfg.Redis.Name()
	facts, err := awaitRedis(ctx, h.rdb, func(err error) {
		h.log.Warn("Redis is away, waiting for it", "redis", name, "error", err)
	})
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		return fmt.Errorf("this Redis cannot be used: %w (%s)", err, name)
	}
	a.tick("Redis connected: %s, version %s", name, facts.version)
	a.warnOfRedis(h, facts)
	if err := h.openLedger(ctx); err != nil {
		return err
	}
	a.tick("Ledger connected: %s", h.cfg.LedgerName())
	return nil
}

// warnOfRedis says what about a Redis may lose jobs.
func (a *app) warnOfRedis(h *house, f redisFacts) {
	if f.evicts() {
		h.log.Warn("Redis may throw jobs away when its memory is full", "maxmemory_policy", f.policy, "mend", evictionAdvice)
	}
	if f.readOnly {
		h.log.Warn("Redis is a read-only replica, jobs cannot be stored", "redis", h.cfg.Redis.Name())
	}
}

// warnOfCatcher says that no mail leaves.
func (a *app) warnOfCatcher(h *house) {
	if h.catcher != nil {
		h.log.Warn("no mail leaves: SMTP_HOST is not set, a mail catcher in this process takes all e-mail", "catcher", h.catcher.Addr())
	}
}

// tick says that a step of the start has been taken.
func (a *app) tick(format string, args ...any) {
	a.say("%s %s", a.style.good("✓"), fmt.Sprintf(format, args...))
}

// noteStop is a part that says so when signalled, the end of the outer context,
// asks the process to stop.
func (a *app) noteStop(signalled context.Context, cfg *config.Config) part {
	return func(ctx context.Context) error {
		<-ctx.Done()
		if signalled.Err() != nil {
			a.say("Stopping: work in hand may take up to %v, a second signal ends at once", cfg.General.ShutdownGrace)
		}
		return nil
	}
}

// farewell says that a process ended as it should.
func (a *app) farewell(err error) {
	if err == nil {
		a.tick("Stopped")
	}
}

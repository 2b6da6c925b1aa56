package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/redis/go-redis/v9"

	"schoolbell"
	"schoolbell/internal/api"
	"schoolbell/internal/auth"
	"schoolbell/internal/channel"
	"schoolbell/internal/config"
	"schoolbell/internal/embedded"
	"schoolbell/internal/notify"
	"schoolbell/internal/render"
	"schoolbell/internal/retention"
	"schoolbell/internal/school"
	"schoolbell/internal/store"
	"schoolbell/internal/webhook"
)

// Runtime is one process, put together as its settings say. The Open methods fill it;
// [Runtime.OpenPipeline] needs the ledger and Redis. [Runtime.Close] closes what they
// opened, once everything that runs has stopped. One goroutine at a time may open and close.
type Runtime struct {
	Config *config.Config
	Log    *slog.Logger

	Ledger     *store.Ledger
	Settings   *school.Settings // of the school
	Templates  *school.Templates
	Categories *school.Categories
	Redis      redis.UniversalClient
	Channels   *channel.Set // nil while this process sends nothing
	Pipeline   *notify.Pipeline
	Links      *auth.Links        // of messages; opened with the pipeline
	Retention  *retention.Service // of old rows in the ledger
	Webhooks   *webhook.Service   // opened with the pipeline
	Metrics    *prometheus.Registry

	bounces net.Listener // nil if emails do not come back by SMTP
	infra   []Service    // servers in this process that services use
	closers []func() error
}

// New returns a process with these settings in which nothing is open yet.
func New(cfg *config.Config, log *slog.Logger) *Runtime {
	MuteRedis()
	r := &Runtime{Config: cfg, Log: log, Metrics: prometheus.NewRegistry()}
	r.Metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Run runs services until ctx ends or one of them fails, and returns when all have
// stopped. The servers in this process that they use run until the last has stopped.
func (r *Runtime) Run(ctx context.Context, services ...Service) error {
	return Run(ctx, services, r.infra)
}

// Open opens everything of a server: the ledger, Redis, the channels and the pipeline.
func (r *Runtime) Open(ctx context.Context) error {
	if err := r.OpenLedger(ctx); err != nil {
		return err
	}
	if err := r.SeedSettings(ctx); err != nil {
		return err
	}
	for _, open := range []func() error{r.OpenRedis, r.OpenChannels} {
		if err := open(); err != nil {
			return err
		}
	}
	return r.OpenPipeline(ctx)
}

// Close closes what was opened, the latest first.
func (r *Runtime) Close() error {
	var err error
	for _, c := range slices.Backward(r.closers) {
		err = errors.Join(err, c())
	}
	r.closers = nil
	return err
}

// OpenLedger opens the ledger and makes sure that its schema is this program's.
func (r *Runtime) OpenLedger(ctx context.Context) error {
	l, err := ReadyLedger(ctx, &r.Config.Core, r.Log)
	if err != nil {
		return err
	}
	r.Ledger = l
	r.closers = append(r.closers, l.Close)
	r.Settings = school.NewSettings(l.Settings, firstSettings(r.Config), r.Log)
	r.Templates = school.NewTemplates(l.Templates, r.Log)
	r.Categories = school.NewCategories(l.School, r.Log)
	return nil
}

// OpenRedis makes the client, and the Redis in this process when no other is named.
func (r *Runtime) OpenRedis() error {
	if r.Config.Redis.External() {
		rdb, err := r.Config.Redis.Client()
		if err != nil {
			return err
		}
		r.Redis = rdb
	} else {
		local, err := embedded.NewRedis()
		if err != nil {
			return err
		}
		r.closers = append(r.closers, local.Close)
		r.infra = append(r.infra, local.Run)
		r.Redis = config.LocalClient(local.Dial)
	}
	r.closers = append(r.closers, r.Redis.Close)
	return nil
}

// OpenChannels opens the providers of all channels.
func (r *Runtime) OpenChannels() error {
	set, err := channel.Open(r.Config, r.Log)
	if err != nil {
		return err
	}
	r.Channels = set
	r.closers = append(r.closers, set.Close)
	for _, run := range set.Infra() {
		r.infra = append(r.infra, run)
	}
	return nil
}

// OpenPipeline puts the pipeline on the ledger and the queues, and tells the ledger of the
// channels that the settings set up.
func (r *Runtime) OpenPipeline(ctx context.Context) error {
	if err := r.Ledger.Channels.PutChannels(ctx, channel.Infos(r.Config)); err != nil {
		return err
	}
	links, err := auth.OpenLinks(ctx, r.Ledger.Auth, nil)
	if err != nil {
		return err
	}
	r.Links = links
	q := r.Config.Queue
	c := notify.Config{
		Prefix: r.Config.KeyPrefix(), QueueName: q.Name,
		Channels: channel.Names(r.Config), School: r.Settings.Current,
		Quotas: channel.Quotas(r.Config),
		Holds:  channel.Holds(r.Config), Households: q.Households,
		BatchSize: q.BatchSize, InPlace: notify.SmallEvent, Retries: q.Retries, Backoff: q.Backoff, Concurrency: q.Concurrency, UrgentShare: q.UrgentShare,
		RateMax: q.RateMax, RateDuration: q.RateDuration, KeepCompleted: q.KeepCompleted, KeepFailed: q.KeepFailed,
		Grace: WorkGrace(r.Config), WorkerName: q.WorkerName,
	}
	if r.Channels != nil {
		c.ProviderQuotas = r.Channels.ProviderQuotas()
	}
	if q.Producers {
		c.DecodeEvent = api.NewEventDecoder().Decode
	}
	if q.RateDuration == 0 {
		c.RateMax = 0
	}
	p, err := notify.New(r.Ledger.Stores, r.Redis, c, r.Log)
	if err != nil {
		return fmt.Errorf("set up the pipeline: %w", err)
	}
	r.Pipeline = p
	r.Metrics.MustRegister(p.Metrics())
	r.openRetention()
	return r.openWebhooks()
}

// openRetention sets up the removal of old rows. What the school has chosen replaces what the
// settings of this process say.
func (r *Runtime) openRetention() {
	k := r.Config.Retention
	kept := retention.Periods{Events: k.Events.Duration(), Deliveries: k.Deliveries.Duration(), Inbox: k.Inbox.Duration(),
		Receipts: k.Receipts.Duration(), Audit: k.Audit.Duration(), Idempotency: k.Idempotency.Duration()}
	periods := func() retention.Periods { return kept.Override(r.Settings.Current().Retention) }
	r.Retention = retention.New(r.Ledger.Retention, periods, r.Log)
	r.Metrics.MustRegister(r.Retention.Metrics())
}

// Relay returns the services that run next to each pipeline: the relay, the removal of old rows, and what sends messages to webhooks.
func (r *Runtime) Relay() []Service {
	return []Service{r.Pipeline.RunRelay, r.Retention.Run, r.Webhooks.Run}
}

// renderer makes messages as this installation sends them.
func (r *Runtime) renderer() (*render.Renderer, error) {
	return render.New(render.Config{Link: r.messageLink, Page: r.Config.HTTP.EventLink, Choices: r.choices(), Optional: r.Categories.Optional, School: r.Settings.Current, Template: r.Templates.At})
}

// Workers is the service that works all queues.
func (r *Runtime) Workers() (Service, error) {
	renderer, err := r.renderer()
	if err != nil {
		return nil, fmt.Errorf("set up the templates: %w", err)
	}
	senders := make(map[schoolbell.Channel]notify.Senders)
	for _, c := range r.Channels.Channels() {
		if c.Provider != nil {
			senders[c.Name] = notify.Senders{Normal: c.Provider.Lane(schoolbell.LaneNormal), Urgent: c.Provider.Lane(schoolbell.LaneUrgent)}
		}
	}
	return func(ctx context.Context) error {
		queue := auth.Principal{Kind: schoolbell.ActorQueue, ID: r.Config.Queue.Name}
		return r.Pipeline.RunWorkers(auth.WithPrincipal(ctx, queue), renderer, senders)
	}, nil
}

// QueueNames are the names of the queues in Redis.
func (r *Runtime) QueueNames() []string {
	var names []string
	for _, q := range r.Pipeline.Queues() {
		names = append(names, q.Name())
	}
	return names
}

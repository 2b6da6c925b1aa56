package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/mail"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/redis/go-redis/v9"

	"schoolbell"
	"schoolbell/internal/channel/email"
	"schoolbell/internal/config"
	"schoolbell/internal/embedded"
	"schoolbell/internal/notify"
	"schoolbell/internal/render"
)

// provider is the implementation of a channel, as this package opens and closes it.
type provider interface {
	notify.Sender
	Check(ctx context.Context) error
	Close() error
}

// Runtime is one process, put together as its settings say. The Open methods fill it;
// [Runtime.OpenPipeline] needs the ledger and Redis. [Runtime.Close] closes what they
// opened, once everything that runs has stopped. One goroutine at a time may open and close.
type Runtime struct {
	Config *config.Config
	Log    *slog.Logger

	Ledger   Ledger
	Redis    redis.UniversalClient
	Catcher  *embedded.MailCatcher // nil when mail goes to a real server, or this process sends none
	Pipeline *notify.Pipeline
	Metrics  *prometheus.Registry

	providers map[schoolbell.Channel]provider
	infra     []Service // servers in this process that services use
	closers   []func() error
}

// New returns a process with these settings in which nothing is open yet.
func New(cfg *config.Config, log *slog.Logger) *Runtime {
	MuteRedis()
	r := &Runtime{Config: cfg, Log: log, providers: map[schoolbell.Channel]provider{}, Metrics: prometheus.NewRegistry()}
	r.Metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Run runs services until ctx ends or one of them fails, and returns when all have
// stopped. The servers in this process that they use run until the last has stopped.
func (r *Runtime) Run(ctx context.Context, services ...Service) error {
	return Run(ctx, services, r.infra)
}

// Open opens everything: the ledger, Redis, the channels and the pipeline.
func (r *Runtime) Open(ctx context.Context) error {
	if err := r.OpenLedger(ctx); err != nil {
		return err
	}
	for _, open := range []func() error{r.OpenRedis, r.OpenChannels, r.OpenPipeline} {
		if err := open(); err != nil {
			return err
		}
	}
	return nil
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
	l, err := ReadyLedger(ctx, r.Config, r.Log)
	if err != nil {
		return err
	}
	r.Ledger = l
	r.closers = append(r.closers, l.Close)
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

// OpenChannels opens the provider of every channel, and the mail catcher when no
// mail server is named.
func (r *Runtime) OpenChannels() error {
	e := r.Config.Email
	if e.Host == "" {
		c, err := embedded.NewMailCatcher(embedded.MailCatcherOptions{Addr: e.CatcherAddr, KeepBodies: keptMails})
		if err != nil {
			return Advise(fmt.Errorf("start the mail catcher on %s: %w", e.CatcherAddr, err), "set MAIL_CATCHER_ADDR to a free address, or SMTP_HOST to a mail server")
		}
		r.Catcher = c
		r.infra = append(r.infra, c.Run)
		if e, err = caughtBy(e, c.Addr(), r.Config.General.SchoolName); err != nil {
			return err
		}
	}
	s, err := email.NewSMTP(SMTPConfig(e, r.Log))
	if err != nil {
		return fmt.Errorf("set e-mail up: %w", err)
	}
	r.providers[schoolbell.ChannelEmail] = s
	r.closers = append(r.closers, s.Close)
	return nil
}

// keptMails is how many caught mails are kept whole, to be looked at.
const keptMails = 200

// caughtBy returns the settings that hand mail to the catcher at addr.
func caughtBy(e config.Email, addr, school string) (config.Email, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return e, fmt.Errorf("address of the mail catcher: %w", err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return e, fmt.Errorf("port of the mail catcher: %w", err)
	}
	e.Host, e.Port, e.TLS, e.Username, e.Password = host, n, "none", "", ""
	if e.From == "" {
		e.From = (&mail.Address{Name: school, Address: "schoolbell@localhost"}).String()
	}
	return e, nil
}

// SMTPConfig returns the settings of the email channel as its provider takes them.
func SMTPConfig(e config.Email, log *slog.Logger) email.SMTPConfig {
	return email.SMTPConfig{
		Host: e.Host, Port: e.Port, Username: e.Username, Password: e.Password.Reveal(), TLS: e.TLS,
		From: e.From, ReplyTo: e.ReplyTo, Connections: e.Connections, Timeout: e.Timeout, Logger: log,
	}
}

// OpenPipeline puts the pipeline on the ledger and the queues.
func (r *Runtime) OpenPipeline() error {
	q := r.Config.Queue
	c := notify.Config{
		Prefix: r.Config.KeyPrefix(), QueueName: q.Name,
		Channels:  []schoolbell.Channel{schoolbell.ChannelInApp, schoolbell.ChannelEmail},
		BatchSize: q.BatchSize, Retries: q.Retries, Backoff: q.Backoff, Concurrency: q.Concurrency,
		RateMax: q.RateMax, RateDuration: q.RateDuration, KeepCompleted: q.KeepCompleted, KeepFailed: q.KeepFailed, RetainIdempotency: q.RetainIdempotency,
		Grace: WorkGrace(r.Config), WorkerName: q.WorkerName,
	}
	if q.RateDuration == 0 {
		c.RateMax = 0
	}
	p, err := notify.New(r.Ledger, r.Redis, c, r.Log)
	if err != nil {
		return fmt.Errorf("set the pipeline up: %w", err)
	}
	r.Pipeline = p
	r.Metrics.MustRegister(p.Metrics())
	return nil
}

// Workers is the service that works all queues.
func (r *Runtime) Workers() (Service, error) {
	renderer, err := render.New(render.Config{PublicURL: r.Config.HTTP.PublicURL, SchoolName: r.Config.General.SchoolName, Language: r.Config.General.Language})
	if err != nil {
		return nil, fmt.Errorf("set the templates up: %w", err)
	}
	senders := make(map[schoolbell.Channel]notify.Sender, len(r.providers))
	for ch, s := range r.providers {
		senders[ch] = s
	}
	return func(ctx context.Context) error { return r.Pipeline.RunWorkers(ctx, renderer, senders) }, nil
}

// QueueNames are the names of the queues in Redis.
func (r *Runtime) QueueNames() []string {
	var names []string
	for _, q := range r.Pipeline.Queues() {
		names = append(names, q.Name())
	}
	return names
}

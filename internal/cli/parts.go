package cli

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

// sender is a channel's sender as this package looks after it.
type sender interface {
	notify.Sender
	Check(ctx context.Context) error
	Close() error
}

// house is the parts of one process, put together as its settings say. What is
// opened is closed by close, in reverse order, once all that runs has stopped.
type house struct {
	cfg *config.Config
	log *slog.Logger

	ledger   ledger
	rdb      redis.UniversalClient
	catcher  *embedded.MailCatcher // nil when mail goes to a real server, or this process sends none
	senders  map[schoolbell.Channel]sender
	pipeline *notify.Pipeline
	metrics  *prometheus.Registry

	ground  []part // servers in this process that other parts stand on
	closers []func() error
}

func newHouse(cfg *config.Config, log *slog.Logger) *house {
	h := &house{cfg: cfg, log: log, senders: map[schoolbell.Channel]sender{}, metrics: prometheus.NewRegistry()}
	h.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return h
}

// close closes what was opened, the latest first.
func (h *house) close() error {
	var err error
	for _, c := range slices.Backward(h.closers) {
		err = errors.Join(err, c())
	}
	h.closers = nil
	return err
}

func (h *house) openLedger(ctx context.Context) error {
	l, err := readyLedger(ctx, h.cfg, h.log)
	if err != nil {
		return err
	}
	h.ledger = l
	h.closers = append(h.closers, l.Close)
	return nil
}

// openRedis makes the client, and the Redis in this process when no other is named.
func (h *house) openRedis() error {
	if h.cfg.Redis.External() {
		rdb, err := h.cfg.Redis.Client()
		if err != nil {
			return err
		}
		h.rdb = rdb
	} else {
		r, err := embedded.NewRedis()
		if err != nil {
			return err
		}
		h.closers = append(h.closers, r.Close)
		h.ground = append(h.ground, r.Run)
		h.rdb = config.LocalClient(r.Dial)
	}
	h.closers = append(h.closers, h.rdb.Close)
	return nil
}

// openSenders makes the sender of every channel, and the mail catcher when no
// mail server is named.
func (h *house) openSenders() error {
	e := h.cfg.Email
	if e.Host == "" {
		c, err := embedded.NewMailCatcher(embedded.MailCatcherOptions{Addr: e.CatcherAddr, KeepBodies: keptMails})
		if err != nil {
			return advise(fmt.Errorf("start the mail catcher on %s: %w", e.CatcherAddr, err), "set MAIL_CATCHER_ADDR to a free address, or SMTP_HOST to a mail server")
		}
		h.catcher = c
		h.ground = append(h.ground, c.Run)
		if e, err = caughtBy(e, c.Addr(), h.cfg.General.SchoolName); err != nil {
			return err
		}
	}
	s, err := email.NewSMTP(smtpConfig(e, h.log))
	if err != nil {
		return fmt.Errorf("set e-mail up: %w", err)
	}
	h.senders[schoolbell.ChannelEmail] = s
	h.closers = append(h.closers, s.Close)
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

func smtpConfig(e config.Email, log *slog.Logger) email.SMTPConfig {
	return email.SMTPConfig{
		Host: e.Host, Port: e.Port, Username: e.Username, Password: e.Password.Reveal(), TLS: e.TLS,
		From: e.From, ReplyTo: e.ReplyTo, Connections: e.Connections, Timeout: e.Timeout, Logger: log,
	}
}

// openPipeline puts the pipeline over ledger and queues.
func (h *house) openPipeline() error {
	q := h.cfg.Queue
	c := notify.Config{
		Prefix: h.cfg.KeyPrefix(), QueueName: q.Name,
		Channels:  []schoolbell.Channel{schoolbell.ChannelInApp, schoolbell.ChannelEmail},
		BatchSize: q.BatchSize, Retries: q.Retries, Backoff: q.Backoff, Concurrency: q.Concurrency,
		RateMax: q.RateMax, RateDuration: q.RateDuration, KeepCompleted: q.KeepCompleted, KeepFailed: q.KeepFailed, RetainIdempotency: q.RetainIdempotency,
		Grace: workGrace(h.cfg), WorkerName: q.WorkerName,
	}
	if q.RateDuration == 0 {
		c.RateMax = 0
	}
	p, err := notify.New(h.ledger, h.rdb, c, h.log)
	if err != nil {
		return fmt.Errorf("set the pipeline up: %w", err)
	}
	h.pipeline = p
	h.metrics.MustRegister(p.Metrics())
	return nil
}

// workers is the part that works all queues.
func (h *house) workers() (part, error) {
	r, err := render.New(render.Config{PublicURL: h.cfg.HTTP.PublicURL, SchoolName: h.cfg.General.SchoolName, Language: h.cfg.General.Language})
	if err != nil {
		return nil, fmt.Errorf("set the templates up: %w", err)
	}
	senders := make(map[schoolbell.Channel]notify.Sender, len(h.senders))
	for ch, s := range h.senders {
		senders[ch] = s
	}
	return func(ctx context.Context) error { return h.pipeline.RunWorkers(ctx, r, senders) }, nil
}

func (h *house) queueNames() []string {
	var names []string
	for _, q := range h.pipeline.Queues() {
		names = append(names, q.Name())
	}
	return names
}

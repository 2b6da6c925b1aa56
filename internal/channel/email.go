package channel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/mail"
	"strconv"

	"schoolbell"
	"schoolbell/internal/advice"
	"schoolbell/internal/channel/email"
	"schoolbell/internal/channel/email/sendgrid"
	"schoolbell/internal/channel/email/ses"
	"schoolbell/internal/config"
	"schoolbell/internal/embedded"
	"schoolbell/internal/ledger"
)

// keptMails is how many captured emails are kept whole, for people to look at.
const keptMails = 200

// openEmail opens the providers of the settings.
func openEmail(cfg *config.Config, log *slog.Logger, s *Set) (Provider, error) {
	first, err := openEmailProvider(cfg.Email.Provider, cfg, log, s)
	if err != nil || cfg.Email.Fallback == "" {
		return first, err
	}
	second, err := openEmailProvider(cfg.Email.Fallback, cfg, log, s)
	if err != nil {
		return nil, errors.Join(err, first.Close())
	}
	return newFailover(named{cfg.Email.Provider, first}, named{cfg.Email.Fallback, second}, log), nil
}

func openEmailProvider(name string, cfg *config.Config, log *slog.Logger, s *Set) (Provider, error) {
	switch name {
	case config.ProviderSES:
		p, err := ses.New(sesConfig(cfg, log))
		if err != nil {
			return nil, err
		}
		return adapt[ses.LaneSender](p, name), nil
	case config.ProviderSendGrid:
		p, err := sendgrid.New(sendGridConfig(cfg, log))
		if err != nil {
			return nil, err
		}
		return adapt[sendgrid.LaneSender](p, name), nil
	}
	return openSMTP(cfg, log, s)
}

// openSMTP opens the mail server of the settings. Without one, it starts a mail catcher.
func openSMTP(cfg *config.Config, log *slog.Logger, s *Set) (Provider, error) {
	e := cfg.Email
	if e.Host == "" {
		c, err := embedded.NewMailCatcher(embedded.MailCatcherOptions{Addr: e.CatcherAddr, KeepBodies: keptMails})
		if err != nil {
			return nil, advice.Add(fmt.Errorf("start the mail catcher on %s: %w", e.CatcherAddr, err), "set MAIL_CATCHER_ADDR to a free address, or SMTP_HOST to a mail server")
		}
		s.Catcher = c
		s.infra = append(s.infra, c.Run)
		if e, err = caughtBy(e, c.Addr(), cfg.School.Name); err != nil {
			return nil, err
		}
	}
	smtp, err := smtpConfig(e, cfg, log)
	if err != nil {
		return nil, err
	}
	p, err := email.NewSMTP(smtp)
	if err != nil {
		return nil, err
	}
	return adapt[email.LaneSender](p, ""), nil
}

// laned is a provider whose senders have a type of their own.
type laned[S Sender] interface {
	Lane(lane schoolbell.Lane) S
	Check(ctx context.Context) error
	Close() error
}

// adapted is such a provider as a Provider.
type adapted[S Sender] struct {
	laned[S]
	name string // shown where people look at the channel; may be empty
}

// InUse names the provider.
func (a adapted[S]) InUse() string { return a.name }

// Lane implements Provider.
func (a adapted[S]) Lane(lane schoolbell.Lane) Sender { return a.laned.Lane(lane) }

// adapt returns a provider of this name.
func adapt[S Sender](p laned[S], name string) Provider {
	a := adapted[S]{p, name}
	if q, ok := p.(quotaTeller); ok {
		return limited[S]{a, q}
	}
	return a
}

// quotaTeller is a provider that knows its quota: messages in a second and in 24 hours, each 0 for no limit.
type quotaTeller interface {
	Quota(ctx context.Context) (rate float64, daily int)
}

// limited is a provider that knows its quota.
type limited[S Sender] struct {
	adapted[S]
	quotaTeller
}

// caughtBy returns the settings that hand email to the catcher at addr.
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

// emailQuota returns the limits of the settings.
func emailQuota(cfg *config.Config) ledger.Quota {
	return ledger.Quota{Rate: float64(cfg.Email.Rate), Daily: cfg.Email.DailyLimit}
}

// emailReceipts reports whether every provider that may send email tells which emails it has. Over SMTP, only emails that come
// back are told, so that silence says nothing.
func emailReceipts(cfg *config.Config) bool {
	e, r := &cfg.Email, &cfg.Receipts
	return r.Secret != "" && !e.Uses(config.ProviderSMTP) &&
		(!e.Uses(config.ProviderSES) || len(r.SESTopics) > 0 && cfg.SES.ConfigurationSet != "") &&
		(!e.Uses(config.ProviderSendGrid) || r.SendGridKey != "")
}

func sesConfig(cfg *config.Config, log *slog.Logger) ses.Config {
	e, a := cfg.Email, cfg.SES
	return ses.Config{
		Endpoint: a.Endpoint, Region: a.Region, AccessKeyID: a.AccessKeyID, SecretAccessKey: a.SecretAccessKey.Reveal(), SessionToken: a.SessionToken.Reveal(),
		ConfigurationSet: a.ConfigurationSet, From: e.From, ReplyTo: e.ReplyTo, Connections: e.Connections, UrgentShare: cfg.Queue.UrgentShare, Timeout: e.Timeout, Logger: log,
	}
}

func sendGridConfig(cfg *config.Config, log *slog.Logger) sendgrid.Config {
	e := cfg.Email
	return sendgrid.Config{
		URL: cfg.SendGrid.URL, APIKey: cfg.SendGrid.APIKey.Reveal(),
		From: e.From, ReplyTo: e.ReplyTo, Connections: e.Connections, UrgentShare: cfg.Queue.UrgentShare, Timeout: e.Timeout, Logger: log,
	}
}

// smtpConfig returns the settings of SMTP. e says which server takes the mail.
func smtpConfig(e config.Email, cfg *config.Config, log *slog.Logger) (email.SMTPConfig, error) {
	signer, err := cfg.DKIM.Signer()
	if err != nil {
		return email.SMTPConfig{}, err
	}
	bounces, err := cfg.Receipts.Bounces()
	if err != nil {
		return email.SMTPConfig{}, schoolbell.Invalid("BOUNCE_DOMAIN", "%v", err)
	}
	return email.SMTPConfig{
		Host: e.Host, Port: e.Port, Username: e.Username, Password: e.Password.Reveal(), TLS: e.TLS, From: e.From, ReplyTo: e.ReplyTo, Signer: signer, Bounces: bounces,
		Connections: e.Connections, UrgentShare: cfg.Queue.UrgentShare, Timeout: e.Timeout, Logger: log,
	}, nil
}

// emailRunnable refuses a worker that would capture all email by accident: deliveries
// would count as sent although nobody could read them.
func emailRunnable(cfg *config.Config) error {
	if !cfg.Email.Captured() || cfg.Set("MAIL_CATCHER_ADDR") {
		return nil
	}
	return advice.Add(errors.New("a worker needs SMTP_HOST: without it, email that only the mail catcher in this process received would count as sent"),
		"set SMTP_HOST and EMAIL_FROM; to capture all email on purpose, set MAIL_CATCHER_ADDR=%s", cfg.Email.CatcherAddr)
}

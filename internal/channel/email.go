package channel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/mail"
	"strconv"
	"time"

	"schoolbell"
	"schoolbell/internal/advice"
	"schoolbell/internal/channel/email"
	"schoolbell/internal/config"
	"schoolbell/internal/embedded"
	"schoolbell/internal/ledger"
)

// keptMails is how many captured emails are kept whole, for people to look at.
const keptMails = 200

// openEmail opens the mail server of the settings. Without one, it starts a mail catcher.
func openEmail(cfg *config.Config, log *slog.Logger, s *Set) (Provider, error) {
	e := cfg.Email
	if e.Host == "" {
		c, err := embedded.NewMailCatcher(embedded.MailCatcherOptions{Addr: e.CatcherAddr, KeepBodies: keptMails})
		if err != nil {
			return nil, advice.Add(fmt.Errorf("start the mail catcher on %s: %w", e.CatcherAddr, err), "set MAIL_CATCHER_ADDR to a free address, or SMTP_HOST to a mail server")
		}
		s.Catcher = c
		s.infra = append(s.infra, c.Run)
		if e, err = caughtBy(e, c.Addr(), cfg.General.SchoolName); err != nil {
			return nil, err
		}
	}
	smtp, err := email.NewSMTP(smtpConfig(e, cfg.Queue.UrgentShare, log))
	if err != nil {
		return nil, err
	}
	return smtpProvider{smtp}, nil
}

// smtpProvider is an SMTP server as a Provider.
type smtpProvider struct{ *email.SMTP }

// Lane implements Provider.
func (p smtpProvider) Lane(lane schoolbell.Lane) Sender { return p.SMTP.Lane(lane) }

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

func smtpConfig(e config.Email, urgentShare int, log *slog.Logger) email.SMTPConfig {
	return email.SMTPConfig{
		Host: e.Host, Port: e.Port, Username: e.Username, Password: e.Password.Reveal(), TLS: e.TLS,
		From: e.From, ReplyTo: e.ReplyTo, Connections: e.Connections, UrgentShare: urgentShare, Timeout: e.Timeout, Logger: log,
	}
}

// emailRunnable refuses a worker that would capture all email by accident: deliveries
// would count as sent although nobody could read them.
func emailRunnable(cfg *config.Config) error {
	if cfg.Email.Host != "" || cfg.Set("MAIL_CATCHER_ADDR") {
		return nil
	}
	return advice.Add(errors.New("a worker needs SMTP_HOST: without it, email that only the mail catcher in this process received would count as sent"),
		"set SMTP_HOST and EMAIL_FROM; to capture all email on purpose, set MAIL_CATCHER_ADDR=%s", cfg.Email.CatcherAddr)
}

// diagnoseTimeout bounds the whole check of a mail server.
const diagnoseTimeout = 10 * time.Second

func diagnoseEmail(ctx context.Context, cfg *config.Config) Diagnosis {
	const fix = "set SMTP_HOST and EMAIL_FROM"
	switch {
	case cfg.Email.Host == "" && cfg.Redis.External() && !cfg.Set("MAIL_CATCHER_ADDR"):
		return Diagnosis{Detail: "a worker does not start without SMTP_HOST, or MAIL_CATCHER_ADDR to capture all email", Fix: fix, Broken: true}
	case cfg.Email.Host == "":
		return Diagnosis{Detail: "email is captured by this program, not sent", Fix: fix}
	}
	e := cfg.Email
	e.Timeout = min(e.Timeout, diagnoseTimeout)
	p, err := email.NewSMTP(smtpConfig(e, 0, slog.New(slog.DiscardHandler)))
	if err != nil {
		return Diagnosis{Detail: err.Error(), Fix: "check the SMTP settings", Broken: true}
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	server := net.JoinHostPort(e.Host, strconv.Itoa(e.Port))
	if err := p.Check(ctx); err != nil {
		return Diagnosis{Detail: fmt.Sprintf("%s: %v", server, err), Fix: advice.Or(err, "check SMTP_HOST, SMTP_PORT, SMTP_TLS and the login"), Broken: true}
	}
	return Diagnosis{Detail: fmt.Sprintf("%s answers, TLS %s", server, e.TLS)}
}

package channel

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"schoolbell/internal/advice"
	"schoolbell/internal/channel/email"
	"schoolbell/internal/channel/email/sendgrid"
	"schoolbell/internal/channel/email/ses"
	"schoolbell/internal/config"
)

// diagnoseTimeout bounds the whole check of a provider.
const diagnoseTimeout = 10 * time.Second

// diagnoseEmail checks each provider of the settings. What is wrong with the fallback alone is a warning.
func diagnoseEmail(ctx context.Context, cfg *config.Config) Diagnosis {
	const fix = "set SMTP_HOST and EMAIL_FROM"
	switch {
	case cfg.Email.Captured() && cfg.Redis.External() && !cfg.Set("MAIL_CATCHER_ADDR"):
		return Diagnosis{Detail: "a worker does not start without SMTP_HOST, or MAIL_CATCHER_ADDR to capture all email", Fix: fix, Broken: true}
	case cfg.Email.Captured():
		return Diagnosis{Detail: "email is captured by this program, not sent", Fix: fix}
	}
	first := diagnoseProvider(ctx, cfg.Email.Provider, cfg)
	if cfg.Email.Fallback == "" {
		return first
	}
	second := diagnoseProvider(ctx, cfg.Email.Fallback, cfg)
	both := Diagnosis{Detail: first.Detail + "; fallback: " + second.Detail, Fix: first.Fix, Broken: first.Broken && second.Broken}
	if both.Fix == "" {
		both.Fix = second.Fix
	}
	return both
}

func diagnoseProvider(ctx context.Context, name string, cfg *config.Config) Diagnosis {
	ctx, cancel := context.WithTimeout(ctx, min(cfg.Email.Timeout, diagnoseTimeout))
	defer cancel()
	switch name {
	case config.ProviderSES:
		return diagnoseSES(ctx, cfg)
	case config.ProviderSendGrid:
		return diagnoseSendGrid(ctx, cfg)
	}
	return diagnoseSMTP(ctx, cfg)
}

func diagnoseSMTP(ctx context.Context, cfg *config.Config) Diagnosis {
	e := cfg.Email
	e.Timeout = min(e.Timeout, diagnoseTimeout)
	smtp, err := smtpConfig(e, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return Diagnosis{Detail: err.Error(), Fix: "check the settings of DKIM and BOUNCE_DOMAIN", Broken: true}
	}
	smtp.UrgentShare = 0
	p, err := email.NewSMTP(smtp)
	if err != nil {
		return Diagnosis{Detail: err.Error(), Fix: "check the SMTP settings", Broken: true}
	}
	defer p.Close()
	server := net.JoinHostPort(e.Host, strconv.Itoa(e.Port))
	if err := p.Check(ctx); err != nil {
		return Diagnosis{Detail: fmt.Sprintf("%s: %v", server, err), Fix: advice.Or(err, "check SMTP_HOST, SMTP_PORT, SMTP_TLS and the login"), Broken: true}
	}
	d := Diagnosis{Detail: fmt.Sprintf("%s answers, TLS %s", server, e.TLS)}
	if smtp.Signer != nil {
		d.addSignature(ctx, smtp.Signer, p.Sender(), net.DefaultResolver.LookupTXT)
	}
	return d
}

func diagnoseSES(ctx context.Context, cfg *config.Config) Diagnosis {
	p, err := ses.New(sesConfig(cfg, slog.New(slog.DiscardHandler)))
	if err != nil {
		return Diagnosis{Detail: err.Error(), Fix: "check the AWS settings", Broken: true}
	}
	defer p.Close()
	if err := p.Check(ctx); err != nil {
		return Diagnosis{Detail: err.Error(), Fix: "check the AWS settings, and the account in the console of Amazon SES", Broken: true}
	}
	a, err := p.Account(ctx) // which Check has just read
	if err != nil {
		return Diagnosis{Detail: err.Error(), Fix: "check the AWS settings", Broken: true}
	}
	d := Diagnosis{Detail: fmt.Sprintf("Amazon SES in %s answers", cfg.SES.Region)}
	switch {
	case a.Rate == 0: // other programs have just asked
		return d
	case a.Daily > 0:
		d.Detail += fmt.Sprintf(": %g emails a second, %d of %d in 24 hours sent", a.Rate, a.Sent, a.Daily)
	default:
		d.Detail += fmt.Sprintf(": %g emails a second, no daily limit", a.Rate)
	}
	if a.Sandbox {
		d.Detail += "; the account is in the sandbox: only verified recipients get email"
		d.Fix = "request production access in the console of Amazon SES"
	}
	return d
}

func diagnoseSendGrid(ctx context.Context, cfg *config.Config) Diagnosis {
	p, err := sendgrid.New(sendGridConfig(cfg, slog.New(slog.DiscardHandler)))
	if err != nil {
		return Diagnosis{Detail: err.Error(), Fix: "check the SENDGRID settings", Broken: true}
	}
	defer p.Close()
	if err := p.Check(ctx); err != nil {
		return Diagnosis{Detail: err.Error(), Fix: "check SENDGRID_API_KEY: it needs the scope mail.send", Broken: true}
	}
	return Diagnosis{Detail: "SendGrid answers, and the key may send"}
}

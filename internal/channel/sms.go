package channel

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"schoolbell"
	"schoolbell/internal/advice"
	"schoolbell/internal/channel/sms/twilio"
	"schoolbell/internal/config"
	"schoolbell/internal/ledger"
)

func smsSetUp(cfg *config.Config) bool { return cfg.SMS.SetUp() }

// smsQuota returns the limits of the settings, in segments.
func smsQuota(cfg *config.Config) ledger.Quota {
	return ledger.Quota{Rate: float64(cfg.SMS.Rate), Monthly: cfg.SMS.MonthlyLimit, PerMessage: cfg.SMS.MaxSegments}
}

// openSMS opens the Twilio account of the settings.
func openSMS(cfg *config.Config, log *slog.Logger, _ *Set) (Provider, error) {
	c := twilioConfig(cfg.SMS, cfg.Queue.UrgentShare, log)
	if smsReceipts(cfg) {
		c.Callback = strings.TrimSuffix(cfg.HTTP.PublicURL, "/") + "/v1/receipts/twilio/" + cfg.Receipts.Secret.Reveal()
	}
	t, err := twilio.New(c)
	if err != nil {
		return nil, err
	}
	return twilioProvider{t}, nil
}

// smsReceipts reports whether Twilio is told where to send receipts, and can sign them. It cannot reach an address that
// nobody set.
func smsReceipts(cfg *config.Config) bool {
	return cfg.Receipts.Secret != "" && cfg.SMS.AuthToken != "" && cfg.Set("PUBLIC_URL")
}

// twilioProvider is Twilio as a Provider.
type twilioProvider struct{ *twilio.Twilio }

// Lane implements Provider.
func (p twilioProvider) Lane(lane schoolbell.Lane) Sender { return p.Twilio.Lane(lane) }

func twilioConfig(s config.SMS, urgentShare int, log *slog.Logger) twilio.Config {
	return twilio.Config{
		URL: s.URL, AccountSID: s.AccountSID, AuthToken: s.AuthToken.Reveal(), KeySID: s.APIKey, KeySecret: s.APISecret.Reveal(), From: s.From,
		MaxSegments: s.MaxSegments, Connections: s.Connections, UrgentShare: urgentShare, Logger: log,
	}
}

func diagnoseSMS(ctx context.Context, cfg *config.Config) Diagnosis {
	t, err := twilio.New(twilioConfig(cfg.SMS, 0, slog.New(slog.DiscardHandler)))
	if err != nil {
		return Diagnosis{Detail: err.Error(), Fix: "check the Twilio settings", Broken: true}
	}
	defer t.Close()
	ctx, cancel := context.WithTimeout(ctx, diagnoseTimeout)
	defer cancel()
	host := cfg.SMS.URL
	if u, err := url.Parse(host); err == nil {
		host = u.Host
	}
	if err := t.Check(ctx); err != nil {
		return Diagnosis{Detail: fmt.Sprintf("%s: %v", host, err), Fix: advice.Or(err, "check TWILIO_ACCOUNT_SID, the token or key, and that this machine reaches TWILIO_URL"), Broken: true}
	}
	return Diagnosis{Detail: host + " accepts the account"}
}

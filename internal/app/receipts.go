package app

import (
	"fmt"

	"schoolbell"
	"schoolbell/internal/channel"
	"schoolbell/internal/receipt"
)

// reported are the channels whose provider sends receipts.
func (r *Runtime) reported() map[schoolbell.Channel]bool {
	reported := make(map[schoolbell.Channel]bool)
	for c := range channel.Holds(r.Config) {
		reported[c] = true
	}
	return reported
}

// receipts sets up what takes the receipts of providers.
func (r *Runtime) receipts() (*receipt.Service, error) {
	c := r.Config.Receipts
	key, err := c.SendGridPublicKey()
	if err != nil {
		return nil, fmt.Errorf("SENDGRID_WEBHOOK_KEY %w", err)
	}
	bounces, err := c.Bounces()
	if err != nil {
		return nil, fmt.Errorf("BOUNCE_DOMAIN %w", err)
	}
	s := receipt.New(receipt.Config{Secret: c.Secret.Reveal(), PublicURL: r.Config.HTTP.PublicURL,
		SESTopics: c.SESTopics, SNSEndpoint: c.SNSEndpoint, SendGridKey: key, TwilioToken: r.Config.SMS.AuthToken.Reveal(), Bounces: bounces}, r.Ledger.Receipts, r.Log)
	for _, m := range s.Collectors() {
		if err := r.Metrics.Register(m); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return s, nil
}

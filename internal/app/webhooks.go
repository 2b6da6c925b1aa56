package app

import (
	"fmt"

	"schoolbell/internal/publicdial"
	"schoolbell/internal/webhook"
)

// openWebhooks sets up what manages webhooks and sends their messages.
func (r *Runtime) openWebhooks() error {
	allowed, err := r.Config.HTTP.Outbound()
	if err != nil {
		return fmt.Errorf("OUTBOUND_ALLOW: %w", err)
	}
	r.Webhooks = webhook.New(webhook.Config{Store: r.Ledger.Webhooks, Progress: r.Ledger.Reports.Progress, Guard: publicdial.New(allowed), Logger: r.Log})
	for _, m := range r.Webhooks.Collectors() {
		if err := r.Metrics.Register(m); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	return nil
}

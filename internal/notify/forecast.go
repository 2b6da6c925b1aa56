package notify

import (
	"context"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// Forecasts tells how long so many units of messages of a new event take on channels, behind those that wait in its lane now unless
// it starts later. Channels without a quota are left out.
func (p *Pipeline) Forecasts(ctx context.Context, ev *schoolbell.Event, units map[schoolbell.Channel]int) (map[schoolbell.Channel]ledger.ChannelForecast, error) {
	found := map[schoolbell.Channel]ledger.ChannelForecast{}
	waiting, err := p.waiting(ctx, ev)
	if err != nil {
		return nil, err
	}
	for ch, n := range units {
		gate := p.newQuotaGate(ch, ev.Lane)
		if gate == nil || n == 0 {
			continue
		}
		f := ledger.ChannelForecast{Quota: gate.renew(ctx), Waiting: waiting[ch]}
		if !f.Quota.Limits() {
			continue
		}
		if f.Forecast, err = p.ledger.Quotas.Forecast(ctx, f.Quota, ev.Lane, n+f.Quota.Units(f.Waiting)); err != nil {
			return nil, err
		}
		found[ch] = f
	}
	return found, nil
}

// waiting returns about how many messages on each channel are sent before those of a new event.
func (p *Pipeline) waiting(ctx context.Context, ev *schoolbell.Event) (map[schoolbell.Channel]int, error) {
	if ev.Status == schoolbell.EventScheduled || len(p.cfg.Quotas)+len(p.cfg.ProviderQuotas) == 0 {
		return nil, nil
	}
	return p.ledger.Previews.Waiting(ctx, ev.Lane)
}

// Quiet returns what tells how long a message of a new event waits for the end of a recipient's quiet hours, if it is sent
// when the event starts. It is for one goroutine.
func (p *Pipeline) Quiet(ev *schoolbell.Event) func(to ledger.Recipient) time.Duration {
	if !hasQuietHours(ev) {
		return func(ledger.Recipient) time.Duration { return 0 }
	}
	quiet := quietHours{school: p.cfg.School(), now: p.cfg.Now()}
	if ev.SendAt.After(quiet.now) {
		quiet.now = ev.SendAt
	}
	return quiet.wait
}

package channel

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"schoolbell"
	"schoolbell/internal/channel/push"
	"schoolbell/internal/config"
	"schoolbell/internal/publicdial"
)

// pushTimeout is for one request to a push service. A push service that is slower holds up the messages of others.
const pushTimeout = 15 * time.Second

// openPush opens Web Push with the keys of the settings.
func openPush(cfg *config.Config, log *slog.Logger, _ *Set) (Provider, error) {
	p, err := newPush(cfg, log)
	if err != nil {
		return nil, err
	}
	return pushProvider{p}, nil
}

func newPush(cfg *config.Config, log *slog.Logger) (*push.Push, error) {
	key, err := cfg.Push.Key()
	if err != nil {
		return nil, fmt.Errorf("PUSH_PRIVATE_KEY: %w", err)
	}
	allowed, err := cfg.HTTP.Outbound()
	if err != nil {
		return nil, fmt.Errorf("OUTBOUND_ALLOW: %w", err)
	}
	return push.New(push.Config{
		Key: key, Subject: cfg.Push.Subject, Services: cfg.Push.Services, Guard: publicdial.New(allowed),
		Connections: cfg.Push.Connections, UrgentShare: cfg.Queue.UrgentShare, Timeout: pushTimeout, Logger: log,
	})
}

// pushProvider is Web Push as a Provider.
type pushProvider struct{ *push.Push }

// Lane implements Provider.
func (p pushProvider) Lane(lane schoolbell.Lane) Sender { return p.Push.Lane(lane) }

func pushSetUp(cfg *config.Config) bool { return cfg.Push.SetUp() }

func diagnosePush(ctx context.Context, cfg *config.Config) Diagnosis {
	p, err := newPush(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return Diagnosis{Detail: err.Error(), Fix: "check the PUSH settings", Broken: true}
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(ctx, diagnoseTimeout)
	defer cancel()
	if err := p.Check(ctx); err != nil {
		return Diagnosis{Detail: err.Error(), Fix: "let this machine connect to the hosts of PUSH_SERVICES", Broken: true}
	}
	return Diagnosis{Detail: "a push service can be reached"}
}

package push

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/internal/channel/calls"
	"schoolbell/internal/channel/push/vapid"
	"schoolbell/internal/publicdial"
)

// Config says how messages are sent.
type Config struct {
	Key         *vapid.Key
	Subject     string // how a push service contacts the sender: mailto: or https:
	Services    Services
	Guard       *publicdial.Guard
	Connections int           // requests in flight at most, over both lanes
	UrgentShare int           // percent of Connections that only urgent messages use
	Timeout     time.Duration // of one request
	Logger      *slog.Logger
}

// Push sends messages to browsers. It is safe for concurrent use.
type Push struct {
	cfg    Config
	calls  *calls.Sender
	client *http.Client
	tokens *vapid.Tokens
	rests  *rests
	now    func() time.Time
}

// New returns a sender. It connects to nothing yet.
func New(cfg Config) (*Push, error) {
	if cfg.Key == nil || cfg.Guard == nil || cfg.Connections < 1 || cfg.Timeout <= 0 {
		return nil, errors.New("push needs a key, a guard, connections and a timeout")
	}
	p := &Push{cfg: cfg, client: cfg.Guard.NewClient(cfg.Connections), tokens: vapid.NewTokens(cfg.Key, cfg.Subject), rests: newRests(), now: time.Now}
	p.calls = calls.New(calls.Config{Connections: cfg.Connections, UrgentShare: cfg.UrgentShare, Timeout: cfg.Timeout, Call: p.call})
	return p, nil
}

// Lane returns the sender of a lane. Both lanes share the connections.
func (p *Push) Lane(lane schoolbell.Lane) calls.LaneSender { return p.calls.Lane(lane) }

// Check reports CodeUnavailable if none of the push services that have a name of their own can be connected to. What they
// would say about a message, only a message shows.
func (p *Push) Check(ctx context.Context) error {
	addresses := p.cfg.Services.exact()
	if len(addresses) == 0 {
		return nil
	}
	var failed []string
	for _, address := range addresses {
		conn, err := p.cfg.Guard.DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		failed = append(failed, address+": "+cause(err))
	}
	return &schoolbell.Error{Code: schoolbell.CodeUnavailable, Message: "no push service can be reached: " + strings.Join(failed, "; ")}
}

// Close closes connections that are not in use.
func (p *Push) Close() error {
	p.client.CloseIdleConnections()
	return nil
}

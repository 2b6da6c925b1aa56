// Package channel knows every channel and every provider: which of them the settings set
// up, how to open them, and how to check them. A new channel is a package below this one,
// its settings, and a line in kinds.
package channel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"schoolbell"
	"schoolbell/internal/config"
	"schoolbell/internal/embedded"
	"schoolbell/internal/ledger"
)

// Sender sends messages of one channel and lane. It is safe for concurrent use.
type Sender interface {
	// Send tries each message at most once and calls done exactly once for each,
	// perhaps from several goroutines at once, always before it returns. When ctx
	// ends, messages not yet offered to the provider are VerdictUntried.
	Send(ctx context.Context, msgs []schoolbell.Message, done func(i int, r schoolbell.Result))
}

// Provider reaches people over one channel. It is safe for concurrent use.
type Provider interface {
	// Lane returns the sender of a lane. What the provider has a limited number of, such as
	// connections, the lanes share; URGENT_SHARE of it is left to urgent messages.
	Lane(lane schoolbell.Lane) Sender

	// Check reports whether the provider would accept messages now, and sends none.
	Check(ctx context.Context) error

	// Close ends the provider's connections, once Send has returned.
	Close() error
}

// Channel is one way to reach people, as the settings set it up.
type Channel struct {
	Name     schoolbell.Channel
	Provider Provider // nil for the inbox, which the pipeline fills itself
}

// InUse names the provider that sends now; empty for SMTP alone.
func (c Channel) InUse() string {
	if f, ok := c.Provider.(interface{ InUse() string }); ok {
		return f.InUse()
	}
	return ""
}

// kind is a channel that this program knows.
type kind struct {
	name     schoolbell.Channel
	info     ledger.ChannelInfo                    // its Name is name
	receipts func(cfg *config.Config) bool         // whether its provider tells, by receipts, which messages it has; nil for never
	quota    func(cfg *config.Config) ledger.Quota // its rate and daily limit; nil for none
	setUp    func(cfg *config.Config) bool
	open     func(cfg *config.Config, log *slog.Logger, s *Set) (Provider, error)
	diagnose func(ctx context.Context, cfg *config.Config) Diagnosis
	runnable func(cfg *config.Config) error // whether a worker of its own may run it
}

// kinds are all channels, in the order in which they are shown.
var kinds = []kind{
	{name: schoolbell.ChannelInApp, setUp: always},
	{name: schoolbell.ChannelEmail, setUp: always, info: ledger.ChannelInfo{Addressed: true}, quota: emailQuota, receipts: emailReceipts, open: openEmail, diagnose: diagnoseEmail, runnable: emailRunnable},
	{name: schoolbell.ChannelSMS, setUp: smsSetUp, info: ledger.ChannelInfo{Addressed: true}, quota: smsQuota, receipts: smsReceipts, open: openSMS, diagnose: diagnoseSMS},
	{name: schoolbell.ChannelPush, setUp: pushSetUp, info: ledger.ChannelInfo{Addressed: true, EveryAddress: true}, open: openPush, diagnose: diagnosePush},
}

func always(*config.Config) bool { return true }

// Names returns the channels that the settings set up, in the order in which they are shown.
func Names(cfg *config.Config) (names []schoolbell.Channel) {
	for _, k := range kinds {
		if k.setUp(cfg) {
			names = append(names, k.name)
		}
	}
	return names
}

// Infos returns what the ledger must know of the channels that the settings set up.
func Infos(cfg *config.Config) (infos []ledger.ChannelInfo) {
	for _, k := range kinds {
		if k.setUp(cfg) {
			info := k.info
			info.Name = k.name
			infos = append(infos, info)
		}
	}
	return infos
}

// Quotas returns the quotas of the channels that the settings limit.
func Quotas(cfg *config.Config) map[schoolbell.Channel]ledger.Quota {
	quotas := make(map[schoolbell.Channel]ledger.Quota)
	for _, k := range kinds {
		if k.quota == nil || !k.setUp(cfg) {
			continue
		}
		q := k.quota(cfg)
		q.Name, q.UrgentShare = string(k.name), cfg.Queue.UrgentShare
		if q.Limits() {
			quotas[k.name] = q
		}
	}
	return quotas
}

// Holds returns for how long deliveries await a receipt, for the channels whose provider sends receipts.
func Holds(cfg *config.Config) map[schoolbell.Channel]time.Duration {
	holds := make(map[schoolbell.Channel]time.Duration)
	for _, k := range kinds {
		if k.receipts != nil && k.setUp(cfg) && k.receipts(cfg) && cfg.Receipts.Hold > 0 {
			holds[k.name] = cfg.Receipts.Hold
		}
	}
	return holds
}

// Set holds the channels that a process has opened.
type Set struct {
	// Catcher captures email instead of a mail server. It is nil when one is set up.
	Catcher *embedded.MailCatcher

	channels []Channel
	infra    []func(ctx context.Context) error
	closers  []func() error
}

// Open opens the provider of every channel that the settings set up, without connecting to
// it. The caller closes the set.
func Open(cfg *config.Config, log *slog.Logger) (*Set, error) {
	s := &Set{}
	for _, k := range kinds {
		if !k.setUp(cfg) {
			continue
		}
		c := Channel{Name: k.name}
		if k.open != nil {
			p, err := k.open(cfg, log, s)
			if err != nil {
				return nil, errors.Join(fmt.Errorf("set up channel %s: %w", k.name, err), s.Close())
			}
			c.Provider = p
			s.closers = append(s.closers, p.Close)
		}
		s.channels = append(s.channels, c)
	}
	return s, nil
}

// Channels returns the channels in the order in which they are shown.
func (s *Set) Channels() []Channel { return s.channels }

// ProviderQuotas returns functions that tell what a provider allows now, of the channels whose provider knows: messages
// in a second and in 24 hours, each 0 for no limit.
func (s *Set) ProviderQuotas() map[schoolbell.Channel]func(ctx context.Context) (rate float64, daily int) {
	quotas := make(map[schoolbell.Channel]func(ctx context.Context) (rate float64, daily int))
	for _, c := range s.channels {
		if q, ok := c.Provider.(quotaTeller); ok && tells(c.Provider) {
			quotas[c.Name] = q.Quota
		}
	}
	return quotas
}

// Infra returns the servers in this process that providers use. Each runs until its
// context ends, and must outlive every Send.
func (s *Set) Infra() []func(ctx context.Context) error { return s.infra }

// Close closes the providers, the latest first.
func (s *Set) Close() error {
	var err error
	for i := len(s.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, s.closers[i]())
	}
	s.closers = nil
	return err
}

// Runnable returns an error with advice if a worker process must not run with these
// settings.
func Runnable(cfg *config.Config) error {
	for _, k := range kinds {
		if k.runnable == nil || !k.setUp(cfg) {
			continue
		}
		if err := k.runnable(cfg); err != nil {
			return err
		}
	}
	return nil
}

// Diagnosis is what the check of a channel found.
type Diagnosis struct {
	Channel schoolbell.Channel
	Detail  string
	Fix     string // what to do about it; empty if nothing is wrong
	Broken  bool   // nothing can be sent; false with a Fix is a warning
}

// Diagnose checks every channel that the settings set up and that has a provider.
func Diagnose(ctx context.Context, cfg *config.Config) (found []Diagnosis) {
	for _, k := range kinds {
		if k.diagnose == nil || !k.setUp(cfg) {
			continue
		}
		d := k.diagnose(ctx, cfg)
		d.Channel = k.name
		found = append(found, d)
	}
	return found
}

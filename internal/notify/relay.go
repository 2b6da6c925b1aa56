package notify

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"schoolbell/bullmq"
	"schoolbell/internal/ledger"
	"schoolbell/internal/outage"
)

const (
	relayInterval = time.Second // between searches for events that other processes left behind
	relayPage     = 100         // events
)

// RunRelay brings accepted events into the queue and repairs the queue from the
// ledger: at once after Create in this process, every second for events left
// behind by others, and every few seconds for jobs that are missing. It runs until ctx ends and
// continues through outages of Redis and the ledger. Any number of processes may run it on one ledger.
func (p *Pipeline) RunRelay(ctx context.Context) error {
	box := &outbox{ledger: p.ledger.Waves, queues: p.queues, accepted: p.accepted, log: p.log}
	rec := &reconciler{events: p.ledger.Events, waves: p.ledger.Waves, queues: p.queues, rebuild: p.rebuilder(), changed: p.changed, log: p.log,
		paused: map[*bullmq.Queue]bool{}}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return box.Run(ctx) })
	g.Go(func() error { return rec.Run(ctx) })
	g.Go(func() error { return p.runForgetting(ctx) })
	g.Go(func() error { return p.runOrphanRemoval(ctx) })
	return g.Wait()
}

// outbox brings accepted events into the queue. The event's row in the ledger is the
// promise; its job follows.
type outbox struct {
	ledger   ledger.Waves
	queues   *queues
	accepted <-chan struct{}
	log      *slog.Logger
	down     outage.Log
}

// notifyOutbox never waits: an outbox that is already told will see this event too.
func (p *Pipeline) notifyOutbox() {
	select {
	case p.accepted <- struct{}{}:
	default:
	}
}

// Run looks for events without a job until ctx ends: when told of one, and every second.
func (o *outbox) Run(ctx context.Context) error {
	tick := time.NewTicker(relayInterval)
	defer tick.Stop()
	for {
		err := o.relayAll(ctx)
		o.down.Note(ctx, o.log, slog.LevelError, "relay events to the queue", err)
		select {
		case <-ctx.Done():
			return nil
		case <-o.accepted:
		case <-tick.C:
		}
	}
}

// relayAll adds a job for every wave that has none yet. After a crash between the add and
// the mark, the add is repeated; it does nothing if a job with that id exists.
func (o *outbox) relayAll(ctx context.Context) error {
	for {
		waves, err := o.ledger.UnqueuedWaves(ctx, relayPage)
		if err != nil {
			return fmt.Errorf("read unqueued events: %w", err)
		}
		if len(waves) == 0 {
			return nil
		}
		if err := o.queues.addEvents(ctx, waves); err != nil {
			return err
		}
		refs := make([]ledger.WaveRef, len(waves))
		for i, w := range waves {
			refs[i] = w.WaveRef
		}
		if err := o.ledger.MarkQueued(ctx, refs); err != nil {
			return fmt.Errorf("mark events queued: %w", err)
		}
		if len(waves) < relayPage {
			return nil
		}
	}
}

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
	relayInterval     = time.Second     // between looks for events other processes left behind
	reconcileInterval = 5 * time.Second // between looks whether open events have their jobs
	batchCheckEvery   = 6               // of these looks, the one that also looks at every open batch
	relayPage         = 100
	queueTimeout      = 10 * time.Second // for one round of work against Redis
)

// wakeup names an event whose jobs do not fit its ledger row just now.
type wakeup struct {
	eventID   string
	cancelled bool
}

func (p *Pipeline) wakeRelay() {
	select {
	case p.wake <- struct{}{}:
	default: // it is awake already
	}
}

// callRelay never waits: if the relay is busy the reconciler will see the event anyway.
func (p *Pipeline) callRelay(a wakeup) {
	select {
	case p.attend <- a:
	default:
	}
}

// RunRelay brings accepted events into the queue and repairs the queue from the
// ledger: at once after Create in this process, every second for events left
// behind by others, and every few seconds for jobs that went missing. It runs until ctx ends and
// continues through outages of Redis and the ledger. Any number of processes may run it on one ledger.
func (p *Pipeline) RunRelay(ctx context.Context) error {
	r := &relay{Pipeline: p, paused: map[*bullmq.Queue]bool{}}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.runOutbox(ctx) })
	g.Go(func() error { return r.runReconciler(ctx) })
	g.Go(func() error { return r.runForgetting(ctx) })
	g.Go(func() error { return r.runOrphanRemoval(ctx) })
	return g.Wait()
}

type relay struct {
	*Pipeline
	outboxDown, reconcilerDown outage.Log
	untilFull                  int                    // rounds of the reconciler until the one that looks at every open batch
	paused                     map[*bullmq.Queue]bool // which queues were paused in the last round
}

func (r *relay) runOutbox(ctx context.Context) error {
	tick := time.NewTicker(relayInterval)
	defer tick.Stop()
	for {
		err := r.relayAll(ctx)
		r.outboxDown.Note(ctx, r.log, slog.LevelError, "relay events to the queue", err)
		select {
		case <-ctx.Done():
			return nil
		case <-r.wake:
		case <-tick.C:
		}
	}
}

// relayAll adds a job for every event that has none yet. A crash between the
// add and the mark repeats the add, which an existing job id turns into nothing.
func (r *relay) relayAll(ctx context.Context) error {
	for {
		events, err := r.ledger.UnqueuedEvents(ctx, relayPage)
		if err != nil {
			return fmt.Errorf("read unqueued events: %w", err)
		}
		if len(events) == 0 {
			return nil
		}
		if err := r.addEvents(ctx, events); err != nil {
			return err
		}
		ids := make([]string, len(events))
		for i, ev := range events {
			ids[i] = ev.ID
		}
		if err := r.ledger.MarkQueued(ctx, ids); err != nil {
			return fmt.Errorf("mark events queued: %w", err)
		}
		if len(events) < relayPage {
			return nil
		}
	}
}

func (p *Pipeline) addEvents(ctx context.Context, events []ledger.QueuedEvent) error {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	specs := make([]bullmq.JobSpec, len(events))
	for i, ev := range events {
		specs[i] = p.eventJob(ev)
	}
	if _, err := p.events.AddBulk(ctx, specs); err != nil {
		return fmt.Errorf("add event jobs: %w", err)
	}
	return nil
}

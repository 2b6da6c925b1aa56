package notify

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/outage"
)

const (
	relayInterval = time.Second // between searches for events that other processes left behind
	relayPage     = 100         // events
	relayBacklog  = 1_024       // events that wait for the outbox; a search finds further ones
)

// RunRelay brings accepted events into the queue and repairs the queue from the
// ledger: at once after Create in this process, every second for events left
// behind by others and for scheduled ones that start soon, and every half a minute, or when Redis has lost its
// data, for jobs that are missing. It also makes digests. It runs until ctx ends and
// continues through outages of Redis and the ledger. Any number of processes may run it on one ledger.
func (p *Pipeline) RunRelay(ctx context.Context) error {
	box := &outbox{ledger: p.ledger.Waves, queues: p.queues, rebuild: p.rebuilder(), ahead: p.cfg.Ahead, accepted: p.accepted, search: p.search, log: p.log}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return box.Run(ctx) })
	g.Go(func() error { return p.reconciler().Run(ctx) })
	g.Go(func() error { return p.runOrphanRemoval(ctx) })
	g.Go(func() error { return p.runDelayedRequests(ctx) })
	g.Go(func() error { return p.runDigests(ctx) })
	return g.Wait()
}

// outbox brings accepted events into the queue. The event's row in the ledger is the
// promise; its job follows.
type outbox struct {
	ledger   ledger.Waves
	queues   *queues
	rebuild  *rebuilder
	ahead    time.Duration            // how long before their start waves get their jobs
	accepted <-chan ledger.QueuedWave // that start now, from this process
	search   <-chan struct{}          // tells it to look into the ledger at once
	log      *slog.Logger
	down     outage.Log

	added []ledger.WaveRef // have their jobs and are not marked queued yet
}

// notifyOutbox hands the outbox a new event that starts now, so that it adds its job without
// reading the ledger. For one that starts soon it must read how long that is by the clock of the database. One that starts
// later is found by a search when its time has come. It never waits: what an outbox is too busy for, its next search finds.
func (p *Pipeline) notifyOutbox(ev *schoolbell.Event) {
	if ev.JobID != "" {
		return // the job that asked for the event is there, unless Redis has lost it
	}
	if ev.Status == schoolbell.EventScheduled {
		if time.Until(ev.SendAt) > p.cfg.Ahead {
			return
		}
		p.searchOutbox()
		return
	}
	select {
	case p.accepted <- ledger.QueuedWave{WaveRef: eventRef(ev), Lane: ev.Lane}:
	default:
	}
}

// searchOutbox lets the outbox look into the ledger at once.
func (p *Pipeline) searchOutbox() {
	select {
	case p.search <- struct{}{}:
	default:
	}
}

// Run adds the jobs of events that it is handed, and searches for events without a job when told to and
// every second, until ctx ends.
func (o *outbox) Run(ctx context.Context) error {
	tick := time.NewTicker(relayInterval)
	defer tick.Stop()
	o.note(ctx, o.relayAll(ctx))
	for {
		select {
		case <-ctx.Done():
			o.markLast(ctx)
			return nil
		case wave := <-o.accepted:
			o.note(ctx, o.relayWith(ctx, wave))
		case <-o.search:
			o.note(ctx, o.relayAll(ctx))
		case <-tick.C:
			o.note(ctx, o.relayAll(ctx))
		}
	}
}

func (o *outbox) note(ctx context.Context, err error) {
	o.down.Note(ctx, o.log, slog.LevelError, "relay events to the queue", err)
}

// relayWith adds the jobs of a wave that it was handed and of those that were handed meanwhile. If that
// fails, the next search finds them.
func (o *outbox) relayWith(ctx context.Context, wave ledger.QueuedWave) error {
	waves := []ledger.QueuedWave{wave}
	for more := true; more && len(waves) < relayPage; {
		select {
		case wave := <-o.accepted:
			waves = append(waves, wave)
		default:
			more = false
		}
	}
	if err := o.add(ctx, waves); err != nil {
		return err
	}
	if len(o.added) < relayPage {
		return nil
	}
	return o.mark(ctx)
}

// relayAll adds a job for every wave that starts soon and has none yet. After a crash between the add and
// the mark, the add is repeated; it does nothing if a job with that id exists.
func (o *outbox) relayAll(ctx context.Context) error {
	for {
		if err := o.mark(ctx); err != nil {
			return err
		}
		waves, err := o.ledger.UnqueuedWaves(ctx, o.ahead, relayPage)
		if err != nil {
			return fmt.Errorf("read unqueued events: %w", err)
		}
		if len(waves) == 0 {
			return nil
		}
		if err := o.add(ctx, waves); err != nil {
			return err
		}
	}
}

// add adds the jobs of waves, which are marked queued later, many in one transaction.
func (o *outbox) add(ctx context.Context, waves []ledger.QueuedWave) error {
	missing, err := o.rebuild.withoutNumbers(ctx, waves)
	if err != nil {
		return err
	}
	if err := o.queues.addEvents(ctx, missing); err != nil {
		return err
	}
	for _, w := range waves {
		o.added = append(o.added, w.WaveRef)
	}
	return nil
}

// mark marks the waves queued that were added. A fan-out marks its wave too, so most are marked already.
func (o *outbox) mark(ctx context.Context) error {
	if len(o.added) == 0 {
		return nil
	}
	if err := o.ledger.MarkQueued(ctx, o.added); err != nil {
		return fmt.Errorf("mark events queued: %w", err)
	}
	o.added = o.added[:0]
	return nil
}

// markLast is mark when ctx has ended. If it fails, another process adds the jobs again, which does nothing.
func (o *outbox) markLast(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), queueTimeout)
	defer cancel()
	if err := o.mark(ctx); err != nil {
		o.log.Warn("events were not marked queued before the stop; their jobs are added again", "events", len(o.added), "error", err)
	}
}

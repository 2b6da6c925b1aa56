package notify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"schoolbell"
	"schoolbell/bullmq"
)

// RunWorkers works the queues of events and of channels in both lanes. Each channel has
// its senders. When ctx ends it claims nothing more, lets what is being sent finish
// within Config.Grace, hands every unfinished job and row back at no attempt, and
// returns once all has stopped. It continues through outages of Redis and the ledger.
func (p *Pipeline) RunWorkers(ctx context.Context, renderer Renderer, senders map[schoolbell.Channel]Senders) error {
	leases, traffic := newLeaseKeeper(p.ledger.Leases, p.cfg.WorkerName, p.log), newTraffic(p.ledger.Traffic, p.log)
	workers, err := p.newWorkers(leases, traffic, renderer, senders)
	if err != nil {
		return err
	}
	// The lease outlives the workers: it covers their rows until the last is recorded. So do the counts of messages.
	keepCtx, endKeeping := context.WithCancel(context.WithoutCancel(ctx))
	defer endKeeping()
	var keepers errgroup.Group
	keepers.Go(func() error { return leases.Run(keepCtx) })
	keepers.Go(func() error { return traffic.Run(keepCtx) })

	g, runCtx := errgroup.WithContext(ctx)
	for _, w := range workers {
		g.Go(func() error { return w.Run(runCtx) })
	}
	err = g.Wait()
	endKeeping()
	return errors.Join(err, keepers.Wait())
}

func (p *Pipeline) newWorkers(leases *leaseKeeper, traffic *traffic, renderer Renderer, senders map[schoolbell.Channel]Senders) ([]*bullmq.Worker, error) {
	handlers, err := p.handlers(leases, traffic, renderer, senders)
	if err != nil {
		return nil, err
	}
	var all []*bullmq.Worker
	ready := p.countdown(len(handlers))
	for _, lane := range schoolbell.Lanes() {
		for _, q := range p.queues.of(lane) {
			w, err := bullmq.NewWorker(p.rdb, q.Name(), handlers[q], p.workerOptions(q, lane, ready))
			if err != nil {
				return nil, fmt.Errorf("worker of queue %s: %w", q.Name(), err)
			}
			all = append(all, w)
		}
	}
	return all, nil
}

// handlers returns the handler of each queue.
func (p *Pipeline) handlers(leases *leaseKeeper, traffic *traffic, renderer Renderer, senders map[schoolbell.Channel]Senders) (map[*bullmq.Queue]bullmq.Handler, error) {
	handlers := make(map[*bullmq.Queue]bullmq.Handler)
	inPlace := make(map[schoolbell.Lane]*inPlace)
	for _, lane := range schoolbell.Lanes() {
		inPlace[lane] = newInPlace(p.cfg, lane, p.ledger.Waves, p.log)
		f := &fanOut{inPlace: inPlace[lane], asked: p.requests(), waves: p.ledger.Waves, cfg: p.cfg, lane: lane, events: p.ledger.Events, fanOuts: p.ledger.FanOuts, queues: p.queues,
			rebuild: p.rebuilder(), metrics: p.metrics, traffic: traffic, log: p.log}
		handlers[p.queues.events(lane)] = f.handle
	}
	advancer := newAdvancer(p.ledger.Deliveries)
	progress := newProgressReporter(p.ledger.Events, p.queues, p.log)
	for _, ch := range p.cfg.Channels {
		if ch == schoolbell.ChannelInApp {
			continue
		}
		throttle := new(throttle) // a provider's wish concerns both lanes
		for _, lane := range schoolbell.Lanes() {
			sender := senders[ch].of(lane)
			if sender == nil {
				return nil, fmt.Errorf("channel %s has no provider", ch)
			}
			d := &deliverer{cfg: p.cfg, events: p.ledger.Events, advancer: advancer, metrics: p.metrics, traffic: traffic, log: p.log,
				channel: ch, lane: lane, sender: sender, queue: p.queues.batches(lane, ch), other: p.queues.batches(otherLane(lane), ch),
				renderer: renderer, leases: leases, throttle: throttle, progress: progress,
				gate: p.newQuotaGate(ch, lane)}
			handlers[p.queues.batches(lane, ch)] = d.handle
			inPlace[lane].deliverers[ch] = d
		}
	}
	return handlers, nil
}

func otherLane(lane schoolbell.Lane) schoolbell.Lane {
	if lane == schoolbell.LaneUrgent {
		return schoolbell.LaneNormal
	}
	return schoolbell.LaneUrgent
}

// countdown returns a function that closes p.ready at its nth call.
func (p *Pipeline) countdown(n int) func() {
	var mu sync.Mutex
	return func() {
		mu.Lock()
		defer mu.Unlock()
		if n--; n == 0 {
			close(p.ready)
		}
	}
}

// slots returns how many jobs of a queue run at once in this process.
func (p *Pipeline) slots(q *bullmq.Queue, lane schoolbell.Lane) int {
	if q == p.queues.events(lane) {
		return p.cfg.eventSlots(lane)
	}
	return p.cfg.slots(lane)
}

// countedMinutes is for how many minutes Redis has the number of finished jobs, which the panel and BullMQ's dashboards show.
const countedMinutes = 60

func (p *Pipeline) workerOptions(q *bullmq.Queue, lane schoolbell.Lane, ready func()) bullmq.WorkerOptions {
	return bullmq.WorkerOptions{
		Prefix:          p.cfg.Prefix,
		Name:            p.cfg.WorkerName,
		Concurrency:     p.slots(q, lane),
		LockDuration:    lockDuration,
		StalledInterval: stalledInterval,
		DrainDelay:      drainDelay,
		MaxStalledCount: -1, // a crash costs no attempt, however often
		Limiter:         p.limiter(q),
		HeedRateLimit:   q != p.queues.events(lane), // a provider may have asked for a pause
		Backoffs:        map[string]bullmq.BackoffFunc{backoffStrategy: p.cfg.backoff},
		Grace:           p.cfg.Grace,
		Logger:          p.log,
		MetricsPoints:   countedMinutes,
		Hooks: bullmq.WorkerHooks{
			OnReady: ready,
			OnRetry: func(job *bullmq.Job, err error, wait time.Duration) {
				p.log.Warn("job attempt failed", "queue", q.Name(), "job", short(job.ID), "attempt", job.Attempt(), "again_in", wait, "error", short(err.Error()))
			},
			OnFailed: func(job *bullmq.Job, err error) {
				p.log.Error("job failed", "queue", q.Name(), "job", short(job.ID), "error", short(err.Error()))
			},
		},
	}
}

// limiter is the rate limit of event jobs of the normal lane; others have none.
func (p *Pipeline) limiter(q *bullmq.Queue) *bullmq.Limiter {
	if q != p.queues.events(schoolbell.LaneNormal) || p.cfg.RateMax <= 0 {
		return nil
	}
	return &bullmq.Limiter{Max: p.cfg.RateMax, Duration: p.cfg.RateDuration}
}

// maxLogged is the length of a logged text, in bytes.
const maxLogged = 500

// short cuts a text of a job, which another program may have written, for the log.
func short(s string) string {
	if len(s) > maxLogged {
		s = s[:maxLogged] + "…"
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

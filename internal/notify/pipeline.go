package notify

import (
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/ledger"
)

// Pipeline takes events from a school's app to its people. A process that
// accepts events calls Create and runs RunRelay; one that works calls
// RunWorkers as well. It is safe for concurrent use.
type Pipeline struct {
	cfg     Config
	ledger  ledger.Store
	rdb     redis.UniversalClient
	log     *slog.Logger
	metrics *Metrics

	events  *bullmq.Queue
	batches map[schoolbell.Channel]*bullmq.Queue // one for each channel but in_app

	wake   chan struct{} // an event was accepted
	attend chan wakeup   // an event needs the relay's eye at once
	ready  chan struct{}
}

// New returns a pipeline over the ledger and the queues in Redis. It sends
// nothing yet, and works on while Redis is unavailable. Store and client stay the
// caller's, who closes them after every Run has returned.
func New(store ledger.Store, rdb redis.UniversalClient, cfg Config, log *slog.Logger) (*Pipeline, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	p := &Pipeline{
		cfg: cfg, ledger: store, rdb: rdb, log: log, metrics: newMetrics(),
		batches: make(map[schoolbell.Channel]*bullmq.Queue),
		wake:    make(chan struct{}, 1),
		attend:  make(chan wakeup, 256),
		ready:   make(chan struct{}),
	}
	var err error
	if p.events, err = p.newQueue(cfg.QueueName); err != nil {
		return nil, err
	}
	for _, ch := range cfg.Channels {
		if ch == schoolbell.ChannelInApp {
			continue // done by the fan-out itself
		}
		if p.batches[ch], err = p.newQueue(p.channelQueue(ch)); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *Pipeline) newQueue(name string) (*bullmq.Queue, error) {
	q, err := bullmq.NewQueue(p.rdb, name, bullmq.QueueOptions{Prefix: p.cfg.Prefix})
	if err != nil {
		return nil, fmt.Errorf("queue %s: %w", name, err)
	}
	return q, nil
}

func (p *Pipeline) channelQueue(ch schoolbell.Channel) string {
	return p.cfg.QueueName + "-" + string(ch)
}

// Queues returns the queues of the pipeline: the events' first, then one for
// each channel in their usual order.
func (p *Pipeline) Queues() []*bullmq.Queue {
	queues := []*bullmq.Queue{p.events}
	for _, ch := range schoolbell.Channels() {
		if q := p.batches[ch]; q != nil {
			queues = append(queues, q)
		}
	}
	return queues
}

// Metrics returns the pipeline's counters, for a registry.
func (p *Pipeline) Metrics() *Metrics { return p.metrics }

// Ready is closed once the workers of RunWorkers have reached Redis and the
// ledger and wait for jobs.
func (p *Pipeline) Ready() <-chan struct{} { return p.ready }

package notify

import (
	"log/slog"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq"
	"schoolbell/internal/ledger"
)

// Pipeline takes events from a school's app to its people. A process that
// accepts events calls Create and runs RunRelay; one that works calls
// RunWorkers as well. It is safe for concurrent use.
type Pipeline struct {
	cfg     Config
	ledger  ledger.Stores
	rdb     redis.UniversalClient
	log     *slog.Logger
	metrics *Metrics
	queues  *queues

	accepted chan ledger.QueuedWave // hands the outbox an event that starts now
	search   chan struct{}          // tells the outbox that there is an event that starts later
	changed  chan change            // tells the reconciler of an event
	ready    chan struct{}          // closed when the workers wait for jobs
}

// New returns a pipeline over the ledger and the queues in Redis. It sends
// nothing yet, and does not need Redis yet. Stores and client stay the
// caller's, who closes them after every Run has returned.
func New(stores ledger.Stores, rdb redis.UniversalClient, cfg Config, log *slog.Logger) (*Pipeline, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	queues, err := newQueues(rdb, cfg, log)
	if err != nil {
		return nil, err
	}
	return &Pipeline{
		cfg: cfg, ledger: stores, rdb: rdb, log: log, metrics: newMetrics(), queues: queues,
		accepted: make(chan ledger.QueuedWave, relayBacklog),
		search:   make(chan struct{}, 1),
		changed:  make(chan change, 256),
		ready:    make(chan struct{}),
	}, nil
}

// Queues returns the queues of the pipeline, those of the normal lane first: in each lane
// that of the events, then one for each channel in their usual order.
func (p *Pipeline) Queues() []*bullmq.Queue { return p.queues.all() }

// Metrics returns the pipeline's counters, for a registry.
func (p *Pipeline) Metrics() *Metrics { return p.metrics }

// Ready is closed once the workers of RunWorkers have reached Redis and the
// ledger and wait for jobs.
func (p *Pipeline) Ready() <-chan struct{} { return p.ready }

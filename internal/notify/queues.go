package notify

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/ledger"
)

const queueTimeout = 10 * time.Second // for one round of work against Redis

// queues are the pipeline's queues in Redis, and the jobs in them.
type queues struct {
	cfg     Config
	log     *slog.Logger
	events  *bullmq.Queue
	batches map[schoolbell.Channel]*bullmq.Queue // one for each channel but in_app
}

func newQueues(rdb redis.UniversalClient, cfg Config, log *slog.Logger) (*queues, error) {
	open := func(name string) (*bullmq.Queue, error) {
		q, err := bullmq.NewQueue(rdb, name, bullmq.QueueOptions{Prefix: cfg.Prefix})
		if err != nil {
			return nil, fmt.Errorf("queue %s: %w", name, err)
		}
		return q, nil
	}
	events, err := open(cfg.QueueName)
	if err != nil {
		return nil, err
	}
	batches := make(map[schoolbell.Channel]*bullmq.Queue)
	for _, ch := range cfg.Channels {
		if ch == schoolbell.ChannelInApp {
			continue // the fan-out delivers it
		}
		if batches[ch], err = open(cfg.QueueName + "-" + string(ch)); err != nil {
			return nil, err
		}
	}
	return &queues{cfg: cfg, log: log, events: events, batches: batches}, nil
}

// all returns the queue of events, then those of the channels in the order of the settings.
func (q *queues) all() []*bullmq.Queue {
	all := []*bullmq.Queue{q.events}
	for _, ch := range q.cfg.Channels {
		if batches := q.batches[ch]; batches != nil {
			all = append(all, batches)
		}
	}
	return all
}

// addEvents adds the jobs of waves.
func (q *queues) addEvents(ctx context.Context, waves []ledger.QueuedWave) error {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	specs := make([]bullmq.JobSpec, len(waves))
	for i, w := range waves {
		specs[i] = q.eventJob(w)
	}
	if _, err := q.events.AddBulk(ctx, specs); err != nil {
		return fmt.Errorf("add event jobs: %w", err)
	}
	return nil
}

// addBatches adds the jobs of batches, one round trip a queue.
func (q *queues) addBatches(ctx context.Context, batches []ledger.Batch) error {
	specs := make(map[schoolbell.Channel][]bullmq.JobSpec)
	for _, b := range batches {
		specs[b.Channel] = append(specs[b.Channel], q.batchJob(b))
	}
	for ch, list := range specs {
		batches := q.batches[ch]
		if batches == nil {
			continue // the channel was removed from the settings: its batches wait until it is back
		}
		if _, err := batches.AddBulk(ctx, list); err != nil {
			return fmt.Errorf("add %s batch jobs: %w", ch, err)
		}
	}
	return nil
}

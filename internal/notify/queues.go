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
	cfg   Config
	rdb   redis.UniversalClient
	log   *slog.Logger
	lanes map[schoolbell.Lane]laneQueues
}

// laneQueues are the queues of one lane.
type laneQueues struct {
	events  *bullmq.Queue
	batches map[schoolbell.Channel]*bullmq.Queue // one for each channel but in_app
}

func newQueues(rdb redis.UniversalClient, cfg Config, log *slog.Logger) (*queues, error) {
	q := &queues{cfg: cfg, rdb: rdb, log: log, lanes: make(map[schoolbell.Lane]laneQueues)}
	for _, lane := range schoolbell.Lanes() {
		of, err := openLane(rdb, cfg, lane)
		if err != nil {
			return nil, err
		}
		q.lanes[lane] = of
	}
	return q, nil
}

func openLane(rdb redis.UniversalClient, cfg Config, lane schoolbell.Lane) (laneQueues, error) {
	open := func(name string) (*bullmq.Queue, error) {
		if lane != schoolbell.LaneNormal {
			name += "." + string(lane)
		}
		q, err := bullmq.NewQueue(rdb, name, bullmq.QueueOptions{Prefix: cfg.Prefix})
		if err != nil {
			return nil, fmt.Errorf("queue %s: %w", name, err)
		}
		return q, nil
	}
	events, err := open(cfg.QueueName)
	if err != nil {
		return laneQueues{}, err
	}
	of := laneQueues{events: events, batches: make(map[schoolbell.Channel]*bullmq.Queue)}
	for _, ch := range cfg.Channels {
		if ch == schoolbell.ChannelInApp {
			continue // the fan-out delivers it
		}
		if of.batches[ch], err = open(cfg.QueueName + "-" + string(ch)); err != nil {
			return laneQueues{}, err
		}
	}
	return of, nil
}

// events returns the queue of the event jobs of a lane.
func (q *queues) events(lane schoolbell.Lane) *bullmq.Queue { return q.lanes[lane].events }

// batches returns the queue of the batch jobs of a lane and channel, nil if the channel is not
// in the settings.
func (q *queues) batches(lane schoolbell.Lane, ch schoolbell.Channel) *bullmq.Queue {
	return q.lanes[lane].batches[ch]
}

// of returns the queues of a lane: that of its events, then those of the channels in the order
// of the settings.
func (q *queues) of(lane schoolbell.Lane) []*bullmq.Queue {
	list := []*bullmq.Queue{q.events(lane)}
	for _, ch := range q.cfg.Channels {
		if batches := q.batches(lane, ch); batches != nil {
			list = append(list, batches)
		}
	}
	return list
}

// all returns the queues of each lane, those of the normal one first.
func (q *queues) all() (all []*bullmq.Queue) {
	for _, lane := range schoolbell.Lanes() {
		all = append(all, q.of(lane)...)
	}
	return all
}

// addEvents adds the jobs of waves.
func (q *queues) addEvents(ctx context.Context, waves []ledger.QueuedWave) error {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	for lane, list := range byLane(waves) {
		specs, err := q.eventJobs(ctx, lane, list)
		if err != nil {
			return err
		}
		if _, err := q.events(lane).AddBulk(ctx, specs); err != nil {
			return fmt.Errorf("add event jobs: %w", err)
		}
	}
	return nil
}

func byLane(waves []ledger.QueuedWave) map[schoolbell.Lane][]ledger.QueuedWave {
	lists := make(map[schoolbell.Lane][]ledger.QueuedWave)
	for _, w := range waves {
		lists[w.Lane] = append(lists[w.Lane], w)
	}
	return lists
}

// addBatches adds the jobs of batches of a wave, two round trips a queue.
func (q *queues) addBatches(ctx context.Context, lane schoolbell.Lane, wave ledger.WaveRef, batches []ledger.Batch) error {
	for ch, list := range byChannel(batches) {
		to := q.batches(lane, ch)
		if to == nil {
			continue // the channel was removed from the settings: its batches wait until it is back
		}
		specs, err := q.batchJobs(ctx, lane, wave, list)
		if err != nil {
			return err
		}
		if _, err := to.AddBulk(ctx, specs); err != nil {
			return fmt.Errorf("add %s batch jobs: %w", ch, err)
		}
	}
	return nil
}

func byChannel(batches []ledger.Batch) map[schoolbell.Channel][]ledger.Batch {
	lists := make(map[schoolbell.Channel][]ledger.Batch)
	for _, b := range batches {
		lists[b.Channel] = append(lists[b.Channel], b)
	}
	return lists
}

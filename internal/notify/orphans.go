package notify

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"schoolbell/internal/outage"
)

// orphanInterval is the time between two scans of Redis for jobs that are in no list.
const orphanInterval = time.Hour

// runOrphanRemoval removes jobs that are in no list, every hour until ctx ends.
func (p *Pipeline) runOrphanRemoval(ctx context.Context) error {
	tick := time.NewTicker(orphanInterval)
	defer tick.Stop()
	var down outage.Log
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		_, err := p.RemoveOrphans(ctx)
		down.Note(ctx, p.log, slog.LevelError, "remove orphaned jobs", err)
	}
}

// RemoveOrphans removes jobs that Redis still holds although they are in no list, because
// the list was lost, and returns how many. A job of an open event is added again by the
// reconciler. It scans all keys of the database.
func (p *Pipeline) RemoveOrphans(ctx context.Context) (n int, err error) {
	for _, q := range p.Queues() {
		removed, err := q.RemoveOrphanedJobs(ctx, 0)
		n += len(removed)
		if len(removed) > 0 {
			p.log.Info("orphaned jobs removed from Redis", "queue", q.Name(), "jobs", len(removed))
		}
		if err != nil {
			return n, fmt.Errorf("remove orphaned jobs of queue %s: %w", q.Name(), err)
		}
	}
	return n, nil
}

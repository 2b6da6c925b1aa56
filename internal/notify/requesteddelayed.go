package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/outage"
)

const (
	delayedInterval = 5 * time.Second // between searches of all processes for delayed jobs that ask for events
	delayedTimeout  = time.Minute     // for one search
)

// delayedRequests stores the events that delayed jobs ask for, long before the jobs are due: until then only
// Redis has them. It looks at each job once.
type delayedRequests struct {
	requests *requests
	queues   *queues
	duty     *duty
	log      *slog.Logger
	down     outage.Log
	failed   bool                                    // the last search of this process did not end, or there was none
	seen     map[schoolbell.Lane]map[delayedJob]bool // delayed jobs that do not ask, or have asked
}

// delayedJob is a job that becomes due. A later job with its id, which Redis may give again, has another time.
type delayedJob struct {
	id  string
	due time.Time
}

func (p *Pipeline) runDelayedRequests(ctx context.Context) error {
	if p.cfg.DecodeEvent == nil {
		return nil
	}
	d := &delayedRequests{requests: p.requests(), queues: p.queues, log: p.log, failed: true, seen: map[schoolbell.Lane]map[delayedJob]bool{},
		duty: p.queues.duty("delayed", delayedInterval*9/10)} // shorter than the time between two looks of one process
	tick := time.NewTicker(delayedInterval)
	defer tick.Stop()
	for {
		d.down.Note(ctx, d.log, slog.LevelError, "store the events of delayed jobs", d.search(ctx))
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// search looks at the delayed jobs of each lane that it has not seen, unless it is another process's turn.
func (d *delayedRequests) search(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, delayedTimeout)
	defer cancel()
	if taken, err := d.duty.take(ctx, d.failed); err != nil || !taken {
		return err
	}
	d.failed = true
	for _, lane := range schoolbell.Lanes() {
		if err := d.searchLane(ctx, lane); err != nil {
			return err
		}
	}
	d.failed = false
	return nil
}

func (d *delayedRequests) searchLane(ctx context.Context, lane schoolbell.Lane) error {
	before := d.seen[lane]
	seen := make(map[delayedJob]bool, len(before))
	unseen := make(map[string]delayedJob)
	want := func(id string, due time.Time) bool {
		job := delayedJob{id, due}
		if before[job] {
			seen[job] = true
			return false
		}
		unseen[id] = job
		return true
	}
	var failed error
	for job, err := range d.queues.events(lane).DelayedJobs(ctx, want) {
		if err != nil {
			return fmt.Errorf("read delayed jobs: %w", err)
		}
		if err := d.look(ctx, lane, job); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		seen[unseen[job.ID]] = true
	}
	d.seen[lane] = seen
	return failed
}

// look stores the event that a delayed job asks for. A job of a scheduler keeps its request until it is due, because
// it goes away with its scheduler. So does one with faults, which fails then.
func (d *delayedRequests) look(ctx context.Context, lane schoolbell.Lane, job *bullmq.Job) error {
	if !asksForEvent(job.Name, job.Data) || job.SchedulerID != "" || strings.HasPrefix(job.ID, "repeat:") || job.AttemptsStarted > 0 {
		return nil
	}
	_, err := d.requests.store(ctx, lane, job, job.Timestamp.Add(job.Delay))
	if isFault(err) {
		d.log.Warn("a delayed job asks for an event that is not valid, and will fail when it is due", "queue", job.Queue().Name(), "job", short(job.ID), "error", reasonOf(err))
		return nil
	}
	return err
}

package notify

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq"
)

// repairQueues renames the damaged keys of every queue, reports whether there were any,
// and notes pauses that have ended since the last round.
func (r *relay) repairQueues(ctx context.Context) (renamed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	for _, q := range r.Queues() {
		n, err := r.renameDamaged(ctx, q)
		renamed = renamed || n > 0
		if err == nil {
			err = r.notePause(ctx, q)
		}
		if err != nil {
			return renamed, err
		}
	}
	return renamed, nil
}

// renameDamaged renames keys of q, and of the jobs with these ids, that another
// program has overwritten with another type, and returns how many.
func (p *Pipeline) renameDamaged(ctx context.Context, q *bullmq.Queue, ids ...string) (n int, err error) {
	damaged, err := q.RenameDamaged(ctx, ids...)
	if err != nil {
		return len(damaged), fmt.Errorf("look for damaged keys of queue %s: %w", q.Name(), err)
	}
	for _, d := range damaged {
		p.log.Warn("damaged queue key renamed; its content is rebuilt from the ledger", "key", d.Key, "was", d.Was, "renamed_to", d.NewName)
	}
	return len(damaged), nil
}

// notePause logs the end of a pause. A pause is a field among the queue's settings,
// so that deleting these ends it.
func (r *relay) notePause(ctx context.Context, q *bullmq.Queue) error {
	paused, err := q.IsPaused(ctx)
	if err != nil {
		return fmt.Errorf("look whether queue %s is paused: %w", q.Name(), err)
	}
	if r.paused[q] && !paused {
		r.log.Warn("the queue is no longer paused: it was resumed, or Redis lost its settings", "queue", q.Name())
	}
	r.paused[q] = paused
	return nil
}

// addMissing adds jobs that the queue should have and returns how many it did not
// have. A job that exists and will run is left alone. One that exists and is in no
// state, because a list was lost, is removed and added again.
func (p *Pipeline) addMissing(ctx context.Context, q *bullmq.Queue, specs []bullmq.JobSpec) (added int, err error) {
	if len(specs) == 0 {
		return 0, nil
	}
	jobs, err := q.AddBulk(ctx, specs)
	if err != nil {
		return 0, err
	}
	var again []bullmq.JobSpec
	for i, job := range jobs {
		if !job.Existed {
			added++
			continue
		}
		removed, err := p.removeEnded(ctx, q, specs[i].Options.ID)
		if err != nil {
			return added, err
		}
		if removed {
			again = append(again, specs[i])
		}
	}
	if len(again) == 0 {
		return added, nil
	}
	if jobs, err = q.AddBulk(ctx, again); err != nil {
		return added, err
	}
	for _, job := range jobs {
		if !job.Existed { // else another process was faster
			added++
		}
	}
	return added, nil
}

// removeEnded removes a job that will not run: one that has ended, or is in no state.
// It reports false if the job will run, or is being run by a worker.
func (p *Pipeline) removeEnded(ctx context.Context, q *bullmq.Queue, id string) (removed bool, err error) {
	state, err := q.State(ctx, id)
	switch {
	case err != nil:
		return false, fmt.Errorf("state of job %s: %w", id, err)
	case willRun(state):
		return false, nil
	}
	err = q.Remove(ctx, id, bullmq.RemoveOptions{})
	switch {
	case errors.Is(err, bullmq.ErrJobLocked):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("remove job %s, which will not run: %w", id, err)
	}
	return true, nil
}

// concernsOneJob reports whether err is what Redis said about one job's keys, so that
// other jobs may still be looked at.
func concernsOneJob(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply) && !errors.Is(err, bullmq.ErrUnavailable)
}

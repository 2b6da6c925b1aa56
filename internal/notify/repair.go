package notify

import (
	"context"
	"errors"
	"fmt"

	"schoolbell/bullmq"
)

// renameDamaged renames keys of one queue, and of the jobs with these ids, that another
// program has overwritten with another type, and returns how many.
func (q *queues) renameDamaged(ctx context.Context, of *bullmq.Queue, ids ...string) (n int, err error) {
	damaged, err := of.RenameDamaged(ctx, ids...)
	if err != nil {
		return len(damaged), fmt.Errorf("look for damaged keys of queue %s: %w", of.Name(), err)
	}
	for _, d := range damaged {
		q.log.Warn("damaged queue key renamed; its content is rebuilt from the ledger", "key", d.Key, "was", d.Was, "renamed_to", d.NewName)
	}
	return len(damaged), nil
}

// addMissing adds jobs that the queue should have and returns how many it did not
// have. A job that exists and will run is left alone. One that exists and is in no
// state, because a list was lost, is removed and added again.
func (q *queues) addMissing(ctx context.Context, to *bullmq.Queue, specs []bullmq.JobSpec) (added int, err error) {
	if len(specs) == 0 {
		return 0, nil
	}
	jobs, err := to.AddBulk(ctx, specs)
	if err != nil {
		return 0, err
	}
	var again []bullmq.JobSpec
	for i, job := range jobs {
		if !job.Existed {
			added++
			continue
		}
		removed, err := q.removeEnded(ctx, to, specs[i].Options.ID)
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
	if jobs, err = to.AddBulk(ctx, again); err != nil {
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
func (q *queues) removeEnded(ctx context.Context, from *bullmq.Queue, id string) (removed bool, err error) {
	state, err := from.State(ctx, id)
	switch {
	case err != nil:
		return false, fmt.Errorf("state of job %s: %w", id, err)
	case willRun(state):
		return false, nil
	}
	err = from.Remove(ctx, id, bullmq.RemoveOptions{})
	switch {
	case errors.Is(err, bullmq.ErrJobLocked):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("remove job %s, which will not run: %w", id, err)
	}
	return true, nil
}

package bullmq

import (
	"context"
	"fmt"
	"time"

	"schoolbell/bullmq/internal/script"
)

// keepLocks renews the locks of running jobs until ctx ends, and puts back jobs that were
// started for this worker in lost replies.
func (s *session) keepLocks(ctx context.Context) {
	every := s.opts.LockRenewal / 2
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.renewLocks(ctx, every)
		case <-s.health.wake:
		}
		if s.health.hasOrphans() {
			s.reclaim(ctx)
		}
	}
}

// renewLocks renews the locks that are older than half their renewal time, in one call.
func (s *session) renewLocks(ctx context.Context, every time.Duration) {
	now := time.Now()
	jobs := s.inFlight.due(now.Add(-every / 2))
	if len(jobs) == 0 {
		return
	}
	locks := make([]script.Lock, len(jobs))
	for i, r := range jobs {
		locks[i] = script.Lock{JobID: r.job.ID, Token: r.job.token}
	}
	ids, err := runFor(ctx, s.Worker, script.ExtendLocks{For: s.opts.LockDuration.Milliseconds(), Locks: locks})
	if err != nil && ctx.Err() != nil {
		return
	}
	if err != nil {
		s.trouble(fmt.Errorf("renew locks: %w", err))
		s.inFlight.expire(time.Now().Add(-s.opts.LockDuration))
		return
	}
	lost := map[string]bool{}
	for _, id := range ids {
		lost[id] = true
	}
	for _, job := range s.inFlight.renewed(jobs, now, lost) {
		s.report(fmt.Errorf("job %s: %w", shortID(job.ID), ErrLockLost))
	}
}

// reclaim puts back jobs that were started for this worker in lost replies. Otherwise they
// would wait for their locks to expire.
func (s *session) reclaim(ctx context.Context) {
	s.health.setOrphans(false)
	ids, err := runFor(ctx, s.Worker, script.Reclaim{Mode: s.q.mode, Prefix: s.id + ":", Known: s.inFlight.known()})
	if err != nil {
		s.health.setOrphans(true)
		return
	}
	if len(ids) > 0 {
		s.log.Info("jobs are waiting again: the reply that started them was lost", "jobs", len(ids))
	}
}

// keepStalled checks for jobs of lost workers, at once and then at each interval, until ctx
// ends, but not while the worker is paused.
func (s *session) keepStalled(ctx context.Context) {
	lasting := context.WithoutCancel(ctx)
	for s.slots.Resumed(ctx) {
		open, end := s.slots.UntilChanged(ctx)
		if _, err := s.CheckStalled(lasting); err != nil {
			s.trouble(fmt.Errorf("look for stalled jobs: %w", err))
		}
		sleep(open, s.opts.StalledInterval)
		end()
	}
}

// CheckStalled checks once for jobs of lost workers, as Run does every StalledInterval, and
// returns the ids of those that were put back. It does nothing if any worker of the queue has
// checked within the interval. It is for programs that run jobs with [Worker.Fetch].
func (w *Worker) CheckStalled(ctx context.Context) ([]string, error) {
	ids, err := runFor(ctx, w, script.Stalled{
		Mode: w.q.mode, Now: w.q.nowMillis(), Most: w.opts.MaxStalledCount, Interval: w.opts.StalledInterval.Milliseconds(),
	})
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		w.log.Warn("the worker of a job was lost, the job is waiting again", "job", shortID(id))
		if f := w.opts.Hooks.OnStalled; f != nil {
			f(id)
		}
	}
	return ids, nil
}

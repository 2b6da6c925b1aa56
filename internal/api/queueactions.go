package api

import (
	"context"
	"time"

	"schoolbell/bullmq"
	"schoolbell/internal/jobs"
	"schoolbell/internal/ledger"
	"schoolbell/wire"
)

const cleanTimeout = 30 * time.Second

// changeJob does something to a job and returns how it stands then.
func (s *Server) changeJob(ctx context.Context, in *JobPath, change func(context.Context, *bullmq.Queue) error) (*jobOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	q, err := s.queue(in.Queue)
	if err != nil {
		return nil, err
	}
	if err := change(ctx, q); err != nil {
		return nil, jobs.Error(err, in.Job)
	}
	ledger.ChangeOf(ctx).Done() // even if the job cannot be read now
	out, err := readJob(ctx, q, in.Job)
	return out, jobs.Error(err, in.Job)
}

func (s *Server) retryJob(ctx context.Context, in *JobPath) (*jobOutput, error) {
	return s.changeJob(ctx, in, func(ctx context.Context, q *bullmq.Queue) error { return jobs.Retry(ctx, q, in.Job) })
}

func (s *Server) promoteJob(ctx context.Context, in *JobPath) (*jobOutput, error) {
	return s.changeJob(ctx, in, func(ctx context.Context, q *bullmq.Queue) error { return q.Promote(ctx, in.Job) })
}

func (s *Server) removeJob(ctx context.Context, in *JobPath) (*struct{}, error) {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	q, err := s.queue(in.Queue)
	if err != nil {
		return nil, err
	}
	return nil, jobs.Error(jobs.Remove(ctx, q, in.Job), in.Job)
}

type pausedOutput struct{ Body wire.QueuePaused }

func (s *Server) pauseQueue(ctx context.Context, in *QueuePath) (*pausedOutput, error) {
	return s.setPaused(ctx, in.Queue, true)
}

func (s *Server) resumeQueue(ctx context.Context, in *QueuePath) (*pausedOutput, error) {
	return s.setPaused(ctx, in.Queue, false)
}

func (s *Server) setPaused(ctx context.Context, name string, paused bool) (*pausedOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	q, err := s.queue(name)
	if err != nil {
		return nil, err
	}
	change := q.Resume
	if paused {
		change = q.Pause
	}
	if err := change(ctx); err != nil {
		return nil, jobs.Error(err, "")
	}
	return &pausedOutput{wire.QueuePaused{Name: name, Paused: paused}}, nil
}

type cleanQueueInput struct {
	QueuePath
	Body wire.CleanQueue
}

type cleanQueueOutput struct{ Body wire.Cleaned }

func (s *Server) cleanQueue(ctx context.Context, in *cleanQueueInput) (*cleanQueueOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, cleanTimeout)
	defer cancel()
	q, err := s.queue(in.Queue)
	if err != nil {
		return nil, err
	}
	change := ledger.ChangeOf(ctx)
	change.Set("state", in.Body.State)
	change.Set("older_than", in.Body.OlderThan)
	ids, err := q.Clean(ctx, bullmq.State(in.Body.State), time.Duration(in.Body.OlderThan)*time.Second, in.Body.Limit)
	change.Set("removed", len(ids))
	if len(ids) > 0 {
		change.Done() // even if it failed after these
	}
	if err != nil {
		return nil, jobs.Error(err, "")
	}
	return &cleanQueueOutput{wire.Cleaned{Removed: len(ids)}}, nil
}

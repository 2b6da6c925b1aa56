package api

import (
	"context"
	"slices"
	"time"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/jobs"
	"schoolbell/wire"
)

const (
	queueTimeout = 5 * time.Second // for Redis to answer
	maxLogLines  = 1000
)

func (s *Server) queue(name string) (*bullmq.Queue, error) {
	for _, q := range s.cfg.Queues {
		if q.Name() == name {
			return q, nil
		}
	}
	return nil, schoolbell.NotFound("queue", name)
}

// QueuePath names a queue in the path.
type QueuePath struct {
	Queue string `path:"queue" doc:"The queue's name." example:"event-notifications"`
}

// JobPath names a job of a queue in the path.
type JobPath struct {
	QueuePath
	Job string `path:"job" doc:"The job's id."`
}

type listQueuesOutput struct{ Body wire.QueueList }

func (s *Server) listQueues(ctx context.Context, _ *struct{}) (*listQueuesOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	out := &listQueuesOutput{}
	out.Body.Queues = make([]wire.Queue, 0, len(s.cfg.Queues))
	for _, q := range s.cfg.Queues {
		counts, err := q.Counts(ctx, jobStates...)
		if err != nil {
			return nil, jobs.Error(err, "")
		}
		paused, err := q.IsPaused(ctx)
		if err != nil {
			return nil, jobs.Error(err, "")
		}
		out.Body.Queues = append(out.Body.Queues, wire.Queue{Name: q.Name(), Paused: paused, Counts: shownCounts(counts)})
	}
	return out, nil
}

type countsOutput struct{ Body wire.Counts }

func (s *Server) countJobs(ctx context.Context, in *QueuePath) (*countsOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	q, err := s.queue(in.Queue)
	if err != nil {
		return nil, err
	}
	counts, err := q.Counts(ctx, jobStates...)
	if err != nil {
		return nil, jobs.Error(err, "")
	}
	return &countsOutput{shownCounts(counts)}, nil
}

type listJobsInput struct {
	QueuePath
	Page
	State bullmq.State `query:"state" required:"true" doc:"State of the jobs."`
}

type listJobsOutput struct{ Body wire.JobPage }

// listJobs pages by position: jobs that move meanwhile may be seen twice or not at all.
func (s *Server) listJobs(ctx context.Context, in *listJobsInput) (*listJobsOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	at, err := decodeCursor("jobs", in.Cursor)
	if err != nil {
		return nil, err
	}
	q, err := s.queue(in.Queue)
	if err != nil {
		return nil, err
	}
	list, err := readJobs(ctx, q, in.State, at.N, in.Limit+1)
	if err != nil {
		return nil, jobs.Error(err, "")
	}
	out := &listJobsOutput{}
	out.Body.Jobs, out.Body.Next, err = cut(list, in.Limit, func(wire.Job) cursor { return cursor{Kind: "jobs", N: at.N + int64(in.Limit)} })
	return out, err
}

// readJobs reads n jobs from a position on, some at a time: what they hold may be
// large, and only its beginning is kept.
func readJobs(ctx context.Context, q *bullmq.Queue, state bullmq.State, from int64, n int) ([]wire.Job, error) {
	const atOnce = 20
	shown := make([]wire.Job, 0, n)
	for end := from + int64(n); from < end; from += atOnce {
		list, err := q.Jobs(ctx, bullmq.JobsOptions{States: []bullmq.State{state}, Offset: from, Limit: min(atOnce, end-from)})
		if err != nil {
			return nil, err
		}
		for _, j := range list {
			shown = append(shown, shownJob(j, state, shownInList))
		}
		if len(list) == 0 {
			break
		}
	}
	return shown, nil
}

type jobOutput struct{ Body wire.Job }

func (s *Server) getJob(ctx context.Context, in *JobPath) (*jobOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	q, err := s.queue(in.Queue)
	if err != nil {
		return nil, err
	}
	out, err := readJob(ctx, q, in.Job)
	return out, jobs.Error(err, in.Job)
}

func readJob(ctx context.Context, q *bullmq.Queue, id string) (*jobOutput, error) {
	job, err := q.Job(ctx, id)
	if err != nil {
		return nil, err
	}
	state, err := q.State(ctx, id)
	if err != nil {
		return nil, err
	}
	out := &jobOutput{shownJob(job, state, shownAlone)}
	logs, _, err := q.Logs(ctx, id, bullmq.LogsOptions{Limit: maxLogLines, NewestFirst: true})
	slices.Reverse(logs)
	for _, line := range logs {
		out.Body.Logs = append(out.Body.Logs, shownText(line, shownInList))
	}
	return out, err
}

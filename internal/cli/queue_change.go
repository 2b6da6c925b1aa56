package cli

import (
	"context"
	"errors"
	"time"

	"schoolbell/client"
)

// jobsArg names jobs of a queue.
type jobsArg struct {
	queueArg
	IDs []string `arg:"" name:"id" help:"Ids of the jobs."`
}

// each does something to every job that the arguments name. One that fails does
// not keep the others from being tried.
func (j *jobsArg) each(a *program, r *remote, done string, change func(server *client.Client, id string) (any, error)) error {
	server, hangUp, err := r.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	var failed error
	for _, id := range j.IDs {
		result, err := change(server, id)
		switch {
		case err != nil && len(j.IDs) == 1:
			return err
		case err != nil:
			if _, ok := errors.AsType[*client.Problem](err); !ok {
				return err // the server is unavailable: the others would fail too
			}
			a.failRemote(err)
			failed = quietError{}
		case r.JSON:
			if err := a.printJSON(result); err != nil {
				return err
			}
		default:
			a.say("Job %s %s.", id, done)
		}
	}
	return failed
}

type queueRetryCmd struct {
	remote
	jobsArg
}

// Run retries jobs.
func (c *queueRetryCmd) Run(ctx context.Context, a *program) error {
	return c.each(a, &c.remote, "is waiting again", func(s *client.Client, id string) (any, error) { return s.RetryJob(ctx, c.Queue, id) })
}

type queuePromoteCmd struct {
	remote
	jobsArg
}

// Run promotes jobs.
func (c *queuePromoteCmd) Run(ctx context.Context, a *program) error {
	return c.each(a, &c.remote, "runs now", func(s *client.Client, id string) (any, error) { return s.PromoteJob(ctx, c.Queue, id) })
}

type queueRemoveCmd struct {
	remote
	jobsArg
}

// Run removes jobs.
func (c *queueRemoveCmd) Run(ctx context.Context, a *program) error {
	return c.each(a, &c.remote, "is removed", func(s *client.Client, id string) (any, error) {
		return map[string]any{"id": id, "removed": true}, s.RemoveJob(ctx, c.Queue, id)
	})
}

type queuePauseCmd struct {
	remote
	queueArg
}

// Run pauses a queue.
func (c *queuePauseCmd) Run(ctx context.Context, a *program) error {
	return c.change(a, &c.remote, true, func(s *client.Client) error { return s.PauseQueue(ctx, c.Queue) })
}

type queueResumeCmd struct {
	remote
	queueArg
}

// Run resumes a queue.
func (c *queueResumeCmd) Run(ctx context.Context, a *program) error {
	return c.change(a, &c.remote, false, func(s *client.Client) error { return s.ResumeQueue(ctx, c.Queue) })
}

func (q *queueArg) change(a *program, r *remote, paused bool, change func(*client.Client) error) error {
	server, hangUp, err := r.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	if err := change(server); err != nil {
		return err
	}
	if r.JSON {
		return a.printJSON(map[string]any{"queue": q.Queue, "paused": paused})
	}
	if paused {
		a.say("Queue %s is paused: running jobs continue, no others start.", q.Queue)
	} else {
		a.say("Queue %s is resumed.", q.Queue)
	}
	return nil
}

type queueCleanCmd struct {
	remote
	queueArg
	State     string        `name:"state" default:"completed" placeholder:"STATE" help:"State: completed, failed, waiting, delayed or prioritized."`
	OlderThan time.Duration `name:"older-than" default:"0s" type:"s" placeholder:"TIME" help:"Only jobs older than this. A plain number is seconds."`
	Limit     int           `name:"limit" default:"1000" placeholder:"N" help:"Maximum number of jobs."`
}

// Run removes old jobs.
func (c *queueCleanCmd) Run(ctx context.Context, a *program) error {
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	n, err := server.CleanQueue(ctx, c.Queue, c.State, c.OlderThan, c.Limit)
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(map[string]any{"queue": c.Queue, "removed": n})
	}
	a.say("%s removed.", count(n, c.State+" job is", c.State+" jobs are"))
	return nil
}

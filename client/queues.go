package client

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"time"

	"schoolbell/wire"
)

// Queues lists the queues with their counts.
func (c *Client) Queues(ctx context.Context) ([]wire.Queue, error) {
	var out wire.QueueList
	_, err := c.do(ctx, call{method: http.MethodGet, path: "/v1/queues"}, &out)
	return out.Queues, err
}

// QueueCounts counts a queue's jobs by state.
func (c *Client) QueueCounts(ctx context.Context, queue string) (wire.Counts, error) {
	out := wire.Counts{}
	_, err := c.do(ctx, call{method: http.MethodGet, path: segments("v1", "queues", queue, "counts")}, &out)
	return out, err
}

// Jobs lists a queue's jobs of one state, newest first.
func (c *Client) Jobs(ctx context.Context, queue, state string, p Page) (*wire.JobPage, error) {
	out := &wire.JobPage{}
	_, err := c.do(ctx, call{method: http.MethodGet, path: segments("v1", "queues", queue, "jobs"), query: p.query("state", state)}, out)
	return out, err
}

// Job returns a job with its state and log.
func (c *Client) Job(ctx context.Context, queue, id string) (*wire.Job, error) {
	out := &wire.Job{}
	_, err := c.do(ctx, call{method: http.MethodGet, path: segments("v1", "queues", queue, "jobs", id)}, out)
	return out, err
}

// RetryJob moves a finished job back to the queue and resets its attempts.
func (c *Client) RetryJob(ctx context.Context, queue, id string) (*wire.Job, error) {
	return c.changeJob(ctx, queue, id, "retry")
}

// PromoteJob makes a delayed job run now.
func (c *Client) PromoteJob(ctx context.Context, queue, id string) (*wire.Job, error) {
	return c.changeJob(ctx, queue, id, "promote")
}

func (c *Client) changeJob(ctx context.Context, queue, id, change string) (*wire.Job, error) {
	out := &wire.Job{}
	_, err := c.do(ctx, call{method: http.MethodPost, path: segments("v1", "queues", queue, "jobs", id, change)}, out)
	return out, err
}

// RemoveJob removes a job.
func (c *Client) RemoveJob(ctx context.Context, queue, id string) error {
	_, err := c.do(ctx, call{method: http.MethodPost, path: segments("v1", "queues", queue, "jobs", id, "remove")}, nil)
	return err
}

// PauseQueue stops workers from taking jobs of the queue.
func (c *Client) PauseQueue(ctx context.Context, queue string) error {
	_, err := c.do(ctx, call{method: http.MethodPost, path: segments("v1", "queues", queue, "pause")}, nil)
	return err
}

// ResumeQueue ends a pause.
func (c *Client) ResumeQueue(ctx context.Context, queue string) error {
	_, err := c.do(ctx, call{method: http.MethodPost, path: segments("v1", "queues", queue, "resume")}, nil)
	return err
}

// CleanQueue removes up to limit jobs (0: 1000) of one state that are older than
// olderThan, rounded up to whole seconds, and returns how many. A negative time is an error.
func (c *Client) CleanQueue(ctx context.Context, queue, state string, olderThan time.Duration, limit int) (int, error) {
	if olderThan < 0 || olderThan > math.MaxInt64-time.Second {
		return 0, fmt.Errorf("client: jobs older than %v: must be a time from now to the past", olderThan)
	}
	in := wire.CleanQueue{State: wire.JobState(state), OlderThan: int((olderThan + time.Second - 1) / time.Second), Limit: limit}
	var out wire.Cleaned
	_, err := c.json(ctx, call{method: http.MethodPost, path: segments("v1", "queues", queue, "clean")}, in, &out)
	return out.Removed, err
}

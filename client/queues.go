package client

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"time"
)

// Queue is a queue with the number of its jobs in each state.
type Queue struct {
	Name   string           `json:"name"`
	Paused bool             `json:"paused"`
	Counts map[string]int64 `json:"counts"`
}

// Job is a job as BullMQ keeps it.
type Job struct {
	ID           string          `json:"id"`
	Name         string          `json:"name"`
	State        string          `json:"state"` // "waiting", "active", "delayed", "completed", "failed" …
	Data         json.RawMessage `json:"data"`
	Progress     json.RawMessage `json:"progress,omitempty"`
	ReturnValue  json.RawMessage `json:"return_value,omitempty"`
	FailedReason string          `json:"failed_reason,omitempty"`
	StackTrace   []string        `json:"stacktrace,omitempty"`
	AttemptsMade int             `json:"attempts_made"`
	Attempts     int             `json:"attempts"`
	Stalled      int             `json:"stalled,omitempty"`
	Priority     int             `json:"priority,omitempty"`
	DelayMS      int64           `json:"delay_ms,omitempty"`
	Parent       string          `json:"parent,omitempty"`
	Worker       string          `json:"worker,omitempty"`
	CreatedAt    time.Time       `json:"created_at,omitzero"`
	ProcessedAt  time.Time       `json:"processed_at,omitzero"`
	FinishedAt   time.Time       `json:"finished_at,omitzero"`
	Logs         []string        `json:"logs,omitempty"` // of Job only
}

// Queues lists the queues with their counts.
func (c *Client) Queues(ctx context.Context) ([]Queue, error) {
	var out struct {
		Queues []Queue `json:"queues"`
	}
	_, err := c.do(ctx, call{method: http.MethodGet, path: "/v1/queues"}, &out)
	return out.Queues, err
}

// QueueCounts counts a queue's jobs by state.
func (c *Client) QueueCounts(ctx context.Context, queue string) (map[string]int64, error) {
	out := map[string]int64{}
	_, err := c.do(ctx, call{method: http.MethodGet, path: segments("v1", "queues", queue, "counts")}, &out)
	return out, err
}

// JobPage is one page of jobs, newest first.
type JobPage struct {
	Jobs []Job  `json:"jobs"`
	Next string `json:"next"`
}

// Jobs lists a queue's jobs of one state, newest first.
func (c *Client) Jobs(ctx context.Context, queue, state string, p Page) (*JobPage, error) {
	out := &JobPage{}
	_, err := c.do(ctx, call{method: http.MethodGet, path: segments("v1", "queues", queue, "jobs"), query: p.query("state", state)}, out)
	return out, err
}

// Job returns a job with its state and log.
func (c *Client) Job(ctx context.Context, queue, id string) (*Job, error) {
	out := &Job{}
	_, err := c.do(ctx, call{method: http.MethodGet, path: segments("v1", "queues", queue, "jobs", id)}, out)
	return out, err
}

// RetryJob moves a finished job back to the queue and resets its attempts.
func (c *Client) RetryJob(ctx context.Context, queue, id string) (*Job, error) {
	return c.changeJob(ctx, queue, id, "retry")
}

// PromoteJob makes a delayed job run now.
func (c *Client) PromoteJob(ctx context.Context, queue, id string) (*Job, error) {
	return c.changeJob(ctx, queue, id, "promote")
}

func (c *Client) changeJob(ctx context.Context, queue, id, change string) (*Job, error) {
	out := &Job{}
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
	in := struct {
		State     string `json:"state"`
		OlderThan int    `json:"older_than,omitempty"`
		Limit     int    `json:"limit,omitempty"`
	}{state, int((olderThan + time.Second - 1) / time.Second), limit}
	var out struct {
		Removed int `json:"removed"`
	}
	_, err := c.json(ctx, call{method: http.MethodPost, path: segments("v1", "queues", queue, "clean")}, in, &out)
	return out.Removed, err
}

package bullmq

import (
	"context"
	"encoding/json"
	"fmt"
)

// Decode decodes a job's payload as a T. Its error names the job and wraps that of
// encoding/json.
func Decode[T any](j *Job) (T, error) {
	var data T
	if err := json.Unmarshal(j.Data, &data); err != nil {
		return data, fmt.Errorf("bullmq: payload of job %s: %w", j.ID, err)
	}
	return data, nil
}

// HandlerFor makes a [Handler] of a function that takes the payload as a T and returns an
// R. A job whose payload cannot be decoded as a T fails without a further attempt, because
// that would meet the same payload.
func HandlerFor[T, R any](h func(ctx context.Context, job *Job, data T) (R, error)) Handler {
	return func(ctx context.Context, job *Job) (any, error) {
		data, err := Decode[T](job)
		if err != nil {
			return nil, Unrecoverable(err)
		}
		return h(ctx, job, data)
	}
}

// AddTyped is [Queue.Add] with a payload whose type the compiler checks. Use the type
// that [HandlerFor] takes in the worker:
//
//	bullmq.AddTyped[Welcome](ctx, queue, "welcome", Welcome{User: 7}, bullmq.JobOptions{})
func AddTyped[T any](ctx context.Context, q *Queue, name string, data T, opts JobOptions) (*Job, error) {
	return q.Add(ctx, name, data, opts)
}

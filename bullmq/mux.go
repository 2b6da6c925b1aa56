package bullmq

import (
	"context"
	"fmt"
)

// Mux runs the handler that is registered for a job's name, so that one worker serves several
// kinds of jobs. Its zero value has no handlers. Register all handlers before the worker runs.
// After that, Run is safe for concurrent use.
//
//	var mux bullmq.Mux
//	mux.Handle("welcome", bullmq.HandlerFor(sendWelcome))
//	mux.Handle("invoice", sendInvoice)
//	worker, err := bullmq.NewWorker(rdb, "mails", mux.Run, bullmq.WorkerOptions{})
type Mux struct {
	handlers map[string]Handler
}

// Handle registers the handler for jobs with a name. It panics if h is nil or the name
// already has a handler, which are programming errors.
func (m *Mux) Handle(name string, h Handler) {
	if h == nil {
		panic(fmt.Sprintf("bullmq: no handler for jobs named %q", name))
	}
	if m.handlers[name] != nil {
		panic(fmt.Sprintf("bullmq: two handlers for jobs named %q", name))
	}
	if m.handlers == nil {
		m.handlers = map[string]Handler{}
	}
	m.handlers[name] = h
}

// Run is a [Handler] that runs the one registered for the job's name. A job with another name
// fails without a further attempt.
func (m *Mux) Run(ctx context.Context, job *Job) (any, error) {
	h := m.handlers[job.Name]
	if h == nil {
		return nil, Unrecoverable(fmt.Errorf("bullmq: no handler for jobs named %q", shortID(job.Name)))
	}
	return h(ctx, job)
}

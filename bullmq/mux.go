package bullmq

import (
	"context"
	"fmt"
)

// Mux runs the handler that is registered for the name of a job, so that one worker serves
// several kinds of jobs. Its zero value has no handlers. Handlers are registered before the
// worker runs; then Run is safe for concurrent use.
//
//	var mux bullmq.Mux
//	mux.Handle("welcome", bullmq.HandlerFor(sendWelcome))
//	mux.Handle("invoice", sendInvoice)
//	worker, err := bullmq.NewWorker(rdb, "mails", mux.Run, bullmq.WorkerOptions{})
type Mux struct {
	handlers map[string]Handler
}

// Handle registers the handler for jobs of a name. It panics if h is nil or the name has a
// handler already, which are mistakes of the program.
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

// Run is a [Handler]: it runs the one registered for the job's name. A job of another name
// fails for good.
func (m *Mux) Run(ctx context.Context, job *Job) (any, error) {
	h := m.handlers[job.Name]
	if h == nil {
		return nil, Unrecoverable(fmt.Errorf("bullmq: no handler for jobs named %q", shortID(job.Name)))
	}
	return h(ctx, job)
}

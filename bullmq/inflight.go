package bullmq

import (
	"context"
	"sync"
	"time"

	"schoolbell/bullmq/internal/wire"
)

// inFlight holds the jobs that a run is running, and the tokens of calls that may start one. It
// is safe for concurrent use.
type inFlight struct {
	prefix string // of the tokens

	mu     sync.Mutex
	seq    int64               // of the last token
	jobs   map[string]*running // by token
	tokens map[string]bool
}

func newInFlight(prefix string) *inFlight {
	return &inFlight{prefix: prefix, jobs: map[string]*running{}, tokens: map[string]bool{}}
}

// running is a job that a handler runs.
type running struct {
	job     *Job
	cancel  context.CancelCauseFunc
	renewed time.Time // when the lock was last set, by the machine's clock
	settled bool      // the handler has returned: a lost lock is no longer reported
}

// newToken returns a token for the next fetch of a job.
func (f *inFlight) newToken() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seq++
	token := f.prefix + wire.FormatInt(f.seq)
	f.tokens[token] = true
	return token
}

// forget removes a token and its job.
func (f *inFlight) forget(token string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.tokens, token)
	delete(f.jobs, token)
}

// add adds a job. Its lock is renewed until forget.
func (f *inFlight) add(job *Job, cancel context.CancelCauseFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.jobs[job.token] = &running{job: job, cancel: cancel, renewed: time.Now()}
}

// release notes that the handler of a job has returned.
func (f *inFlight) release(job *Job) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.jobs[job.token]; r != nil {
		r.settled = true
	}
}

// due returns the jobs whose locks were last set before a time.
func (f *inFlight) due(before time.Time) []*running {
	f.mu.Lock()
	defer f.mu.Unlock()
	var due []*running
	for _, r := range f.jobs {
		if r.renewed.Before(before) {
			due = append(due, r)
		}
	}
	return due
}

// renewed notes when locks were set, except for ids that were lost: their
// handlers are cancelled.
func (f *inFlight) renewed(jobs []*running, at time.Time, lost map[string]bool) (cancelled []*Job) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range jobs {
		switch {
		case !lost[r.job.ID]:
			r.renewed = at
		case !r.settled:
			r.settled = true
			r.cancel(ErrLockLost)
			cancelled = append(cancelled, r.job)
		}
	}
	return cancelled
}

// expire cancels handlers whose locks must have run out meanwhile.
func (f *inFlight) expire(before time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.jobs {
		if r.renewed.Before(before) && !r.settled {
			r.settled = true
			r.cancel(ErrLockLost)
		}
	}
}

// known lists the tokens of all jobs and calls.
func (f *inFlight) known() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	tokens := make([]string, 0, len(f.tokens))
	for token := range f.tokens {
		tokens = append(tokens, token)
	}
	return tokens
}

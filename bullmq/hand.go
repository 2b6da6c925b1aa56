package bullmq

import (
	"context"
	"sync"
	"time"
)

// hand is the jobs that a worker has in hand, and the tokens of calls under way
// that may bring one.
type hand struct {
	mu      sync.Mutex
	running map[string]*running // by token
	tokens  map[string]bool
}

func (h *hand) init() {
	h.running = map[string]*running{}
	h.tokens = map[string]bool{}
}

// running is a job that a handler runs.
type running struct {
	job     *Job
	cancel  context.CancelCauseFunc
	renewed time.Time // when the lock was set last, by the machine's clock
	settled bool      // the handler has returned or moved the job: a lost lock is no news
}

// take draws a token for a job that is being asked for.
func (w *Worker) take() string {
	token := w.newToken()
	w.hand.mu.Lock()
	defer w.hand.mu.Unlock()
	w.hand.tokens[token] = true
	return token
}

// drop forgets a token.
func (w *Worker) drop(token string) {
	w.hand.mu.Lock()
	defer w.hand.mu.Unlock()
	delete(w.hand.tokens, token)
	delete(w.hand.running, token)
}

// lostReply forgets a token whose job, if there is one, will never be known.
func (w *Worker) lostReply(token string) {
	w.drop(token)
	w.health.setOrphans(true)
}

// hold puts a job in hand; its lock is kept until drop.
func (w *Worker) hold(job *Job, cancel context.CancelCauseFunc) {
	w.hand.mu.Lock()
	defer w.hand.mu.Unlock()
	w.hand.running[job.token] = &running{job: job, cancel: cancel, renewed: time.Now()}
}

// letGo marks a job whose lock is not to be kept, or not to be missed, any more.
func (w *Worker) letGo(job *Job) {
	w.hand.mu.Lock()
	defer w.hand.mu.Unlock()
	if r := w.hand.running[job.token]; r != nil {
		r.settled = true
	}
}

// due returns the jobs whose locks were last set before a time.
func (h *hand) due(before time.Time) []*running {
	h.mu.Lock()
	defer h.mu.Unlock()
	var due []*running
	for _, r := range h.running {
		if r.renewed.Before(before) {
			due = append(due, r)
		}
	}
	return due
}

// renewed notes when locks were set, except for ids that were lost: their
// handlers are cancelled.
func (h *hand) renewed(jobs []*running, at time.Time, lost map[string]bool) (cancelled []*Job) {
	h.mu.Lock()
	defer h.mu.Unlock()
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
func (h *hand) expire(before time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.running {
		if r.renewed.Before(before) && !r.settled {
			r.settled = true
			r.cancel(ErrLockLost)
		}
	}
}

// known lists all tokens that are accounted for.
func (h *hand) known() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	tokens := make([]string, 0, len(h.tokens))
	for token := range h.tokens {
		tokens = append(tokens, token)
	}
	return tokens
}

package webhook

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/outage"
)

const (
	factsAtOnce = 500
	stopGrace   = 2 * time.Second // for requests that run when the process stops
	turnEnd     = 5 * time.Second // for the transactions that follow
)

// sender is one run: what this process sends while it has the turn.
type sender struct {
	*Service
	renewed time.Time // before the turn was taken or extended; zero without it
	down    outage.Log

	requests context.Context // ends some time after the run must
	running  sync.WaitGroup
	mu       sync.Mutex
	sending  map[string]bool      // messages, by id
	ended    map[string]bool      // messages whose requests ended since the last look for work, which may still list them
	busy     map[string]int       // requests that run, by webhook
	rests    map[string]time.Time // when webhooks take messages again that asked for a wait
}

// longestRest is how long all messages of a webhook wait at most because of one reply; the message itself waits as long as it said.
const longestRest = time.Hour

// Run sends messages whenever this process has the turn, until ctx ends. It continues through outages of the ledger.
func (s *Service) Run(ctx context.Context) error {
	r := &sender{Service: s, sending: map[string]bool{}, ended: map[string]bool{}, busy: map[string]int{}, rests: map[string]time.Time{}}
	requests, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	r.requests = requests
	for ctx.Err() == nil {
		wait, err := r.round(ctx)
		r.down.Note(ctx, s.cfg.Logger, slog.LevelError, "send webhooks", err)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-s.wake:
		}
		timer.Stop()
	}
	abort := time.AfterFunc(stopGrace, cancel)
	defer abort.Stop()
	r.running.Wait()
	return r.leave(context.WithoutCancel(ctx))
}

// leave gives the turn to others.
func (r *sender) leave(ctx context.Context) error {
	r.client.CloseIdleConnections()
	if r.renewed.IsZero() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, turnEnd)
	defer cancel()
	if err := r.cfg.Store.EndWebhookTurn(ctx, r.holder); err != nil {
		r.cfg.Logger.Warn("the turn to send webhooks could not be ended; it ends by time", "error", err)
	}
	return nil
}

// round does what is due and returns how long to wait for the next round.
func (r *sender) round(ctx context.Context) (wait time.Duration, err error) {
	if time.Since(r.renewed) >= r.cfg.Turn/3 {
		before := time.Now()
		taken, err := r.cfg.Store.TakeWebhookTurn(ctx, r.holder, r.cfg.Turn)
		if err != nil {
			return r.cfg.Poll, err
		}
		if !taken {
			r.renewed = time.Time{}
			return r.cfg.Idle, nil
		}
		r.renewed = before
	}
	r.forget()
	work, err := r.cfg.Store.WebhookWork(ctx, factsAtOnce, 2*r.cfg.PerTarget)
	if err != nil {
		return r.cfg.Poll, err
	}
	if len(work.Facts) > 0 {
		err := (&teller{Service: r.Service, webhooks: work.Webhooks}).tell(ctx, work.Facts)
		if schoolbell.CodeOf(err) == schoolbell.CodeConflict { // another process has the turn
			r.renewed, err = time.Time{}, nil
		}
		if err != nil {
			return r.cfg.Poll, err
		}
		return 0, nil // there may be more facts, and there are messages
	}
	r.start(work)
	return r.cfg.Poll, nil
}

// start sends messages that are due, as many at once as each webhook may have.
func (r *sender) start(work ledger.WebhookWork) {
	webhooks := map[string]schoolbell.Webhook{}
	for _, w := range work.Webhooks {
		webhooks[w.ID] = w
	}
	for _, m := range work.Due {
		if !r.reserve(m) {
			continue
		}
		r.running.Go(func() {
			defer r.release(m)
			r.send(webhooks[m.WebhookID], m, work.Users)
		})
	}
}

// forget forgets which requests ended, before a look for work that will not list their messages.
func (r *sender) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.ended)
}

// reserve reports whether a message may be sent now. Each request ends long before the turn could be another's.
func (r *sender) reserve(m ledger.WebhookMessage) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sending[m.ID] || r.ended[m.ID] || r.busy[m.WebhookID] >= r.cfg.PerTarget || time.Now().Before(r.rests[m.WebhookID]) ||
		time.Since(r.renewed) > r.cfg.Turn-r.cfg.Timeout {
		return false
	}
	r.sending[m.ID] = true
	r.busy[m.WebhookID]++
	return true
}

func (r *sender) release(m ledger.WebhookMessage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sending, m.ID)
	r.ended[m.ID] = true
	if r.busy[m.WebhookID]--; r.busy[m.WebhookID] == 0 {
		delete(r.busy, m.WebhookID)
	}
	r.look() // there may be more for it
}

// send makes one attempt and records it. If it cannot be recorded, the message is sent again, under the same id.
func (r *sender) send(w schoolbell.Webhook, m ledger.WebhookMessage, users map[int64]string) {
	body, err := bodyOf(m, users)
	if err != nil {
		r.cfg.Logger.Error("a webhook message cannot be encoded", "error", err, "message", m.ID)
		return
	}
	a, retryAfter := r.attempt(r.requests, w, m, body)
	if r.requests.Err() != nil { // the process stops: nobody knows whether it arrived
		return
	}
	if retryAfter > 0 && !a.OK() {
		r.rest(w.ID, retryAfter)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.requests), turnEnd)
	defer cancel()
	if err := r.record(ctx, w, a, retryAfter); err != nil {
		r.cfg.Logger.Error("an attempt of a webhook cannot be recorded; the message is sent again", "error", err, "webhook", w.ID, "message", m.ID)
	}
}

// rest sends a webhook nothing for some time.
func (r *sender) rest(id string, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rests[id] = time.Now().Add(min(wait, longestRest))
}

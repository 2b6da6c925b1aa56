// Package calls sends messages over providers that take each message, or a group of equal ones, in one HTTP request.
package calls

import (
	"context"
	"sync"
	"time"

	"schoolbell"
	"schoolbell/internal/channel/slots"
)

// stopGrace is how long requests in flight may go on when the caller stops.
const stopGrace = 5 * time.Second

// Config says how messages are sent.
type Config struct {
	Connections int           // requests in flight at most, over both lanes
	UrgentShare int           // percent of Connections that only urgent messages use
	Timeout     time.Duration // of one request

	// Group returns the messages that share a request, as indexes into msgs; each index is in one group.
	// Without it, each message has a request of its own.
	Group func(msgs []schoolbell.Message) [][]int

	// Call sends the messages of one group, each at most once, and returns a result for each. It is called by several
	// goroutines at once. When ctx ends, it returns soon: a request that was written has an uncertain result.
	Call func(ctx context.Context, group []schoolbell.Message) []schoolbell.Result
}

// Sender sends messages by requests, several at once. It is safe for concurrent use.
type Sender struct {
	cfg   Config
	slots *slots.Slots
}

// New returns a sender.
func New(cfg Config) *Sender {
	return &Sender{cfg: cfg, slots: slots.New(cfg.Connections, cfg.UrgentShare)}
}

// Lane returns the sender of a lane. Both lanes share the connections.
func (s *Sender) Lane(lane schoolbell.Lane) LaneSender { return LaneSender{s, lane} }

// LaneSender sends the messages of one lane.
type LaneSender struct {
	sender *Sender
	lane   schoolbell.Lane
}

// Send offers each message to the provider at most once and calls done exactly once for each, from several goroutines,
// before it returns. Once ctx ends, or one message was told VerdictSlowDown, messages not yet offered are untried.
func (l LaneSender) Send(ctx context.Context, msgs []schoolbell.Message, done func(i int, r schoolbell.Result)) {
	if len(msgs) == 0 {
		return
	}
	b := &batch{sender: l.sender, msgs: msgs, groups: l.sender.groups(msgs), done: done, over: make(chan struct{})}
	calling, stop := graceful(ctx)
	defer stop()
	var workers sync.WaitGroup
	for range min(l.sender.cfg.Connections, len(b.groups)) {
		workers.Go(func() { b.work(ctx, calling, l.lane) })
	}
	workers.Wait()
	for _, group := range b.groups[b.next:] {
		b.untried(group)
	}
}

// graceful returns a context for requests. It ends some time after ctx.
func graceful(ctx context.Context) (context.Context, context.CancelFunc) {
	calling, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		grace := time.AfterFunc(stopGrace, cancel)
		context.AfterFunc(calling, func() { grace.Stop() })
	})
	return calling, func() { stop(); cancel() }
}

func (s *Sender) groups(msgs []schoolbell.Message) [][]int {
	if s.cfg.Group != nil {
		return s.cfg.Group(msgs)
	}
	all := make([]int, len(msgs))
	groups := make([][]int, len(msgs))
	for i := range msgs {
		all[i] = i
		groups[i] = all[i : i+1]
	}
	return groups
}

// batch is one call of Send.
type batch struct {
	sender *Sender
	msgs   []schoolbell.Message
	groups [][]int
	done   func(int, schoolbell.Result)
	over   chan struct{} // closed when no group is left to begin

	mu     sync.Mutex
	next   int  // group to begin
	ended  bool // over is closed
	slowed bool // a message was told VerdictSlowDown
}

// work sends groups one after the other over one slot.
func (b *batch) work(ctx, calling context.Context, lane schoolbell.Lane) {
	if !b.sender.slots.Take(ctx, lane, b.over) {
		return
	}
	defer b.sender.slots.Put(lane)
	for {
		group, ok := b.take(ctx)
		if !ok {
			return
		}
		b.send(calling, group)
	}
}

// take returns the next group to send, or false.
func (b *batch) take(ctx context.Context) (group []int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.slowed || b.next == len(b.groups) || ctx.Err() != nil {
		if !b.ended {
			b.ended = true
			close(b.over)
		}
		return nil, false
	}
	b.next++
	return b.groups[b.next-1], true
}

func (b *batch) send(ctx context.Context, group []int) {
	ctx, cancel := context.WithTimeout(ctx, b.sender.cfg.Timeout)
	defer cancel()
	msgs := make([]schoolbell.Message, len(group))
	for n, i := range group {
		msgs[n] = b.msgs[i]
	}
	for n, r := range b.sender.cfg.Call(ctx, msgs) {
		b.done(group[n], b.first(r))
	}
}

// first returns a result as it is reported. Of messages that the provider did not take because it wants rest or cannot be
// reached, only the first is told so. The others were not taken either, and cost nothing.
func (b *batch) first(r schoolbell.Result) schoolbell.Result {
	if r.Verdict != schoolbell.VerdictSlowDown {
		return r
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.slowed {
		return schoolbell.Result{Verdict: schoolbell.VerdictUntried}
	}
	b.slowed = true
	return r
}

func (b *batch) untried(group []int) {
	for _, i := range group {
		b.done(i, schoolbell.Result{Verdict: schoolbell.VerdictUntried})
	}
}

package live

import (
	"context"
	"sync"
	"time"
)

// Parts are the live parts of a page: the HTML inside the element with the attribute sse-swap of that name.
type Parts map[string]string

// Topic is something that open pages follow. Its parts are made once per interval, however many pages follow it.
type Topic struct {
	every   time.Duration
	viewers int
	make    func(ctx context.Context) (made Parts, last bool, err error)

	mu    sync.Mutex
	at    time.Time
	parts Parts
	last  bool // nothing will change any more
	err   error
}

// Hub shares the parts of topics between all who follow them.
type Hub struct {
	Interval time.Duration
	ended    chan struct{} // closed when streams must end

	mu     sync.Mutex
	topics map[string]*Topic
}

// NewHub returns a Hub whose streams look for changes once per interval.
func NewHub(interval time.Duration) *Hub {
	return &Hub{Interval: interval, ended: make(chan struct{}), topics: map[string]*Topic{}}
}

// Run ends all streams when ctx ends.
func (h *Hub) Run(ctx context.Context) error {
	<-ctx.Done()
	close(h.ended)
	return nil
}

// Ended is closed when streams must end.
func (h *Hub) Ended() <-chan struct{} { return h.ended }

// Join returns the topic of a name, which is made if nobody follows it yet. The caller calls leave.
func (h *Hub) Join(name string, every time.Duration, makeParts func(ctx context.Context) (Parts, bool, error)) (t *Topic, leave func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t = h.topics[name]
	if t == nil {
		t = &Topic{every: every, make: makeParts}
		h.topics[name] = t
	}
	t.viewers++
	return t, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if t.viewers--; t.viewers == 0 {
			delete(h.topics, name)
		}
	}
}

// partsTimeout bounds the making of parts once.
const partsTimeout = 10 * time.Second

// Get returns the parts of the topic, made again if they are old. Others wait for the one who makes them.
func (t *Topic) Get(ctx context.Context) (Parts, bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.at.IsZero() && (time.Since(t.at) < t.every || t.last) {
		return t.parts, t.last, t.err
	}
	// They are for all who follow: one that leaves must not fail them.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), partsTimeout)
	defer cancel()
	t.parts, t.last, t.err = t.make(ctx)
	t.at = time.Now()
	return t.parts, t.last, t.err
}

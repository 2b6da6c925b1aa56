package api

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"
	"sync"
	"time"

	"schoolbell/wire"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"schoolbell"
)

// countTimeout bounds one count of an event's deliveries.
const countTimeout = 10 * time.Second

// progressCache counts each watched event once per interval, however many watch it.
type progressCache struct {
	store    Store
	interval time.Duration

	mu     sync.Mutex
	events map[string]*watchedEvent
}

// watchedEvent is forgotten when its last viewer leaves.
type watchedEvent struct {
	viewers int

	mu      sync.Mutex
	counted time.Time
	state   wire.EventProgress
	err     error
}

func newProgressCache(store Store, interval time.Duration) progressCache {
	return progressCache{store: store, interval: interval, events: map[string]*watchedEvent{}}
}

// join returns the event shared with its other viewers. The caller calls leave.
func (c *progressCache) join(id string) (ev *watchedEvent, leave func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ev = c.events[id]
	if ev == nil {
		ev = &watchedEvent{}
		c.events[id] = ev
	}
	ev.viewers++
	return ev, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if ev.viewers--; ev.viewers == 0 {
			delete(c.events, id)
		}
	}
}

// get returns the event's progress, recounted if the last count is old.
// Viewers that come meanwhile wait for the one who counts.
func (c *progressCache) get(ctx context.Context, id string, ev *watchedEvent) (wire.EventProgress, error) {
	ev.mu.Lock()
	defer ev.mu.Unlock()
	if !ev.counted.IsZero() && time.Since(ev.counted) < c.interval {
		return ev.state, ev.err
	}
	// The count is for all viewers: one that leaves must not fail it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), countTimeout)
	defer cancel()
	ev.state, ev.err = c.count(ctx, id)
	ev.counted = time.Now()
	return ev.state, ev.err
}

func (c *progressCache) count(ctx context.Context, id string) (wire.EventProgress, error) {
	e, err := c.store.Event(ctx, id)
	if err != nil {
		return wire.EventProgress{}, err
	}
	// Status first: a terminal one then goes with counts that are final as well.
	p, err := c.store.Progress(ctx, id)
	return wire.EventProgress{ID: id, Status: e.Status, Progress: p}, err
}

// finished reports that nothing will change any more: a cancelled event may
// still have rows in a worker's hands.
func finished(p wire.EventProgress) bool {
	return p.Status.Terminal() && p.Progress.Done == p.Progress.Total
}

// streamEvent sends an event named progress at once and whenever something
// changed, and at the end one named done, after which it ends.
func (s *Server) streamEvent(ctx context.Context, in *EventPath) (*huma.StreamResponse, error) {
	if s.streams.Err() != nil {
		return nil, stopping()
	}
	c := callerOf(ctx)
	uncount, err := s.open.open(c)
	if err != nil {
		return nil, err
	}
	ev, leaveEvent := s.watched.join(in.ID)
	leave := func() { leaveEvent(); uncount() }
	if _, err := s.watched.get(ctx, in.ID, ev); err != nil {
		leave()
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer leave()
		r, w := humago.Unwrap(hc)
		s.stream(w, r, c.check, func(ctx context.Context, out *sse) { s.sendProgress(ctx, out, in.ID, ev) })
	}}, nil
}

func (s *Server) sendProgress(ctx context.Context, out *sse, id string, ev *watchedEvent) {
	tick := time.NewTicker(s.cfg.ProgressEvery)
	defer tick.Stop()
	var last []byte
	var said time.Time
	for n := 1; out.ok(); {
		state, err := s.watched.get(ctx, id, ev)
		now, _ := json.Marshal(state) // plain data always encodes
		switch {
		case err != nil:
			s.log.WarnContext(ctx, "progress stream waits for the ledger", requestAttrs(ctx, err)...)
			if schoolbell.CodeOf(err) == schoolbell.CodeNotFound {
				return
			}
		case !bytes.Equal(now, last):
			out.event("progress", strconv.Itoa(n), state)
			last, said, n = now, time.Now(), n+1
		}
		if err == nil && finished(state) {
			out.event("done", strconv.Itoa(n), state)
			return
		}
		if time.Since(said) >= s.cfg.Heartbeat {
			out.heartbeat()
			said = time.Now()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

package panel

import (
	"bytes"
	"context"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"sync"
	"time"

	"schoolbell"
)

// parts are the live parts of a page: the HTML inside the element with the attribute sse-swap of that name.
type parts map[string]string

// partNames is one part of a page: its name, and the template that makes it.
func renderParts(t *template.Template, p page, names ...string) (parts, error) {
	made := parts{}
	for _, name := range names {
		var b bytes.Buffer
		if err := t.ExecuteTemplate(&b, name, p); err != nil {
			return nil, fmt.Errorf("make the part %s of a page: %w", name, err)
		}
		made[name] = b.String()
	}
	return made, nil
}

// topic is something that open pages follow. Its parts are made once per interval, however many pages follow it.
type topic struct {
	viewers int
	make    func(ctx context.Context) (made parts, last bool, err error)

	mu    sync.Mutex
	at    time.Time
	parts parts
	last  bool // nothing will change any more
	err   error
}

// hub shares the parts of topics between all who follow them.
type hub struct {
	interval time.Duration
	ended    chan struct{} // closed when streams must end

	mu     sync.Mutex
	topics map[string]*topic
}

func newHub(interval time.Duration) *hub {
	return &hub{interval: interval, ended: make(chan struct{}), topics: map[string]*topic{}}
}

func (h *hub) run(ctx context.Context) error {
	<-ctx.Done()
	close(h.ended)
	return nil
}

// join returns the topic of a name, which is made if nobody follows it yet. The caller calls leave.
func (h *hub) join(name string, makeParts func(ctx context.Context) (parts, bool, error)) (t *topic, leave func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t = h.topics[name]
	if t == nil {
		t = &topic{make: makeParts}
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

// get returns the parts of a topic, made again if they are old. Others wait for the one who makes them.
func (t *topic) get(ctx context.Context, interval time.Duration) (parts, bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.at.IsZero() && (time.Since(t.at) < interval || t.last) {
		return t.parts, t.last, t.err
	}
	// They are for all who follow: one that leaves must not fail them.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), partsTimeout)
	defer cancel()
	t.parts, t.last, t.err = t.make(ctx)
	t.at = time.Now()
	return t.parts, t.last, t.err
}

// checkEvery is how often a stream checks that its reader is still signed in.
const checkEvery = 5 * time.Second

// follow answers with a stream of the parts of a topic that have changed.
func (s *Server) follow(c *call, name string, makeParts func(ctx context.Context) (parts, bool, error)) error {
	t, leave := s.live.join(name, makeParts)
	defer leave()
	if _, _, err := t.get(c.ctx(), s.live.interval); err != nil {
		return err
	}
	rc := http.NewResponseController(c.w)
	_ = rc.SetReadDeadline(time.Time{}) // of the request, which has been read
	c.w.Header().Set("Content-Type", "text/event-stream")
	c.w.Header().Set("X-Accel-Buffering", "no") // nginx would hold events back
	out := &stream{w: c.w, rc: rc}
	out.write("retry: 2000\n\n")
	s.sendParts(c, t, out)
	return nil
}

func (s *Server) sendParts(c *call, t *topic, out *stream) {
	tick := time.NewTicker(s.live.interval)
	defer tick.Stop()
	sent, said, checked := parts{}, time.Now(), time.Now()
	for out.err == nil {
		made, last, err := t.get(c.ctx(), s.live.interval)
		for name, html := range made {
			if before, known := sent[name]; err == nil && (!known || before != html) {
				out.part(name, html)
				sent[name], said = html, time.Now()
			}
		}
		switch {
		case schoolbell.CodeOf(err) == schoolbell.CodeNotFound:
			return
		case err != nil:
			s.log.WarnContext(c.ctx(), "live parts of a page wait for the ledger", "error", err)
		case last:
			out.part("end", "")
			return
		}
		if time.Since(said) >= s.cfg.Heartbeat {
			out.write(": still here\n\n")
			said = time.Now()
		}
		if time.Since(checked) >= checkEvery {
			if !s.stillAllowed(c) {
				return
			}
			checked = time.Now()
		}
		select {
		case <-tick.C:
		case <-c.ctx().Done():
			return
		case <-s.live.ended:
			return
		}
	}
}

// stillAllowed reports whether the session of a stream goes on. What is down does not end it.
func (s *Server) stillAllowed(c *call) bool {
	a, err := s.cfg.Staff.Session(c.ctx(), c.session)
	if err != nil {
		return schoolbell.CodeOf(err) != schoolbell.CodeUnauthorized
	}
	return a.Role.Scope().Allows(c.route.need)
}

// stream writes server-sent events. After the first failure it writes nothing more.
type stream struct {
	w   http.ResponseWriter
	rc  *http.ResponseController
	err error
}

// part sends HTML, which may have several lines.
func (o *stream) part(name, html string) {
	o.write("event: " + name + "\ndata: " + strings.ReplaceAll(strings.ReplaceAll(html, "\r", ""), "\n", "\ndata: ") + "\n\n")
}

// streamWrite is how long one piece of a stream may take to leave.
const streamWrite = 10 * time.Second

func (o *stream) write(text string) {
	if o.err != nil {
		return
	}
	_ = o.rc.SetWriteDeadline(time.Now().Add(streamWrite))
	if _, o.err = o.w.Write([]byte(text)); o.err == nil {
		o.err = o.rc.Flush()
	}
}

package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"schoolbell"
)

// eventStream is the media type of server-sent events.
const eventStream = "text/event-stream"

// streamWrite is how long one piece of a stream may take to leave.
const streamWrite = 10 * time.Second

// sse writes server-sent events. After the first failure it writes nothing more.
type sse struct {
	w   http.ResponseWriter
	rc  *http.ResponseController
	err error
}

// stream answers with server-sent events until send returns. Its ctx ends when
// the client goes, when the server ends its streams, and when check, called every few
// seconds, says that the caller may not read it any more.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, check func(context.Context) error, send func(context.Context, *sse)) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.streams, cancel)()
	var checking sync.WaitGroup
	defer checking.Wait()
	defer cancel()
	checking.Go(func() {
		s.checkStream(ctx, check)
		cancel()
	})
	s.metrics.streams.Inc()
	defer s.metrics.streams.Dec()

	h := w.Header()
	h.Set("Content-Type", eventStream)
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	out := &sse{w: w, rc: http.NewResponseController(w)}
	// The server's deadline for reading a request would end the stream.
	if err := out.rc.SetReadDeadline(time.Time{}); err != nil {
		s.log.WarnContext(ctx, "stream cannot set deadlines", requestAttrs(ctx, err)...)
	}
	w.WriteHeader(http.StatusOK)
	out.write("retry: 2000\n\n")
	send(ctx, out)
}

// checkStream returns when ctx ends or the stream must. What is down does not end it:
// it is asked again.
func (s *Server) checkStream(ctx context.Context, check func(context.Context) error) {
	tick := time.NewTicker(s.cfg.StreamCheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := check(ctx)
		switch schoolbell.CodeOf(err) {
		case schoolbell.CodeUnauthorized, schoolbell.CodeForbidden, schoolbell.CodeNotFound:
			s.log.DebugContext(ctx, "stream ended", requestAttrs(ctx, err)...)
			return
		}
	}
}

func (o *sse) ok() bool { return o.err == nil }

// event sends v as JSON. id may be empty.
func (o *sse) event(name, id string, v any) {
	data, err := json.Marshal(v) // one line: JSON escapes line breaks
	if err != nil {
		o.err = fmt.Errorf("write event %s: %w", name, err)
		return
	}
	if id != "" {
		id = "id: " + id + "\n"
	}
	o.write(fmt.Sprintf("%sevent: %s\ndata: %s\n\n", id, name, data))
}

// heartbeat keeps proxies from taking a quiet stream for a dead one.
func (o *sse) heartbeat() { o.write(": still here\n\n") }

func (o *sse) write(text string) {
	if o.err != nil {
		return
	}
	if o.err = o.rc.SetWriteDeadline(time.Now().Add(streamWrite)); o.err != nil {
		return
	}
	if _, o.err = o.w.Write([]byte(text)); o.err == nil {
		o.err = o.rc.Flush()
	}
}

func isTimeout(err error) bool { return errors.Is(err, context.DeadlineExceeded) }

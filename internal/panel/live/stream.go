package live

import (
	"net/http"
	"strings"
	"time"
)

// Stream writes server-sent events. After the first failure it writes nothing more.
type Stream struct {
	w   http.ResponseWriter
	rc  *http.ResponseController
	err error
}

// Open begins to answer with a stream.
func Open(w http.ResponseWriter) *Stream {
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Time{}) // of the request, which has been read
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would hold events back
	out := &Stream{w: w, rc: rc}
	out.write("retry: 2000\n\n")
	return out
}

// End tells the page that nothing follows, so that it does not connect again.
func (o *Stream) End() { o.Part("end", "") }

// Alive tells proxies and the browser that the stream goes on.
func (o *Stream) Alive() { o.write(": still here\n\n") }

// Failed reports whether the browser has gone.
func (o *Stream) Failed() bool { return o.err != nil }

// Part sends HTML, which may have several lines.
func (o *Stream) Part(name, html string) {
	o.write("event: " + name + "\ndata: " + strings.ReplaceAll(strings.ReplaceAll(html, "\r", ""), "\n", "\ndata: ") + "\n\n")
}

// streamWrite is how long one piece of a stream may take to leave.
const streamWrite = 10 * time.Second

func (o *Stream) write(text string) {
	if o.err != nil {
		return
	}
	_ = o.rc.SetWriteDeadline(time.Now().Add(streamWrite))
	if _, o.err = o.w.Write([]byte(text)); o.err == nil {
		o.err = o.rc.Flush()
	}
}

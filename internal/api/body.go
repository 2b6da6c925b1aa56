package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"golang.org/x/sync/semaphore"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// Limits on JSON bodies. A value is a member of an object or an item of a list: without
// a limit on them, a small body could make many values, and a fault for each.
const (
	maxBody        = 32 << 10                                           // bytes
	maxEventBody   = 1 << 20                                            // bytes of an event
	maxNewEvent    = maxEventBody + schoolbell.MaxPersonalTotal + 2<<20 // bytes of one with personal data, and the ids of the people
	maxDepth       = 32
	maxItems       = 20_000  // of one list or object
	maxValues      = 2_000   // of a body
	maxEventValues = 50_000  // of an event: its audience may name 33,000 ids, its data has the rest
	maxNewValues   = 300_000 // of one with personal data: 25 for each person

	// What large bodies may hold at once, in all: their bytes beyond maxBody. A request in
	// work holds a few times its body.
	maxLargeBodies = 32 << 20
)

func (rt route) maxBody() int {
	switch {
	case rt.bulk:
		return maxBulkBody
	case rt.personal:
		return maxNewEvent
	case rt.large:
		return maxEventBody
	}
	return maxBody
}

func (rt route) maxValues() int {
	switch {
	case rt.personal:
		return maxNewValues
	case rt.large:
		return maxEventValues
	}
	return maxValues
}

// readBody reads the body of a request before huma does, so that a body which
// breaks off, stalls or is out of bounds gets the answer it should.
func (s *Server) readBody(rt route) func(huma.Context, func(huma.Context)) {
	if rt.bulk {
		return s.readBulk
	}
	return func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		if rt.streamed || r.Body == nil || r.Body == http.NoBody {
			next(ctx)
			return
		}
		// A server without deadlines, such as one in a test, has nothing to set.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.cfg.BodyTimeout))
		body := incoming{from: r.Body, limit: rt.maxBody(), shared: s.largeBodies}
		defer body.release()
		p := checkMediaType(r)
		if p == nil {
			p = checkEncoding(r)
		}
		if p == nil {
			p = body.read()
		}
		if p == nil {
			p = checkJSON(body.bytes, rt.maxValues())
		}
		if p != nil {
			if p.Status != http.StatusRequestTimeout {
				discard(w, r)
			}
			writeProblem(w, p)
			return
		}
		if rt.method == http.MethodPut {
			noteFields(ledger.ChangeOf(ctx.Context()), body.bytes)
		}
		r.Body = io.NopCloser(bytes.NewReader(body.bytes))
		next(ctx)
	}
}

// checkMediaType refuses a body that does not say it is JSON; one that says nothing is
// read as JSON. huma would take an empty or broken type for JSON and compare upper case.
func checkMediaType(r *http.Request) *problem {
	kinds := r.Header.Values("Content-Type")
	if len(kinds) == 0 || len(kinds) == 1 && kinds[0] == "" {
		return nil
	}
	kind := mediaTypeOf(kinds[0])
	main, sub, _ := strings.Cut(kind, "/")
	if len(kinds) > 1 || main != "application" || sub != "json" && !strings.HasSuffix(sub, "+json") {
		return newProblem(codeMedia, "send Content-Type: application/json")
	}
	r.Header.Set("Content-Type", "application/json")
	return nil
}

// mediaTypeOf returns the media type of a Content-Type, in lower case and without parameters, or "". Broken
// parameters do no harm: the type is known then.
func mediaTypeOf(contentType string) string {
	kind, _, _ := mime.ParseMediaType(contentType)
	return kind
}

// incoming is a body that is being read. What it holds beyond maxBody it takes from what
// large bodies share, as it arrives, and gives back by release.
type incoming struct {
	from   io.Reader
	limit  int // bytes
	shared *semaphore.Weighted

	bytes []byte
	taken int64
}

func (b *incoming) read() *problem {
	for size := maxBody; ; size = min(2*size, b.limit) {
		if more := int64(size - maxBody); more > b.taken {
			if !b.shared.TryAcquire(more - b.taken) {
				return newProblem(schoolbell.CodeUnavailable, "the server is receiving too many large bodies at the same time")
			}
			b.taken = more
		}
		part, err := io.ReadAll(io.LimitReader(b.from, int64(size+1-len(b.bytes))))
		b.bytes = append(b.bytes, part...)
		switch {
		case err != nil:
			return bodyProblem(err)
		case len(b.bytes) <= size:
			return nil
		case size == b.limit:
			return tooLarge(b.limit)
		}
	}
}

func (b *incoming) release() {
	b.shared.Release(b.taken)
	b.taken = 0
}

// discard reads some of what is left of a body that is refused, for a short time: many
// clients look for an answer only when they have sent everything.
func discard(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(discardTime))
	_, _ = io.CopyN(io.Discard, r.Body, maxDiscard)
}

// checkEncoding refuses bodies that are compressed: nothing here would undo it.
func checkEncoding(r *http.Request) *problem {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return newProblem(codeMedia, "send the body without Content-Encoding")
	}
	return nil
}

// bodyProblem says what is wrong with a body that could not be read to its end.
func bodyProblem(err error) *problem {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return newProblem(codeTimeout, "the body did not arrive in time")
	}
	return newProblem(codeMalformed, "the body ended too early")
}

// checkJSON reports a body that is nested too deeply or has too many values. Whether it
// is valid JSON, the decoder finds out.
func checkJSON(body []byte, limit int) *problem {
	_, p := countJSON("the body", body, limit)
	return p
}

// countJSON is checkJSON for a text that has a name. It returns how many values the text has.
func countJSON(name string, body []byte, limit int) (values int, p *problem) {
	depth := 0
	var items [maxDepth + 1]int // of the list or object at each depth
	inText, escaped := false, false
	for _, c := range body {
		switch {
		case escaped:
			escaped = false
		case inText:
			escaped, inText = c == '\\', c != '"'
		case c == '"':
			inText = true
		case c == '{' || c == '[':
			depth++
			values++ // the first one in it, if there is any
			if depth <= maxDepth {
				items[depth] = 1
			}
		case c == '}' || c == ']':
			depth--
		case c == ',':
			values++
			items[depth]++
		}
		if depth > maxDepth || depth < 0 {
			return values, newProblem(codeMalformed, name+" has unbalanced brackets, or is nested more than 32 levels deep")
		}
		if values > limit || items[depth] > maxItems {
			return values, newProblem(schoolbell.CodeTooLarge, name+" has more than "+formatCount(limit)+" values, or a list of more than "+formatCount(maxItems))
		}
	}
	return values, nil
}

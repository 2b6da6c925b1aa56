package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"schoolbell"
)

const (
	requestIDHeader = "X-Request-Id"
	maxRequestID    = 128
)

// request is what the log says of one request.
type request struct {
	id string
	r  *http.Request // its Pattern is known once the mux has seen it
}

type requestKey struct{}

func requestID(ctx context.Context) string {
	if req, ok := ctx.Value(requestKey{}).(*request); ok {
		return req.id
	}
	return "unknown"
}

// requestAttrs are the attributes of a log line about a request that err ended.
// Of requests that did not come through [Server.ServeHTTP] only err is known.
func requestAttrs(ctx context.Context, err error) []any {
	req, ok := ctx.Value(requestKey{}).(*request)
	if !ok {
		return []any{"error", err}
	}
	return []any{"request_id", req.id, "error", err, "route", routeOf(req.r), "path", loggedPath(req.r)}
}

// routeOf names the route that answers r, not its path: there are few routes and many paths.
func routeOf(r *http.Request) string {
	if r.Pattern == "" {
		return "none"
	}
	return r.Pattern
}

// loggedPath returns the path of r as logs may have it: without the secret in the paths of receipts and without the
// tokens of links, also of requests that no route matches.
func loggedPath(r *http.Request) string {
	if hidden := hideToken(r.URL.Path); hidden != "" {
		return hidden
	}
	if before, _, found := strings.Cut(r.URL.Path, receiptsPath); found {
		return before + receiptsPath + "/…"
	}
	return r.URL.Path
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	req := &request{id: incomingID(r.Header.Get(requestIDHeader))}
	r = r.WithContext(context.WithValue(r.Context(), requestKey{}, req))
	req.r = r
	rec := &recorder{ResponseWriter: w}
	secure(rec.Header())
	rec.Header().Set(requestIDHeader, req.id)

	defer func() {
		if p := recover(); p != nil {
			s.recovered(rec, r, p)
		}
		took := time.Since(began)
		s.metrics.observe(r, rec, took)
		s.log.LogAttrs(r.Context(), slog.LevelDebug, "request", slog.String("request_id", req.id), slog.String("method", r.Method),
			slog.String("path", loggedPath(r)), slog.Int("status", rec.code()), slog.Duration("took", took))
	}()

	s.handler.ServeHTTP(rec, r)
}

// route passes a request to its handler, or answers it if it has none.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	if fault := addressFault(r.URL); fault != "" {
		writeProblem(w, newProblem(codeMalformed, fault))
		return
	}
	if h, pattern := s.mux.Handler(r); pattern == "" {
		s.unrouted(w, r, h)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// addressFault says why the path and the query of u cannot be read, "" if they can.
// Handlers would silently drop a parameter whose encoding is broken.
func addressFault(u *url.URL) string {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return "the query must be percent-encoded parameters separated by &"
	}
	valid := utf8.ValidString(u.Path)
	for name, values := range query {
		valid = valid && utf8.ValidString(name) && !slices.ContainsFunc(values, func(v string) bool { return !utf8.ValidString(v) })
	}
	if !valid {
		return "the path and the query must be valid UTF-8"
	}
	return ""
}

// incomingID takes a proxy's request id over if it can be logged as it is.
func incomingID(id string) string {
	if id == "" || len(id) > maxRequestID {
		return uuid.NewString()
	}
	for _, c := range []byte(id) {
		if c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return uuid.NewString()
		}
	}
	return id
}

// secure sets what browsers need to know of every answer.
func secure(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
}

// unrouted asks the mux's own handler what is wrong and says it as a problem.
func (s *Server) unrouted(w http.ResponseWriter, r *http.Request, h http.Handler) {
	silent := &headerOnly{header: http.Header{}}
	h.ServeHTTP(silent, r)
	if silent.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", silent.header.Get("Allow"))
		writeProblem(w, newProblem(codeMethod, "this path supports "+silent.header.Get("Allow")))
		return
	}
	writeProblem(w, newProblem(schoolbell.CodeNotFound, "the path does not exist"))
}

// recovered answers a request whose handler panicked, if it has not begun to answer.
func (s *Server) recovered(rec *recorder, r *http.Request, p any) {
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p) // net/http ends the connection silently
	}
	if rec.status != 0 && r.Context().Err() != nil {
		return // the client went while it was being answered
	}
	err := fmt.Errorf("panic: %v", p)
	s.log.ErrorContext(r.Context(), "request panicked", append(requestAttrs(r.Context(), err), "stack", string(debug.Stack()))...)
	if rec.status == 0 {
		writeProblem(rec, internalProblem(r.Context()))
	}
}

func writeProblem(w http.ResponseWriter, p *problem) {
	for name, values := range p.GetHeaders() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client may have gone
}

// GetHeaders are the headers that go with the problem.
func (p *problem) GetHeaders() http.Header {
	switch p.Status {
	case http.StatusUnauthorized:
		return http.Header{"Www-Authenticate": {`Bearer realm="schoolbell"`}}
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return http.Header{"Retry-After": {strconv.Itoa(cmp.Or(p.retryAfter, 2))}}
	}
	return nil
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the status.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write notes that an answer without a status is 200.
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach deadlines and flushing.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) code() int {
	if r.status == 0 {
		return http.StatusOK
	}
	return r.status
}

// headerOnly is an answer that nobody reads.
type headerOnly struct {
	header http.Header
	status int
}

func (h *headerOnly) Header() http.Header         { return h.header }
func (h *headerOnly) Write(b []byte) (int, error) { return len(b), nil }
func (h *headerOnly) WriteHeader(status int)      { h.status = status }

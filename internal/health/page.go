package health

import (
	"encoding/json"
	"net/http"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Page is what a worker answers over HTTP: /livez, /readyz naming each dependency,
// and /metrics. It answers from the first moment, also while the worker still waits
// for Redis. It is safe for concurrent use.
type Page struct {
	mux     *http.ServeMux
	version string
	check   atomic.Pointer[Check] // nil until the worker has started
}

// NewPage returns the page of a worker of this version that has not started yet.
// A nil registry leaves /metrics out.
func NewPage(version string, registry *prometheus.Registry) *Page {
	p := &Page{mux: http.NewServeMux(), version: version}
	p.mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, Live(p.version))
	})
	p.mux.HandleFunc("GET /readyz", p.readyz)
	if registry != nil {
		p.mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	}
	return p
}

// Started makes the page answer /readyz with what c finds.
func (p *Page) Started(c *Check) { p.check.Store(c) }

// ServeHTTP answers one request.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.mux.ServeHTTP(w, r) }

// readyz answers in the form that the API's does.
func (p *Page) readyz(w http.ResponseWriter, r *http.Request) {
	found := NotStarted("this worker has not started yet; its log shows what it waits for")
	if c := p.check.Load(); c != nil {
		found = c.Readiness(r.Context())
	}
	writeJSON(w, found.Code(), found)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a caller that has gone needs no answer
}

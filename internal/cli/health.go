package cli

import (
	"encoding/json"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"schoolbell/internal/api"
)

// healthPage is what a worker answers over HTTP: /livez, /readyz naming each
// dependency, and /metrics. It answers from the first moment, also while the
// worker still waits for Redis.
type healthPage struct {
	house   *house
	version string
	ready   atomic.Bool // the house is complete

	readiness func() *api.ReadinessCheck // for when it is
}

func newHealthPage(h *house, version string) *healthPage {
	return &healthPage{house: h, version: version, readiness: sync.OnceValue(func() *api.ReadinessCheck {
		return api.NewReadinessCheck(h.log, api.Dependency{Name: "ledger", Check: h.ledger.Ping}, h.dependencies()...)
	})}
}

func (p *healthPage) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		writeStatus(w, http.StatusOK, api.Live(p.version))
	})
	mux.HandleFunc("GET /readyz", p.readyz)
	if p.house.cfg.HTTP.Metrics {
		mux.Handle("GET /metrics", promhttp.HandlerFor(p.house.metrics, promhttp.HandlerOpts{}))
	}
	return mux
}

// readyz answers in the form that the API's does.
func (p *healthPage) readyz(w http.ResponseWriter, r *http.Request) {
	found := api.NotStarted("this worker has not started yet; its log says what it waits for")
	if p.ready.Load() {
		found = p.readiness().Readiness(r.Context())
	}
	writeStatus(w, found.Code(), found)
}

func writeStatus(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a caller that has gone needs no answer
}

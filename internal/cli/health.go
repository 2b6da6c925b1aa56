package cli

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"schoolbell/internal/api"
)

// readyTimeout is how long /readyz waits for a dependency.
const readyTimeout = 3 * time.Second

// healthPage is what a worker answers over HTTP: /livez, /readyz naming each
// dependency, and /metrics. It answers from the first moment, also while the
// worker still waits for Redis.
type healthPage struct {
	house *house

	mu    sync.Mutex
	deps  []api.Dependency
	ready bool
}

// setReady says that the worker is up and what it depends on.
func (p *healthPage) setReady(deps []api.Dependency) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deps, p.ready = deps, true
}

func (p *healthPage) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		writeStatus(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", p.readyz)
	if p.house.cfg.HTTP.Metrics {
		mux.Handle("GET /metrics", promhttp.HandlerFor(p.house.metrics, promhttp.HandlerOpts{}))
	}
	return mux
}

// readyz asks every dependency. Its causes are logged, not shown.
func (p *healthPage) readyz(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	deps, ready := p.deps, p.ready
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	found := map[string]string{}
	for _, d := range deps {
		found[d.Name] = "ok"
		if err := d.Check(ctx); err != nil {
			found[d.Name], ready = "unavailable", false
			p.house.log.Warn("dependency is not ready", "dependency", d.Name, "error", err)
		}
	}
	if !ready {
		writeStatus(w, http.StatusServiceUnavailable, map[string]any{"status": "unavailable", "dependencies": found})
		return
	}
	writeStatus(w, http.StatusOK, map[string]any{"status": "ok", "dependencies": found})
}

func writeStatus(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a caller that has gone needs no answer
}

package api

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// checkTimeout is how long a dependency may take to show that it is there.
const checkTimeout = 2 * time.Second

type liveOutput struct {
	Body struct {
		Status  string `json:"status" example:"ok"`
		Version string `json:"version"`
	}
}

func (s *Server) live(context.Context, *struct{}) (*liveOutput, error) {
	out := &liveOutput{}
	out.Body.Status, out.Body.Version = "ok", s.cfg.Version
	return out, nil
}

type dependencyResponse struct {
	Name   string `json:"name" example:"redis"`
	Status string `json:"status" enum:"ok,down"`
	Detail string `json:"detail,omitempty"`
	TookMS int64  `json:"took_ms"`
}

type readyOutput struct {
	Status int
	Body   struct {
		Status       string               `json:"status" enum:"ok,degraded,down" doc:"degraded: events are accepted, and sent when everything is back."`
		Detail       string               `json:"detail,omitempty"`
		Accepting    bool                 `json:"accepting_events"`
		Dependencies []dependencyResponse `json:"dependencies"`
	}
}

// ready asks every dependency at once. Only the ledger is needed to accept
// events, but while anything is away this instance is not ready.
func (s *Server) ready(ctx context.Context, _ *struct{}) (*readyOutput, error) {
	all := append([]Dependency{{"ledger", s.cfg.Store.Ping}}, s.cfg.Dependencies...)
	out := &readyOutput{Status: http.StatusOK}
	out.Body.Dependencies = make([]dependencyResponse, len(all))
	var checks sync.WaitGroup
	for i, d := range all {
		checks.Go(func() { out.Body.Dependencies[i] = s.check(ctx, d) })
	}
	checks.Wait()

	out.Body.Status, out.Body.Accepting = "ok", out.Body.Dependencies[0].Status == "ok"
	for _, d := range out.Body.Dependencies {
		if d.Status != "ok" {
			out.Status, out.Body.Status = http.StatusServiceUnavailable, "degraded"
			out.Body.Detail = "events are accepted and will be sent when everything is back"
		}
	}
	if !out.Body.Accepting {
		out.Body.Status, out.Body.Detail = "down", "events cannot be accepted without the ledger"
	}
	return out, nil
}

// check does not wait for a check that ignores its context.
func (s *Server) check(ctx context.Context, d Dependency) dependencyResponse {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	checked := make(chan error, 1)
	go func() { checked <- d.Check(ctx) }()
	var err error
	select {
	case err = <-checked:
	case <-ctx.Done():
		err = ctx.Err()
	}
	out := dependencyResponse{Name: d.Name, Status: "ok", TookMS: time.Since(began).Milliseconds()}
	if err != nil {
		s.log.WarnContext(ctx, "dependency is down", append(requestAttrs(ctx, err), "dependency", d.Name)...)
		out.Status, out.Detail = "down", "does not answer as it should; the log has the cause"
		if errors.Is(err, context.DeadlineExceeded) {
			out.Detail = "did not answer within " + checkTimeout.String()
		}
	}
	return out
}

func (s *Server) metricsHandler() http.Handler {
	return promhttp.HandlerFor(s.cfg.Registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

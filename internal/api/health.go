package api

import (
	"context"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"schoolbell/internal/health"
)

type liveOutput struct{ Body health.Liveness }

// Readiness says whether everything that the server needs is there, as /readyz does: at most ten seconds old.
func (s *Server) Readiness(ctx context.Context) health.Readiness { return s.readiness.Readiness(ctx) }

// LatestReadiness is Readiness without waiting for a check, at most a minute old.
func (s *Server) LatestReadiness(ctx context.Context) health.Readiness {
	return s.readiness.Latest(ctx)
}

func (s *Server) live(context.Context, *struct{}) (*liveOutput, error) {
	return &liveOutput{Body: health.Live(s.cfg.Version)}, nil
}

// dependencyDown logs why a dependency is down; the answer does not say it.
func (s *Server) dependencyDown(ctx context.Context, dependency string, err error) {
	s.log.WarnContext(ctx, "dependency is down", append(requestAttrs(ctx, err), "dependency", dependency)...)
}

type readyOutput struct {
	Status int
	Body   health.Readiness
}

func (s *Server) ready(ctx context.Context, _ *struct{}) (*readyOutput, error) {
	r := s.readiness.Readiness(ctx)
	return &readyOutput{Status: r.Code(), Body: r}, nil
}

func (s *Server) metricsHandler() http.Handler {
	return promhttp.HandlerFor(s.cfg.Registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

package app

import (
	"context"

	"schoolbell/internal/health"
)

// HealthCheck checks the ledger and what else this process depends on.
func (r *Runtime) HealthCheck() *health.Check {
	report := func(ctx context.Context, dependency string, err error) {
		r.Log.WarnContext(ctx, "dependency is down", "error", err, "dependency", dependency)
	}
	return health.NewCheck(report, health.Dependency{Name: "ledger", Check: r.Ledger.Ping}, r.dependencies()...)
}

// dependencies are what /readyz asks beside the ledger.
func (r *Runtime) dependencies() []health.Dependency {
	deps := []health.Dependency{{Name: "redis", Check: func(ctx context.Context) error { return checkWritable(ctx, r.Redis, r.Config.KeyPrefix()) }}}
	for ch, s := range r.providers {
		deps = append(deps, health.Dependency{Name: string(ch), Check: s.Check})
	}
	return deps
}

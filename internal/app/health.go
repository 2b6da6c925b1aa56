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
	if r.Channels == nil {
		return deps
	}
	for _, c := range r.Channels.Channels() {
		if c.Provider != nil {
			deps = append(deps, health.Dependency{Name: string(c.Name), Check: c.Provider.Check, Note: c.InUse})
		}
	}
	return deps
}

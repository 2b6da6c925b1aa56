// Package doctor checks everything that the settings name and says how to fix what it
// finds: the data folder, the ledger, Redis, the mail server, the clock, the TLS certificate,
// the identity provider and the API.
package doctor

import (
	"context"
	"fmt"

	"schoolbell"
	"schoolbell/internal/config"
)

// Status tells how serious a finding is.
type Status string

// The statuses.
const (
	OK   Status = "ok"
	Warn Status = "warn"
	Fail Status = "fail"
)

// Finding is what one check found.
type Finding struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"` // what to do about it
}

func fine(format string, args ...any) Finding {
	return Finding{Status: OK, Detail: fmt.Sprintf(format, args...)}
}

func doubtful(fix, format string, args ...any) Finding {
	return Finding{Status: Warn, Detail: fmt.Sprintf(format, args...), Fix: fix}
}

func broken(fix, format string, args ...any) Finding {
	return Finding{Status: Fail, Detail: fmt.Sprintf(format, args...), Fix: fix}
}

// Examine makes every check of what the settings name. Each check has its own time limit.
// The exposed files are those with secrets that other users of the machine may read.
func Examine(ctx context.Context, cfg *config.Config, exposed []string) []Finding {
	found := []Finding{named("settings", fine("all %d are valid", len(config.Settings())))}
	one := func(name string, check func(context.Context, *config.Config) Finding) {
		found = append(found, named(name, check(ctx, cfg)))
	}
	one("data folder", checkFolder)
	one("ledger", checkLedger)
	one("Redis", checkRedis)
	found = append(found, checkChannels(ctx, cfg)...)
	one("clock", checkClock)
	if cfg.HTTP.TLS() {
		one("TLS", checkTLS)
	}
	if cfg.OIDC.SetUp() {
		one("identity provider", checkIdentityProvider)
	}
	one("API", checkAPI)
	for _, path := range exposed {
		found = append(found, named("secrets", doubtful("chmod 600 "+path, "other users of this machine can read %s", path)))
	}
	return found
}

// OfSettings returns a finding for each fault of the settings. The file envFile may hold settings.
func OfSettings(faults schoolbell.Faults, envFile string) (found []Finding) {
	for _, f := range faults {
		found = append(found, named("settings", broken("set it by flag, in the environment or in "+envFile, "%s: %s", f.Field, f.Message)))
	}
	return found
}

func named(name string, f Finding) Finding {
	f.Name = name
	return f
}

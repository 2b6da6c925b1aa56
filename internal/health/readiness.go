package health

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// checkTimeout is how long a dependency may take to show that it works.
const checkTimeout = 2 * time.Second

// Liveness is what /livez answers.
type Liveness struct {
	Status  string `json:"status" example:"ok"`
	Version string `json:"version"`
}

// Live is the liveness of a process that runs.
func Live(version string) Liveness { return Liveness{Status: statusOK, Version: version} }

// The words of [Readiness].
const (
	statusOK       = "ok"
	statusDegraded = "degraded"
	statusDown     = "down"
)

// Readiness is what /readyz answers, of servers and workers alike.
type Readiness struct {
	Status       string             `json:"status" enum:"ok,degraded,down" doc:"degraded: events are accepted, and sent when everything is available again."`
	Detail       string             `json:"detail,omitempty"`
	Accepting    bool               `json:"accepting_events" doc:"Whether the ledger is available. Accepting an event needs nothing else."`
	Dependencies []DependencyStatus `json:"dependencies"`
	AgeMS        int64              `json:"age_ms" doc:"Age of this result in milliseconds, at most ten seconds."`
}

// DependencyStatus is how one dependency was found.
type DependencyStatus struct {
	Name   string `json:"name" example:"redis"`
	Status string `json:"status" enum:"ok,down"`
	Detail string `json:"detail,omitempty"`
	TookMS int64  `json:"took_ms"`

	Since time.Time `json:"-"` // when a [Check] found it down that had worked; zero if it works, or if that is not known
}

// Dependency is something the service cannot do its whole work without.
type Dependency struct {
	Name  string // as /readyz shows it, such as "redis"
	Check func(ctx context.Context) error
	Note  func() string // what to show of it while it is available; may be nil
}

// Report is told that a dependency is down, and why.
type Report func(ctx context.Context, dependency string, err error)

// Code is the HTTP status that goes with r: 200 only if everything is there.
func (r Readiness) Code() int {
	if r.Status == statusOK {
		return http.StatusOK
	}
	return http.StatusServiceUnavailable
}

// NotStarted is the readiness of a process that does not yet have what it needs.
func NotStarted(detail string) Readiness {
	return Readiness{Status: statusDown, Detail: detail, Dependencies: []DependencyStatus{}}
}

// checkReadiness asks every dependency at once, for two seconds at most. The
// first is the ledger: only that is needed to accept events, but while anything is
// down the process is not ready. Causes are reported and not part of the answer.
func checkReadiness(ctx context.Context, report Report, ledger Dependency, others ...Dependency) Readiness {
	all := append([]Dependency{ledger}, others...)
	r := Readiness{Status: statusOK, Dependencies: make([]DependencyStatus, len(all))}
	var checks sync.WaitGroup
	for i, d := range all {
		checks.Go(func() { r.Dependencies[i] = check(ctx, report, d) })
	}
	checks.Wait()

	r.Accepting = r.Dependencies[0].Status == statusOK
	for _, d := range r.Dependencies {
		if d.Status != statusOK {
			r.Status, r.Detail = statusDegraded, "events are accepted and will be sent when everything is back"
		}
	}
	if !r.Accepting {
		r.Status, r.Detail = statusDown, "events cannot be accepted without the ledger"
	}
	return r
}

// check does not wait for a check that ignores its context.
func check(ctx context.Context, report Report, d Dependency) DependencyStatus {
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
	out := DependencyStatus{Name: d.Name, Status: statusOK, TookMS: time.Since(began).Milliseconds()}
	if err == nil && d.Note != nil {
		out.Detail = d.Note()
	}
	if err != nil {
		report(ctx, d.Name, err)
		out.Status, out.Detail = statusDown, "failed; the log has the cause"
		if errors.Is(err, context.DeadlineExceeded) {
			out.Detail = "did not answer within " + checkTimeout.String()
		}
	}
	return out
}

package channel

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"schoolbell"
)

const (
	firstProbe   = 15 * time.Second // after the first provider went down
	longestProbe = 2 * time.Minute  // between two probes, unless the provider asks for more
	probeTimeout = 5 * time.Second
)

// named is a provider with its name in the settings.
type named struct {
	name string
	Provider
}

// failover sends over a second provider while the first takes no messages at all. From time to time it checks the
// first, which takes over again when it is well. A message whose acceptance is uncertain stays with its provider.
type failover struct {
	first, second named
	firstWait     time.Duration // before the first check of the first provider
	log           *slog.Logger

	mu      sync.Mutex
	down    bool          // the first takes no messages
	probing bool          // somebody checks the first
	until   time.Time     // no check before
	wait    time.Duration // before the latest check
}

func newFailover(first, second named, log *slog.Logger) *failover {
	return &failover{first: first, second: second, firstWait: firstProbe, log: log}
}

// Lane implements Provider.
func (f *failover) Lane(lane schoolbell.Lane) Sender {
	return failoverLane{failover: f, first: f.first.Lane(lane), second: f.second.Lane(lane)}
}

// Check reports whether one of the providers would accept messages now.
func (f *failover) Check(ctx context.Context) error {
	inUse, other := f.first, f.second
	if f.isDown() {
		inUse, other = other, inUse
	}
	err := inUse.Check(ctx)
	if err == nil {
		return nil
	}
	if errOther := other.Check(ctx); errOther != nil {
		return errors.Join(err, errOther)
	}
	return nil
}

// Close implements Provider.
func (f *failover) Close() error { return errors.Join(f.second.Close(), f.first.Close()) }

// InUse names the provider that sends now.
func (f *failover) InUse() string {
	if f.isDown() {
		return f.second.name + ", because " + f.first.name + " takes no email"
	}
	return f.first.name
}

// Quota returns the quota of the provider that sends now.
func (f *failover) Quota(ctx context.Context) (rate float64, daily int) {
	inUse := f.first
	if f.isDown() {
		inUse = f.second
	}
	if q, ok := inUse.Provider.(quotaTeller); ok {
		return q.Quota(ctx)
	}
	return 0, 0
}

// tells reports whether a provider, or one of two, knows its quota.
func tells(p Provider) bool {
	if f, ok := p.(*failover); ok {
		return tells(f.first.Provider) || tells(f.second.Provider)
	}
	_, ok := p.(quotaTeller)
	return ok
}

func (f *failover) isDown() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.down
}

// usesFirst reports whether to use the first provider. If it is down and its rest is over, one caller checks it.
func (f *failover) usesFirst(ctx context.Context) bool {
	f.mu.Lock()
	if !f.down || f.probing || time.Now().Before(f.until) {
		defer f.mu.Unlock()
		return !f.down
	}
	f.probing = true
	f.mu.Unlock()

	probe, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	err := f.first.Check(probe)

	f.mu.Lock()
	defer f.mu.Unlock()
	f.probing = false
	if err != nil {
		f.wait = min(2*f.wait, longestProbe)
		f.until = time.Now().Add(f.wait)
		return false
	}
	f.down = false
	f.log.Info("the first provider takes over again", "provider", f.first.name, "instead_of", f.second.name)
	return true
}

// fell notes that the first provider takes no messages.
func (f *failover) fell(r schoolbell.Result) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return
	}
	f.down, f.wait = true, f.firstWait
	f.until = time.Now().Add(max(f.firstWait, r.After))
	f.log.Error("the fallback sends: the first provider takes no messages", "provider", f.second.name, "instead_of", f.first.name,
		"reason", schoolbell.Redact(r.Reason, schoolbell.Personal{}))
}

// failoverLane sends the messages of one lane.
type failoverLane struct {
	failover      *failover
	first, second Sender
}

// Send implements Sender. Messages that the first provider did not take because it is down go to the second.
func (l failoverLane) Send(ctx context.Context, msgs []schoolbell.Message, done func(i int, r schoolbell.Result)) {
	if !l.failover.usesFirst(ctx) {
		l.second.Send(ctx, msgs, done)
		return
	}
	left := l.try(ctx, msgs, done)
	if len(left.places) == 0 {
		return
	}
	if !left.down || ctx.Err() != nil {
		for n, i := range left.places {
			done(i, left.results[n])
		}
		return
	}
	rest := make([]schoolbell.Message, len(left.places))
	for n, i := range left.places {
		rest[n] = msgs[i]
	}
	l.second.Send(ctx, rest, func(n int, r schoolbell.Result) { done(left.places[n], r) })
}

// leftover are the messages that the first provider did not take.
type leftover struct {
	places  []int
	results []schoolbell.Result
	down    bool // because it takes none
}

// try sends over the first provider. It reports the messages that were offered to it and are not left.
func (l failoverLane) try(ctx context.Context, msgs []schoolbell.Message, done func(i int, r schoolbell.Result)) (left leftover) {
	var mu sync.Mutex
	l.first.Send(ctx, msgs, func(i int, r schoolbell.Result) {
		fell := r.Verdict == schoolbell.VerdictSlowDown && r.Down
		if !fell && r.Verdict != schoolbell.VerdictUntried {
			done(i, r)
			return
		}
		if fell {
			l.failover.fell(r)
		}
		mu.Lock()
		defer mu.Unlock()
		left.places, left.results, left.down = append(left.places, i), append(left.results, r), left.down || fell
	})
	return left
}

package retention

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/outage"
)

const (
	lookInterval  = 10 * time.Minute // between looks whether a round is due
	roundInterval = time.Hour        // between the end of a round and the next, of all processes together
	turnLength    = 2 * time.Minute  // after which others take over from a process that died
	renewInterval = turnLength / 4

	pieceRows   = 500              // in one transaction
	scrubEvents = 1_000            // looked at in one transaction
	scrubDelay  = 10 * time.Minute // by then a worker has recorded what it held of a deleted person

	// A process rests restFactor times as long as each piece took, so that removal uses
	// a fifth of what one connection, or the one writer of SQLite, can do.
	restFactor   = 4
	shortestRest = 5 * time.Millisecond
	longestRest  = 5 * time.Second
)

// Service removes old rows. Any number of processes may run one on the same ledger:
// one at a time works.
type Service struct {
	store   ledger.Retention
	periods func() Periods
	log     *slog.Logger
	holder  string
	removed *prometheus.CounterVec
	down    outage.Log
}

// New returns a Service that asks for the periods at the beginning of each round.
func New(store ledger.Retention, periods func() Periods, log *slog.Logger) *Service {
	s := &Service{store: store, periods: periods, log: log, holder: uuid.NewString(),
		removed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "schoolbell_rows_removed_total", Help: "Rows removed from the ledger because they were old, by kind."}, []string{"kind"})}
	for _, kind := range ledger.AllKept() {
		s.removed.WithLabelValues(string(kind))
	}
	return s
}

// Metrics counts what this process has removed.
func (s *Service) Metrics() prometheus.Collector { return s.removed }

// Run removes old rows once an hour until ctx ends. It continues through outages of the ledger.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	for {
		err := s.round(ctx)
		s.down.Note(ctx, s.log, slog.LevelError, "remove old rows", err)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// round removes what is old now, if this process gets the turn.
func (s *Service) round(ctx context.Context) error {
	t := &turn{Service: s, rows: map[ledger.Kept]int{}}
	if taken, err := t.renew(ctx); err != nil || !taken {
		return err
	}
	err := s.remove(ctx, t, time.Now())
	rest := roundInterval
	if err != nil {
		rest = 0 // others may try
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), longestRest)
	defer cancel()
	if errEnd := s.store.EndTurn(ctx, s.holder, rest); err == nil {
		err = errEnd
	}
	return err
}

// Remove removes at once what is old at the time now, without waiting for a turn and
// without rests, and returns how many rows of each kind.
func (s *Service) Remove(ctx context.Context, now time.Time) (map[ledger.Kept]int, error) {
	t := &turn{Service: s, hurry: true, rows: map[ledger.Kept]int{}}
	err := s.remove(ctx, t, now)
	return t.rows, err
}

func (s *Service) remove(ctx context.Context, t *turn, now time.Time) error {
	periods := s.periods()
	for _, kind := range ledger.AllKept() {
		before, ok := periods.before(kind, now)
		if !ok {
			continue
		}
		if err := t.removeKind(ctx, kind, before); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	if err := t.scrub(ctx, now.Add(-scrubDelay)); err != nil {
		return fmt.Errorf("scrub deliveries of deleted people: %w", err)
	}
	if _, err := s.store.EndSuspensions(ctx, now.Add(-schoolbell.SuspensionTime)); err != nil {
		return fmt.Errorf("end suspensions of addresses: %w", err)
	}
	return nil
}

package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// FailedReasons implements ledger.EventReports.
func (s Reports) FailedReasons(ctx context.Context, eventID string, limit int) ([]ledger.FailedReason, error) {
	return listOf(ctx, s, eventID, row.CountFailedReasons, named{"limit": limit}, func(r pgx.CollectableRow) (ledger.FailedReason, error) {
		return row.ScanFailedReason(r.Scan)
	})
}

// WaveTimes implements ledger.EventReports.
func (s Reports) WaveTimes(ctx context.Context, eventID string) ([]ledger.WaveTimes, error) {
	return listOf(ctx, s, eventID, row.ListWaveTimes, named{}, func(r pgx.CollectableRow) (w ledger.WaveTimes, err error) {
		var at [4]*time.Time
		err = r.Scan(&w.Number, &w.Notice, &at[0], &at[1], &at[2], &at[3])
		w.StartsAt, w.QueuedAt, w.HalfAt, w.FinishedAt = timeOf(at[0]), timeOf(at[1]), timeOf(at[2]), timeOf(at[3])
		return w, err
	})
}

// listOf returns the rows that a query about an event finds.
func listOf[T any](ctx context.Context, s Reports, eventID, query string, a named, scan pgx.RowToFunc[T]) (found []T, err error) {
	err = s.DB.read(ctx, "report on an event", func(tx pgx.Tx) error {
		e, err := eventStateOf(ctx, tx, selectEventState, eventID)
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, query, a.with(named{"event": e.seq}))
		found, err = list(rows, err, scan)
		return err
	})
	return found, err
}

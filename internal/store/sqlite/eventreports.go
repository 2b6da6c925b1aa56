package sqlite

import (
	"context"
	"database/sql"

	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// FailedReasons implements ledger.EventReports.
func (s Reports) FailedReasons(ctx context.Context, eventID string, limit int) (reasons []ledger.FailedReason, err error) {
	err = s.eachOf(ctx, eventID, row.CountFailedReasons, args{"limit": limit}, func(scan func(...any) error) error {
		r, err := row.ScanFailedReason(scan)
		reasons = append(reasons, r)
		return err
	})
	return reasons, err
}

// WaveTimes implements ledger.EventReports.
func (s Reports) WaveTimes(ctx context.Context, eventID string) (times []ledger.WaveTimes, err error) {
	err = s.eachOf(ctx, eventID, row.ListWaveTimes, args{}, func(scan func(...any) error) error {
		var w ledger.WaveTimes
		var at [4]sql.NullInt64
		err := scan(&w.Number, &w.Notice, &at[0], &at[1], &at[2], &at[3])
		w.StartsAt, w.QueuedAt, w.HalfAt, w.FinishedAt = timeOf(at[0]), timeOf(at[1]), timeOf(at[2]), timeOf(at[3])
		times = append(times, w)
		return err
	})
	return times, err
}

// eachOf calls f for each row that a query about an event finds.
func (s Reports) eachOf(ctx context.Context, eventID, query string, a args, f func(scan func(...any) error) error) error {
	return s.DB.read(ctx, "report on an event", func(c *conn) error {
		e, err := eventStateOf(ctx, c, eventID)
		if err != nil {
			return err
		}
		a["event"] = e.seq
		return c.each(ctx, query, a, f)
	})
}

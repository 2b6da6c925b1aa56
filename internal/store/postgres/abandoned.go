package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"schoolbell/internal/store/row"
)

// EndAbandoned implements ledger.Deliveries.
func (s Deliveries) EndAbandoned(ctx context.Context) (events int, err error) {
	var ids []string
	err = s.DB.again("list cancelled events", func() error {
		rows, err := s.DB.pool.Query(ctx, listAbandoned)
		ids, err = list(rows, err, pgx.RowTo[string])
		return err
	})
	for _, id := range ids {
		if err == nil {
			err = s.DB.write(ctx, "end cancelled event", func(tx pgx.Tx) error { return endAbandoned(ctx, tx, id) })
		}
	}
	return len(ids), err
}

func endAbandoned(ctx context.Context, tx pgx.Tx, id string) error {
	e, err := lockEvent(ctx, tx, id)
	if err != nil {
		return err
	}
	return closeEventRows(ctx, tx, e.seq, e.closing())
}

// listAbandoned selects the cancelled events of which a claim has no lease any more. There are few claims.
var listAbandoned = row.SQL(`
	SELECT DISTINCT e.id
	FROM claims c
	JOIN events e ON e.seq = c.event_seq
	JOIN waves w ON w.event_seq = c.event_seq AND w.n = c.wave
	WHERE e.status = {event_cancelled} AND w.notice <> {notice_cancelled}
		AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.id = c.lease_id AND l.expires_at > clock_timestamp())`)

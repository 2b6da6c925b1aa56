package sqlite

import (
	"context"

	"schoolbell/internal/store/row"
)

// EndAbandoned implements ledger.Deliveries.
func (s Deliveries) EndAbandoned(ctx context.Context) (events int, err error) {
	var ids []string
	err = s.DB.read(ctx, "list cancelled events", func(c *conn) error {
		return c.each(ctx, listAbandoned, nil, func(scan func(...any) error) error {
			var id string
			err := scan(&id)
			ids = append(ids, id)
			return err
		})
	})
	for _, id := range ids {
		if err == nil {
			err = s.DB.write(ctx, "end cancelled event", func(c *conn) error { return endAbandoned(ctx, c, id) })
		}
	}
	return len(ids), err
}

func endAbandoned(ctx context.Context, c *conn, id string) error {
	e, err := eventStateOf(ctx, c, id)
	if err != nil {
		return err
	}
	return e.closeRows(ctx, c, eventRows, nil)
}

// listAbandoned selects the cancelled events of which a claim has no lease any more. There are few claims.
var listAbandoned = row.SQL(`
SELECT DISTINCT e.id
FROM claims k
CROSS JOIN events e ON e.seq = k.event_seq
CROSS JOIN waves w ON w.event_seq = k.event_seq AND w.n = k.wave
WHERE e.status = {event_cancelled}
	AND w.notice <> {notice_cancelled}
	AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.id = k.lease_id AND l.expires_at > ` + now + `)`)

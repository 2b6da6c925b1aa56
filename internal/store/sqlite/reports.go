package sqlite

import (
	"context"
	"database/sql"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Reports implements api.Store.
type Reports struct{ DB *DB }

// Event implements api.Store.
func (s Reports) Event(ctx context.Context, id string) (*schoolbell.Event, error) {
	return readEvent(ctx, s.DB, id)
}

// Progress implements api.Store.
func (s Reports) Progress(ctx context.Context, id string) (schoolbell.Progress, error) {
	return readProgress(ctx, s.DB, id)
}

// Events implements api.Store.
func (s Reports) Events(ctx context.Context, status schoolbell.EventStatus, before string, limit int) (events []*schoolbell.Event, err error) {
	query, args := "SELECT "+eventColumns+" FROM events e WHERE e.seq < ?1", []any{int64(1<<63 - 1), limit}
	if status != "" {
		query, args = query+" AND e.status = ?3", append(args, string(status))
	}
	query += " ORDER BY e.seq DESC LIMIT ?2"
	err = s.DB.read(ctx, "list events", func(c *conn) error {
		if before != "" {
			var seq int64
			if err := c.get(ctx, "SELECT seq FROM events WHERE id = ?1", []any{before}, &seq); err != nil {
				return orNotFound(err, "event", before)
			}
			args[0] = seq
		}
		return c.each(ctx, query, args, func(scan func(...any) error) error {
			ev, err := scanEvent(scan)
			events = append(events, ev)
			return err
		})
	})
	return events, err
}

// Deliveries implements api.Store.
func (s Reports) Deliveries(ctx context.Context, eventID string, f schoolbell.DeliveryFilter, after ledger.DeliveryCursor, limit int) (list []schoolbell.Delivery, next ledger.DeliveryCursor, err error) {
	status := -1
	if f.Status != "" {
		status = row.StatusNumber(f.Status)
	}
	next = after
	err = s.DB.read(ctx, "list deliveries", func(c *conn) error {
		e, err := eventStateOf(ctx, c, eventID)
		if err != nil {
			return err
		}
		args := []any{e.seq, row.ChannelNumber(after.Channel), after.Seq, row.ChannelNumber(f.Channel), status, limit}
		return c.each(ctx, listDeliveries, args, func(scan func(...any) error) error {
			d := schoolbell.Delivery{EventID: eventID}
			var channel, status int
			var updated, read sql.NullInt64
			if err := scan(&channel, &next.Seq, &d.UserID, &status, &d.Attempts, &d.Reason, &d.ProviderID, &updated, &read); err != nil {
				return err
			}
			d.Channel, d.Status, d.UpdatedAt = row.Channel(channel), row.Status(status), timeOf(updated)
			next.Channel = d.Channel
			if read.Valid {
				at := timeOf(read)
				d.ReadAt = &at
			}
			list = append(list, d)
			return nil
		})
	})
	if err != nil {
		return nil, ledger.DeliveryCursor{}, err
	}
	return list, next, nil
}

// When somebody read an in-app delivery, the inbox knows at the position of the
// chunk that the delivery came with.
const listDeliveries = `SELECT d.channel, d.user_seq, u.id, d.status, d.attempts, coalesce(d.reason, ''), coalesce(d.provider_id, ''), d.updated_at,
		CASE d.channel WHEN 1 THEN (SELECT i.read_at FROM inbox i WHERE i.user_seq = d.user_seq AND i.position =
			(SELECT k.position FROM chunks k WHERE k.event_seq = d.event_seq AND k.first_user <= d.user_seq ORDER BY k.first_user DESC LIMIT 1)) END
	FROM deliveries d CROSS JOIN users u ON u.seq = d.user_seq
	WHERE d.event_seq = ?1 AND (d.channel, d.user_seq) > (?2, ?3) AND (?4 = 0 OR d.channel = ?4) AND (?5 < 0 OR d.status = ?5)
	ORDER BY d.channel, d.user_seq LIMIT ?6`

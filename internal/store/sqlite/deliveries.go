package sqlite

import (
	"context"
	"database/sql"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Deliveries implements api.Store.
func (s *Store) Deliveries(ctx context.Context, eventID string, f schoolbell.DeliveryFilter, after ledger.DeliveryCursor, limit int) (list []schoolbell.Delivery, next ledger.DeliveryCursor, err error) {
	status := -1
	if f.Status != "" {
		status = row.StatusNumber(f.Status)
	}
	next = after
	err = s.read(ctx, "list deliveries", func(c *conn) error {
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

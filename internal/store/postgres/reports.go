package postgres

import (
	"context"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

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
	err = s.DB.read(ctx, "list events", func(tx pgx.Tx) error {
		top := int64(math.MaxInt64)
		if before != "" {
			if err := tx.QueryRow(ctx, "SELECT seq FROM events WHERE id = $1", before).Scan(&top); err != nil {
				return orNotFound(err, "event", before)
			}
		}
		query, args := "SELECT "+eventColumns+" FROM events e WHERE e.seq < $1", []any{top, limit}
		if status != "" {
			query, args = query+" AND e.status = $3", append(args, status)
		}
		rows, err := tx.Query(ctx, query+" ORDER BY e.seq DESC LIMIT $2", args...)
		events, err = list(rows, err, scanEvent)
		return err
	})
	return events, err
}

// Deliveries implements api.Store.
func (s Reports) Deliveries(ctx context.Context, eventID string, f schoolbell.DeliveryFilter, after ledger.DeliveryCursor, limit int) (found []schoolbell.Delivery, next ledger.DeliveryCursor, err error) {
	status := -1
	if f.Status != "" {
		status = row.StatusNumber(f.Status)
	}
	next = after
	err = s.DB.read(ctx, "list deliveries", func(tx pgx.Tx) error {
		e, err := eventStateOf(ctx, tx, eventStateQuery, eventID)
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, listDeliveries, e.seq, row.ChannelNumber(after.Channel), after.Seq, row.ChannelNumber(f.Channel), status, limit)
		found, err = list(rows, err, func(r pgx.CollectableRow) (schoolbell.Delivery, error) {
			d := schoolbell.Delivery{EventID: eventID}
			var channel, status int
			var read *time.Time
			err := r.Scan(&channel, &next.Seq, &d.UserID, &status, &d.Attempts, &d.Reason, &d.ProviderID, &d.UpdatedAt, &read)
			if err != nil {
				return d, err
			}
			d.Channel, d.Status, d.UpdatedAt = row.Channel(channel), row.Status(status), d.UpdatedAt.UTC()
			next.Channel = d.Channel
			if read != nil {
				at := timeOf(read)
				d.ReadAt = &at
			}
			return d, nil
		})
		return err
	})
	if err != nil {
		return nil, ledger.DeliveryCursor{}, err
	}
	return found, next, nil
}

// When somebody read an in-app delivery, the inbox knows at the position of the
// chunk that the delivery came with.
const listDeliveries = `SELECT d.channel, d.user_seq, u.id, d.status, d.attempts, coalesce(d.reason, ''), coalesce(d.provider_id, ''), d.updated_at,
		CASE d.channel WHEN 1 THEN (SELECT i.read_at FROM inbox i WHERE i.user_seq = d.user_seq AND i.position =
			(SELECT k.position FROM chunks k WHERE k.event_seq = d.event_seq AND k.first_user <= d.user_seq ORDER BY k.first_user DESC LIMIT 1)) END
	FROM deliveries d JOIN users u ON u.seq = d.user_seq
	WHERE d.event_seq = $1 AND (d.channel, d.user_seq) > ($2, $3) AND ($4::integer = 0 OR d.channel = $4) AND ($5::integer < 0 OR d.status = $5)
	ORDER BY d.channel, d.user_seq LIMIT $6`

package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Exports implements ledger.Exports.
type Exports struct{ DB *DB }

// Person implements ledger.Exports.
func (s Exports) Person(ctx context.Context, id string) (p ledger.PersonRecord, err error) {
	err = s.DB.read(ctx, "read person", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, selectUser, id)
		if err != nil {
			return err
		}
		if p.User, err = pgx.CollectExactlyOneRow(rows, scanUser); err != nil {
			return orNotFound(err, "user", id)
		}
		err = tx.QueryRow(ctx, selectRecord, id).Scan(&p.Number, &p.CreatedAt, &p.UpdatedAt, &p.Guardians)
		p.CreatedAt, p.UpdatedAt = p.CreatedAt.UTC(), p.UpdatedAt.UTC()
		return err
	})
	return p, err
}

// selectRecord selects what selectUser leaves out of a person.
var selectRecord = row.SQL(`
	SELECT u.seq, u.created_at, u.updated_at, ARRAY(
		SELECT g.id
		FROM guardianships p
		JOIN users g ON g.seq = p.guardian_seq
		WHERE p.student_seq = u.seq AND g.state = {user_live}
		ORDER BY g.id)
	FROM users u
	WHERE u.id = $1 AND u.state = {user_live}`)

// DeliveriesTo implements ledger.Exports.
func (s Exports) DeliveriesTo(ctx context.Context, person, afterEvent int64, limit int) (found []schoolbell.Delivery, last int64, err error) {
	err = s.DB.read(ctx, "list deliveries to a person", func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, lastOfEvents, afterEvent, limit).Scan(&last); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, listDeliveriesTo, named{"user": person, "after": afterEvent, "last": last})
		found, err = list(rows, err, func(r pgx.CollectableRow) (d schoolbell.Delivery, err error) {
			var status, outcome int
			err = r.Scan(&d.EventID, &d.Wave, &d.Channel, &d.UserID, &status, &outcome, &d.Attempts, &d.Reason, &d.ProviderID, &d.SameAs, &d.UpdatedAt)
			if err == nil {
				d.Status, d.Outcome, d.UpdatedAt = row.Status(status), row.Outcome(outcome), d.UpdatedAt.UTC()
			}
			return d, err
		})
		return err
	})
	return found, last, err
}

// listDeliveriesTo selects the deliveries to a person among some events. It looks each up by its key: no index
// leads from a person to the deliveries.
const listDeliveriesTo = `
	SELECT e.id, d.wave, c.name, u.id, d.status, d.outcome, d.attempts, coalesce(d.reason, ''), coalesce(d.provider_id, ''), ` + SameAs + `, d.updated_at
	FROM (SELECT event_seq, n FROM waves WHERE event_seq > @after AND event_seq <= @last OFFSET 0) w
	CROSS JOIN channels c
	CROSS JOIN LATERAL (
		SELECT *
		FROM deliveries d
		WHERE d.event_seq = w.event_seq AND d.wave = w.n AND d.channel = c.id AND d.user_seq = @user
		OFFSET 0) d
	JOIN events e ON e.seq = w.event_seq
	JOIN users u ON u.seq = d.user_seq
	ORDER BY e.seq, d.wave, d.channel`

// ReceiptsOf implements ledger.Exports.
func (s Exports) ReceiptsOf(ctx context.Context, person int64, after ledger.ReceiptCursor, limit int) (found []schoolbell.Receipt, err error) {
	err = s.DB.again("list receipts of a person", func() error {
		rows, err := s.DB.pool.Query(ctx, listReceiptsOf, named{"user": person, "provider": after.Provider, "id": after.ID, "limit": limit})
		found, err = list(rows, err, func(r pgx.CollectableRow) (v schoolbell.Receipt, err error) {
			var at time.Time
			err = r.Scan(&v.Provider, &v.ID, &v.EventID, &v.Wave, &v.Channel, &v.User, &v.Kind, &at)
			v.At = at.UTC()
			return v, err
		})
		return err
	})
	return found, err
}

// listReceiptsOf selects the receipts of deliveries to a person after one, by key.
const listReceiptsOf = `
	SELECT r.provider, r.id, r.event_id, r.wave, coalesce(c.name, ''), r.user_seq, r.kind, r.at
	FROM receipts r
	LEFT JOIN channels c ON c.id = r.channel
	WHERE r.user_seq = @user AND (r.provider, r.id) > (@provider, @id)
	ORDER BY r.provider, r.id
	LIMIT @limit`

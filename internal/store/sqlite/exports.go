package sqlite

import (
	"context"
	"database/sql"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Exports implements ledger.Exports.
type Exports struct{ DB *DB }

// Person implements ledger.Exports.
func (s Exports) Person(ctx context.Context, id string) (p ledger.PersonRecord, err error) {
	if p.User, err = People(s).User(ctx, id); err != nil {
		return p, err
	}
	err = s.DB.read(ctx, "read person", func(c *conn) error {
		var created, updated sql.NullInt64
		var guardians string
		err := c.get(ctx, findRecord, args{"id": id}, &p.Number, &created, &updated, &guardians)
		p.CreatedAt, p.UpdatedAt = timeOf(created), timeOf(updated)
		if err != nil {
			return orNotFound(err, "user", id)
		}
		return decodeList(guardians, &p.Guardians)
	})
	return p, err
}

// findRecord selects what findUser leaves out of a person.
var findRecord = row.SQL(`
SELECT u.seq, u.created_at, u.updated_at,
	(SELECT json_group_array(id) FROM (
		SELECT g.id
		FROM guardianships p
		JOIN users g ON g.seq = p.guardian_seq
		WHERE p.student_seq = u.seq
			AND g.state = {user_live}
		ORDER BY g.id
	))
FROM users u
WHERE u.id = @id
	AND u.state = {user_live}`)

// DeliveriesTo implements ledger.Exports.
func (s Exports) DeliveriesTo(ctx context.Context, person, afterEvent int64, limit int) (found []schoolbell.Delivery, last int64, err error) {
	err = s.DB.read(ctx, "list deliveries to a person", func(c *conn) error {
		if err := c.get(ctx, lastOfEvents, args{"after": afterEvent, "limit": limit}, &last); err != nil {
			return err
		}
		return c.each(ctx, listDeliveriesTo, args{"user": person, "after": afterEvent, "last": last}, func(scan func(...any) error) error {
			var d schoolbell.Delivery
			var status, outcome int
			var updated sql.NullInt64
			err := scan(&d.EventID, &d.Wave, &d.Channel, &d.UserID, &status, &outcome, &d.Attempts, &d.Reason, &d.ProviderID, &d.SameAs, &updated)
			if err != nil {
				return err
			}
			d.Status, d.Outcome, d.UpdatedAt = row.Status(status), row.Outcome(outcome), timeOf(updated)
			found = append(found, d)
			return nil
		})
	})
	return found, last, err
}

// listDeliveriesTo selects the deliveries to a person among some events. It looks each up by its key: no index
// leads from a person to the deliveries.
const listDeliveriesTo = `
SELECT e.id, d.wave, c.name, u.id, d.status, d.outcome, d.attempts, coalesce(d.reason, ''), coalesce(d.provider_id, ''), ` + SameAs + `, d.updated_at
FROM waves w
CROSS JOIN channels c
CROSS JOIN deliveries d ON d.event_seq = w.event_seq AND d.wave = w.n AND d.channel = c.id AND d.user_seq = @user
CROSS JOIN events e ON e.seq = w.event_seq
CROSS JOIN users u ON u.seq = d.user_seq
WHERE w.event_seq > @after
	AND w.event_seq <= @last
ORDER BY w.event_seq, w.n, c.id`

// ReceiptsOf implements ledger.Exports.
func (s Exports) ReceiptsOf(ctx context.Context, person int64, after ledger.ReceiptCursor, limit int) (found []schoolbell.Receipt, err error) {
	err = s.DB.read(ctx, "list receipts of a person", func(c *conn) error {
		page := args{"user": person, "provider": after.Provider, "id": after.ID, "limit": limit}
		return c.each(ctx, listReceiptsOf, page, func(scan func(...any) error) error {
			var r schoolbell.Receipt
			var at sql.NullInt64
			err := scan(&r.Provider, &r.ID, &r.EventID, &r.Wave, &r.Channel, &r.User, &r.Kind, &at)
			r.At = timeOf(at)
			found = append(found, r)
			return err
		})
	})
	return found, err
}

// listReceiptsOf selects the receipts of deliveries to a person after one, by key.
const listReceiptsOf = `
SELECT r.provider, r.id, r.event_id, r.wave, coalesce(c.name, ''), r.user_seq, r.kind, r.at
FROM receipts r
LEFT JOIN channels c ON c.id = r.channel
WHERE r.user_seq = @user
	AND (r.provider, r.id) > (@provider, @id)
ORDER BY r.provider, r.id
LIMIT @limit`

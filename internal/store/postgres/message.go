package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Message implements inbox.Store.
func (s Inboxes) Message(ctx context.Context, eventID string, user int64) (m ledger.PersonalMessage, err error) {
	err = s.DB.read(ctx, "read message", func(tx pgx.Tx) error {
		if m.Event, err = getEvent(ctx, tx, eventID); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, selectRecipient, user).Scan(&m.UserID, &m.Locale, &m.Timezone); err != nil {
			return orNotFound(err, "user", "")
		}
		if m.Event.Personalized() {
			var text string
			if err := tx.QueryRow(ctx, selectPersonalText, eventID, user).Scan(&text); err != nil {
				return err
			}
			if m.Personal, err = row.PersonalText(text); err != nil {
				return err
			}
		}
		rows, err := tx.Query(ctx, listDeliveriesOfMessage, eventID, user)
		m.Deliveries, err = list(rows, err, func(r pgx.CollectableRow) (d schoolbell.Delivery, err error) {
			var status, outcome int
			err = r.Scan(&d.Wave, &d.Channel, &status, &outcome)
			d.Status, d.Outcome = row.Status(status), row.Outcome(outcome)
			return d, err
		})
		return err
	})
	return m, err
}

// selectRecipient selects what the page of a message needs of a person.
var selectRecipient = row.SQL("SELECT id, locale, timezone FROM users WHERE seq = $1 AND state = {user_live}")

// selectPersonalText selects what the messages of an event to a user do not share.
var selectPersonalText = row.SQL(`
	SELECT ` + personalText + `
	FROM events e
	CROSS JOIN users u
	WHERE e.id = $1 AND u.seq = $2 AND u.state = {user_live}`)

// listDeliveriesOfMessage selects the deliveries of an event to a person. It looks each up by its key: no
// index leads from a person to the deliveries.
const listDeliveriesOfMessage = `
	SELECT d.wave, c.name, d.status, d.outcome
	FROM events e
	JOIN waves w ON w.event_seq = e.seq
	CROSS JOIN channels c
	CROSS JOIN LATERAL (
		SELECT *
		FROM deliveries d
		WHERE d.event_seq = w.event_seq AND d.wave = w.n AND d.channel = c.id AND d.user_seq = $2
		OFFSET 0) d
	WHERE e.id = $1
	ORDER BY d.wave, d.channel`

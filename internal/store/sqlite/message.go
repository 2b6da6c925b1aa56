package sqlite

import (
	"context"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Message implements inbox.Store.
func (s Inboxes) Message(ctx context.Context, eventID string, user int64) (m ledger.PersonalMessage, err error) {
	err = s.DB.read(ctx, "read message", func(c *conn) error {
		if m.Event, err = getEvent(ctx, c, eventID); err != nil {
			return err
		}
		if err := c.get(ctx, findRecipient, args{"user": user}, &m.UserID, &m.Locale, &m.Timezone); err != nil {
			return orNotFound(err, "user", "")
		}
		if m.Event.Personalized() {
			var text string
			if err := c.get(ctx, selectPersonalText, args{"event_id": eventID, "user": user}, &text); err != nil {
				return err
			}
			if m.Personal, err = row.PersonalText(text); err != nil {
				return err
			}
		}
		return c.each(ctx, listDeliveriesOfMessage, args{"event_id": eventID, "user": user}, func(scan func(...any) error) error {
			var d schoolbell.Delivery
			var status, outcome int
			err := scan(&d.Wave, &d.Channel, &status, &outcome)
			d.Status, d.Outcome = row.Status(status), row.Outcome(outcome)
			m.Deliveries = append(m.Deliveries, d)
			return err
		})
	})
	return m, err
}

// selectPersonalText selects what the messages of an event to a user do not share.
var selectPersonalText = row.SQL(`
SELECT ` + personalText + `
FROM events e
CROSS JOIN users u
WHERE e.id = @event_id
	AND u.seq = @user
	AND u.state = {user_live}`)

// findRecipient selects what the page of a message needs of a person.
var findRecipient = row.SQL(`
SELECT id, locale, timezone
FROM users
WHERE seq = @user
	AND state = {user_live}`)

// listDeliveriesOfMessage selects the deliveries of an event to a person. It looks each up by its key: no
// index leads from a person to the deliveries.
const listDeliveriesOfMessage = `
SELECT d.wave, c.name, d.status, d.outcome
FROM events e
CROSS JOIN waves w ON w.event_seq = e.seq
CROSS JOIN channels c
CROSS JOIN deliveries d ON d.event_seq = w.event_seq AND d.wave = w.n AND d.channel = c.id AND d.user_seq = @user
WHERE e.id = @event_id
ORDER BY d.wave, d.channel`

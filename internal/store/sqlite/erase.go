package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"schoolbell/internal/store/row"
)

// DeleteUser implements people.Store.
func (s People) DeleteUser(ctx context.Context, id string) error {
	return s.DB.write(ctx, "delete user", func(c *conn) error {
		seq, err := userSeq(ctx, c, id)
		if err != nil {
			return err
		}
		at, err := clock(ctx, c)
		if err != nil {
			return err
		}
		for _, query := range []string{eraseUser, noteErasure} {
			if _, err := c.exec(ctx, query, args{"user": seq, "now": at}); err != nil {
				return err
			}
		}
		if _, err := c.exec(ctx, forgetAddresses, args{"id": id}); err != nil {
			return err
		}
		for _, query := range []string{
			"DELETE FROM user_roles WHERE user_seq = @user", "DELETE FROM memberships WHERE user_seq = @user",
			"DELETE FROM guardianships WHERE guardian_seq = @user", "DELETE FROM guardianships WHERE student_seq = @user",
			"DELETE FROM preferences WHERE user_seq = @user", "DELETE FROM inbox WHERE user_seq = @user",
			"DELETE FROM digest_items WHERE user_seq = @user", "DELETE FROM addresses WHERE user_seq = @user",
			"DELETE FROM household_messages WHERE user_seq = @user",
			"DELETE FROM personal_data WHERE user_seq = @user",
			"DELETE FROM concerned_students WHERE user_seq = @user", "DELETE FROM concerned_students WHERE student_seq = @user",
		} {
			if _, err := c.exec(ctx, query, args{"user": seq}); err != nil {
				return err
			}
		}
		if _, err := c.exec(ctx, countSuppressed, args{"user": seq}); err != nil {
			return err
		}
		_, err = c.exec(ctx, suppressUser, args{"user": seq, "now": at})
		return err
	})
}

// eraseUser empties the row of a user, revokes their tokens and keeps only the number, for the deliveries.
var eraseUser = row.SQL(`
UPDATE users
SET id = '#' || seq,
	state = {user_gone},
	generation = generation + 1,
	name = '',
	locale = '',
	timezone = '',
	quiet_hours = '',
	digest_window = '',
	locale_chosen = 0,
	calendar_feed = NULL,
	created_at = @now,
	updated_at = @now
WHERE seq = @user`)

// noteErasure stores that the deliveries of a user must be scrubbed.
const noteErasure = "INSERT INTO erasures (user_seq, erased_at) VALUES (@user, @now)"

// suppressUser suppresses the pending deliveries of a deleted user that no claim names.
var suppressUser = row.SQL(`
UPDATE deliveries
SET status = ` + suppressedStatus + `,
	retry_at = NULL,
	reason = {no_address},
	updated_at = @now
WHERE ` + suppressible)

// countSuppressed does the same in the totals, before it.
var countSuppressed = row.SQL(moveTotals(suppressible, suppressedStatus, "outcome"))

// suppressedStatus is the status of a row that must not be sent any more. If an earlier attempt may have
// reached the user, it is uncertain.
const suppressedStatus = "CASE WHEN uncertain THEN {uncertain} ELSE {suppressed} END"

// suppressible says that a delivery is one of those that suppressUser ends. It goes wave by wave and channel
// by channel, because the key begins with them.
var suppressible = `(event_seq, wave) IN (SELECT event_seq, n FROM waves WHERE finished_at IS NULL)
	AND channel IN (SELECT id FROM channels WHERE id <> {in_app})
	AND user_seq = @user
	AND status = {pending}
	AND NOT ` + held("deliveries")

// ScrubErased implements ledger.Retention.
func (s Retention) ScrubErased(ctx context.Context, before time.Time, limit int) (rows int, done bool, err error) {
	err = s.DB.write(ctx, "scrub deliveries", func(c *conn) error {
		rows, done = 0, false
		var user, after, last int64
		err := c.get(ctx, findErasure, args{"before": before.UnixMilli()}, &user, &after)
		if errors.Is(err, sql.ErrNoRows) {
			done = true
			return nil
		}
		if err != nil {
			return err
		}
		if err := c.get(ctx, lastOfEvents, args{"after": after, "limit": limit}, &last); err != nil {
			return err
		}
		if last == 0 {
			_, err := c.exec(ctx, "DELETE FROM erasures WHERE user_seq = @user", args{"user": user})
			return err
		}
		if rows, err = c.exec(ctx, scrubDeliveries, args{"user": user, "after": after, "last": last}); err != nil {
			return err
		}
		_, err = c.exec(ctx, "UPDATE erasures SET after_event = @last WHERE user_seq = @user", args{"user": user, "last": last})
		return err
	})
	return rows, done, err
}

// findErasure selects a person who was erased before a time.
const findErasure = `
SELECT user_seq, after_event
FROM erasures
WHERE erased_at < @before
ORDER BY user_seq
LIMIT 1`

// lastOfEvents selects the last of the next events after a number, 0 if there are none.
const lastOfEvents = `
SELECT coalesce(max(seq), 0)
FROM (SELECT seq FROM events WHERE seq > @after ORDER BY seq LIMIT @limit)`

// scrubDeliveries deletes what providers said from the deliveries of a person that are terminal. The reasons of
// suppressed ones are the program's own. Deliveries are found by wave and channel, because their key begins with them.
var scrubDeliveries = row.SQL(`
UPDATE deliveries
SET reason = CASE WHEN status = {suppressed} THEN reason END,
	provider_id = NULL
WHERE (event_seq, wave) IN (SELECT event_seq, n FROM waves WHERE event_seq > @after AND event_seq <= @last)
	AND channel IN (SELECT id FROM channels)
	AND user_seq = @user
	AND status NOT IN ({open})
	AND (provider_id IS NOT NULL OR reason IS NOT NULL AND status <> {suppressed})`)

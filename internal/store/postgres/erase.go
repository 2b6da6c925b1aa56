package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell/internal/store/row"
)

// DeleteUser implements people.Store.
func (s People) DeleteUser(ctx context.Context, id string) error {
	return s.DB.write(ctx, "delete user", func(tx pgx.Tx) error {
		if err := lock(ctx, tx, lockPeople); err != nil {
			return err
		}
		seq, err := userSeq(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := suppressPending(ctx, tx, seq); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, forgetAddresses, id); err != nil {
			return err
		}
		for _, query := range deleteUser {
			if _, err := tx.Exec(ctx, query, seq); err != nil {
				return err
			}
		}
		return nil
	})
}

// deleteUser are the statements that delete a user, who has the number $1.
var deleteUser = []string{
	// The row stays for the deliveries, with nothing but the number.
	row.SQL(`
		UPDATE users
		SET id = '#' || seq, state = {user_gone}, generation = generation + 1,
			name = '', locale = '', timezone = '', quiet_hours = '', digest_window = '', locale_chosen = false, calendar_feed = NULL,
			created_at = ` + now + `, updated_at = ` + now + `
		WHERE seq = $1`),
	"DELETE FROM user_roles WHERE user_seq = $1",
	"DELETE FROM memberships WHERE user_seq = $1",
	"DELETE FROM guardianships WHERE guardian_seq = $1",
	"DELETE FROM guardianships WHERE student_seq = $1",
	"DELETE FROM addresses WHERE user_seq = $1",
	"DELETE FROM digest_items WHERE user_seq = $1",
	"DELETE FROM household_messages WHERE user_seq = $1",
	"DELETE FROM preferences WHERE user_seq = $1",
	"DELETE FROM inbox WHERE user_seq = $1",
	"DELETE FROM personal_data WHERE user_seq = $1",
	"DELETE FROM concerned_students WHERE user_seq = $1",
	"DELETE FROM concerned_students WHERE student_seq = $1",
	"INSERT INTO erasures (user_seq, erased_at) VALUES ($1, " + now + ")",
}

// ScrubErased implements ledger.Retention.
func (s Retention) ScrubErased(ctx context.Context, before time.Time, limit int) (rows int, done bool, err error) {
	err = s.DB.write(ctx, "scrub deliveries", func(tx pgx.Tx) error {
		rows, done = 0, false
		var user, after, last int64
		err := tx.QueryRow(ctx, lockErasure, before).Scan(&user, &after)
		if noRows(err) {
			done = true
			return nil
		}
		if err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, lastOfEvents, after, limit).Scan(&last); err != nil {
			return err
		}
		if last == 0 {
			_, err := tx.Exec(ctx, "DELETE FROM erasures WHERE user_seq = $1", user)
			return err
		}
		tag, err := tx.Exec(ctx, scrubDeliveries, named{"user": user, "after": after, "last": last})
		if err != nil {
			return err
		}
		rows = int(tag.RowsAffected())
		_, err = tx.Exec(ctx, "UPDATE erasures SET after_event = $2 WHERE user_seq = $1", user, last)
		return err
	})
	return rows, done, err
}

// lockErasure selects a person who was erased before a time, and keeps others from scrubbing their deliveries.
const lockErasure = `
	SELECT user_seq, after_event
	FROM erasures
	WHERE erased_at < $1
	ORDER BY user_seq
	LIMIT 1
	FOR UPDATE SKIP LOCKED`

// lastOfEvents selects the last of the next events after a number, 0 if there are none.
const lastOfEvents = "SELECT coalesce(max(seq), 0) FROM (SELECT seq FROM events WHERE seq > $1 ORDER BY seq LIMIT $2) e"

// scrubDeliveries deletes what providers said from the deliveries of a person that are terminal. The reasons of
// suppressed ones are the program's own. Deliveries are found by wave and channel, because their key begins with them.
var scrubDeliveries = row.SQL(`
	UPDATE deliveries d
	SET reason = CASE WHEN d.status = {suppressed} THEN d.reason END, provider_id = NULL
	FROM (
		SELECT d.tableoid, d.ctid
		FROM (SELECT event_seq, n FROM waves WHERE event_seq > @after AND event_seq <= @last OFFSET 0) w
		CROSS JOIN channels c
		CROSS JOIN LATERAL (
			SELECT d.tableoid, d.ctid
			FROM deliveries d
			WHERE d.event_seq = w.event_seq AND d.wave = w.n AND d.channel = c.id AND d.user_seq = @user
				AND d.status NOT IN ({open})
				AND (d.provider_id IS NOT NULL OR d.reason IS NOT NULL AND d.status <> {suppressed})
			FOR UPDATE) d
		OFFSET 0) x
	WHERE d.tableoid = x.tableoid AND d.ctid = x.ctid`)

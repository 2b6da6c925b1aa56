package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Calendars implements inbox.CalendarStore.
type Calendars struct{ DB *DB }

// CreateFeed implements inbox.CalendarStore.
func (s Calendars) CreateFeed(ctx context.Context, userID string, id int64) (feed ledger.CalendarFeed, err error) {
	err = s.DB.write(ctx, "create calendar feed", func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, createFeed, userID, id).Scan(&feed.User, &feed.ID)
		return orNotFound(err, "user", userID)
	})
	return feed, err
}

// createFeed gives a person a feed unless there is one, and returns it.
var createFeed = row.SQL(`
	UPDATE users
	SET calendar_feed = coalesce(calendar_feed, $2)
	WHERE id = $1 AND state = {user_live}
	RETURNING seq, calendar_feed`)

// RevokeFeed implements inbox.CalendarStore.
func (s Calendars) RevokeFeed(ctx context.Context, userID string) error {
	return s.DB.write(ctx, "revoke calendar feed", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, revokeFeed, userID)
		if err == nil && tag.RowsAffected() == 0 {
			return schoolbell.NotFound("user", userID)
		}
		return err
	})
}

// revokeFeed ends the feed of a person.
var revokeFeed = row.SQL("UPDATE users SET calendar_feed = NULL WHERE id = $1 AND state = {user_live}")

// Feed implements inbox.CalendarStore.
func (s Calendars) Feed(ctx context.Context, userID string) (feed ledger.CalendarFeed, err error) {
	err = s.DB.again("read calendar feed", func() error {
		err := s.DB.pool.QueryRow(ctx, selectFeed, userID).Scan(&feed.User, &feed.ID)
		return orNotFound(err, "user", userID)
	})
	return feed, err
}

// selectFeed selects the feed of a person.
var selectFeed = row.SQL("SELECT seq, coalesce(calendar_feed, 0) FROM users WHERE id = $1 AND state = {user_live}")

// FeedEvents implements inbox.CalendarStore.
func (s Calendars) FeedEvents(ctx context.Context, feed ledger.CalendarFeed, since time.Time, limit int) (found ledger.CalendarEvents, err error) {
	err = s.DB.read(ctx, "read calendar feed", func(tx pgx.Tx) error {
		found = ledger.CalendarEvents{}
		if err := tx.QueryRow(ctx, selectFeedUser, feed.User, feed.ID).Scan(&found.Locale); err != nil {
			return orNotFound(err, "calendar feed", "")
		}
		rows, err := tx.Query(ctx, listFeedEvents, named{"user": feed.User, "since": since, "limit": limit})
		found.Events, err = list(rows, err, scanEvent)
		return err
	})
	return found, err
}

// selectFeedUser selects what a feed needs of its user.
var selectFeedUser = row.SQL("SELECT locale FROM users WHERE seq = $1 AND calendar_feed = $2 AND state = {user_live}")

// listFeedEvents selects the events that start at a time or later and are in the inbox of a user, or reached the user on other
// channels only, newest first.
var listFeedEvents = row.SQL(`
	SELECT ` + eventColumns + `
	FROM events e
	JOIN waves w ON w.event_seq = e.seq AND w.n = 0
	WHERE e.starts_at >= @since AND e.seq = ANY (ARRAY(
		SELECT k.event_seq
		FROM inbox i
		JOIN chunks k ON k.position = i.position
		WHERE i.user_seq = @user
		UNION ALL
		SELECT o.seq
		FROM events o
		JOIN waves f ON f.event_seq = o.seq AND f.n = 0 AND NOT 'in_app' = ANY (f.channels)
		CROSS JOIN LATERAL (
			SELECT 1
			FROM deliveries d
			WHERE d.event_seq = o.seq AND d.wave = 0 AND d.channel = ANY (ARRAY(SELECT id FROM channels WHERE id <> {in_app})) AND d.user_seq = @user
				AND (d.status IN ({sent}, {uncertain}, {failed}) OR d.status = {suppressed} AND d.reason IN ({in_digest}, {same_address}))
			LIMIT 1) d
		WHERE o.starts_at >= @since))
	ORDER BY e.seq DESC
	LIMIT @limit`)

package sqlite

import (
	"context"
	"time"

	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Calendars implements inbox.CalendarStore.
type Calendars struct{ DB *DB }

// CreateFeed implements inbox.CalendarStore.
func (s Calendars) CreateFeed(ctx context.Context, userID string, id int64) (feed ledger.CalendarFeed, err error) {
	err = s.DB.write(ctx, "create calendar feed", func(c *conn) error {
		if feed.User, err = userSeq(ctx, c, userID); err != nil {
			return err
		}
		return c.get(ctx, createFeed, args{"user": feed.User, "id": id}, &feed.ID)
	})
	return feed, err
}

// createFeed gives a user a feed unless there is one, and returns its id.
const createFeed = `
UPDATE users
SET calendar_feed = coalesce(calendar_feed, @id)
WHERE seq = @user
RETURNING calendar_feed`

// RevokeFeed implements inbox.CalendarStore.
func (s Calendars) RevokeFeed(ctx context.Context, userID string) error {
	return s.DB.write(ctx, "revoke calendar feed", func(c *conn) error {
		seq, err := userSeq(ctx, c, userID)
		if err != nil {
			return err
		}
		_, err = c.exec(ctx, "UPDATE users SET calendar_feed = NULL WHERE seq = @user", args{"user": seq})
		return err
	})
}

// Feed implements inbox.CalendarStore.
func (s Calendars) Feed(ctx context.Context, userID string) (feed ledger.CalendarFeed, err error) {
	err = s.DB.read(ctx, "read calendar feed", func(c *conn) error {
		return orNotFound(c.get(ctx, findFeed, args{"id": userID}, &feed.User, &feed.ID), "user", userID)
	})
	return feed, err
}

// findFeed selects the feed of a live user.
var findFeed = row.SQL("SELECT seq, coalesce(calendar_feed, 0) FROM users WHERE id = @id AND state = {user_live}")

// FeedEvents implements inbox.CalendarStore.
func (s Calendars) FeedEvents(ctx context.Context, feed ledger.CalendarFeed, since time.Time, limit int) (found ledger.CalendarEvents, err error) {
	err = s.DB.read(ctx, "read calendar feed", func(c *conn) error {
		if err := c.get(ctx, findFeedUser, args{"user": feed.User, "feed": feed.ID}, &found.Locale); err != nil {
			return orNotFound(err, "calendar feed", "")
		}
		a := args{"user": feed.User, "since": since.UnixMilli(), "limit": limit}
		return c.each(ctx, listFeedEvents, a, func(scan func(...any) error) error {
			ev, err := scanEvent(scan)
			found.Events = append(found.Events, ev)
			return err
		})
	})
	return found, err
}

// findFeedUser selects what a feed needs of its user.
var findFeedUser = row.SQL("SELECT locale FROM users WHERE seq = @user AND calendar_feed = @feed AND state = {user_live}")

// listFeedEvents selects the events that start at a time or later and are in the inbox of a user, or reached the user on other
// channels only, newest first.
var listFeedEvents = row.SQL(`
SELECT ` + eventColumns + `
FROM events e
CROSS JOIN waves w ON w.event_seq = e.seq AND w.n = 0
WHERE e.seq IN (
	SELECT k.event_seq
	FROM inbox i
	CROSS JOIN chunks k ON k.position = i.position
	WHERE i.user_seq = @user
	UNION ALL
	SELECT o.seq
	FROM events o
	CROSS JOIN waves f ON f.event_seq = o.seq AND f.n = 0
	CROSS JOIN channels c
	CROSS JOIN deliveries d ON d.event_seq = o.seq AND d.wave = 0 AND d.channel = c.id AND d.user_seq = @user
	WHERE o.starts_at >= @since
		AND instr(f.channels, '"in_app"') = 0
		AND c.id <> {in_app}
		AND (d.status IN ({sent}, {uncertain}, {failed}) OR d.reason IN ({in_digest}, {same_address}) AND d.status = {suppressed})
)
	AND e.starts_at >= @since
ORDER BY e.seq DESC
LIMIT @limit`)

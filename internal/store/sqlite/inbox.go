package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// inboxItems are the columns that scanItem reads and the tables they come from. Other
// columns may precede it, and a WHERE about inbox item i follows.
const inboxItems = `i.position, e.id, e.title, e.body, e.category, e.data, e.location,
	e.starts_at, e.ends_at, e.texts, CASE WHEN e.texts <> '' THEN (SELECT locale FROM users WHERE seq = i.user_seq) ELSE '' END,
	k.arrived_at, i.read_at, i.acked_at, e.cancelled_at IS NOT NULL,
	CASE WHEN e.for_each <> '' OR e.personal > 0 THEN (SELECT ` + personalText + ` FROM users u WHERE u.seq = i.user_seq) ELSE '' END
FROM inbox i
CROSS JOIN chunks k ON k.position = i.position
CROSS JOIN events e ON e.seq = k.event_seq`

// scanItem reads the columns that first is for, and then those of inboxItems.
func scanItem(scan func(...any) error, first ...any) (schoolbell.InboxItem, error) {
	var it schoolbell.InboxItem
	var startsAt, endsAt, arrived, read, acked sql.NullInt64
	var texts, locale, personal string
	err := scan(append(first, &it.Position, &it.EventID, &it.Title, &it.Body, &it.Category, &it.Data, &it.Location,
		&startsAt, &endsAt, &texts, &locale, &arrived, &read, &acked, &it.Cancelled, &personal)...)
	it.StartsAt, it.EndsAt, it.ArrivedAt, it.ReadAt, it.AckedAt = timeOf(startsAt), timeOf(endsAt), timeOf(arrived), timeOf(read), timeOf(acked)
	if err == nil {
		err = row.Translate(&it, texts, locale)
	}
	if err == nil && personal != "" {
		it.Personal, err = row.PersonalText(personal)
	}
	return it, err
}

func unread(ctx context.Context, c *conn, user int64) (n int, err error) {
	err = c.get(ctx, "SELECT count(*) FROM inbox WHERE user_seq = @user AND read_at IS NULL", args{"user": user}, &n)
	return n, err
}

// Inboxes implements inbox.Store.
type Inboxes struct{ DB *DB }

// Inbox implements inbox.Store.
func (s Inboxes) Inbox(ctx context.Context, userID string, before int64, limit int) (items []schoolbell.InboxItem, n int, err error) {
	if before <= 0 {
		before = 1<<63 - 1
	}
	err = s.DB.read(ctx, "read inbox", func(c *conn) error {
		user, err := userSeq(ctx, c, userID)
		if err != nil {
			return err
		}
		err = c.each(ctx, listInbox, args{"user": user, "before": before, "limit": limit}, func(scan func(...any) error) error {
			it, err := scanItem(scan)
			items = append(items, it)
			return err
		})
		if err != nil {
			return err
		}
		n, err = unread(ctx, c, user)
		return err
	})
	return items, n, err
}

// listInbox selects a page of a user's inbox before a position, newest first.
var listInbox = row.SQL(`
SELECT ` + inboxItems + `
WHERE i.user_seq = @user
	AND i.position < @before
ORDER BY i.position DESC
LIMIT @limit`)

// MarkRead implements inbox.Store.
func (s Inboxes) MarkRead(ctx context.Context, userID, eventID string) (n int, err error) {
	return s.mark(ctx, userID, eventID, schoolbell.OutcomeRead)
}

// Acknowledge implements inbox.Store.
func (s Inboxes) Acknowledge(ctx context.Context, userID, eventID string) (n int, err error) {
	return s.mark(ctx, userID, eventID, schoolbell.OutcomeAcknowledged)
}

// mark notes what the user did with an event: read or acknowledged it.
func (s Inboxes) mark(ctx context.Context, userID, eventID string, done schoolbell.Outcome) (n int, err error) {
	err = s.DB.write(ctx, "mark inbox item", func(c *conn) error {
		user, err := userSeq(ctx, c, userID)
		if err != nil {
			return err
		}
		at, err := clock(ctx, c)
		if err != nil {
			return err
		}
		var event, position int64
		err = c.get(ctx, findPosition, args{"user": user, "event_id": eventID}, &event, &position)
		if errors.Is(err, sql.ErrNoRows) {
			return schoolbell.NotFound("event in the inbox", eventID)
		}
		if err != nil {
			return err
		}
		acked := done == schoolbell.OutcomeAcknowledged
		if _, err := c.exec(ctx, markItem, args{"user": user, "position": position, "acked": acked, "now": at}); err != nil {
			return err
		}
		a := args{"event": event, "user": user, "outcome": row.OutcomeNumber(done)}
		if _, err := c.exec(ctx, countInAppOutcome, a); err != nil {
			return err
		}
		if _, err := c.exec(ctx, moveInAppOutcome, a.and(args{"now": at})); err != nil {
			return err
		}
		n, err = unread(ctx, c, user)
		return err
	})
	return n, err
}

// findPosition selects an event, and its position if it is in a user's inbox.
var findPosition = `
SELECT e.seq, i.position
FROM events e
CROSS JOIN inbox i ON i.user_seq = @user AND i.position = ` + ChunkOf("e.seq", "@user") + `
WHERE e.id = @event_id`

// ChunkOf is the position of the chunk of an event that a user belongs to.
func ChunkOf(event, user string) string {
	return `(
		SELECT k.position
		FROM chunks k
		WHERE k.event_seq = ` + event + `
			AND k.first_user <= ` + user + `
		ORDER BY k.first_user DESC
		LIMIT 1
	)`
}

// markItem marks one item of a user's inbox as read and, if @acked, as acknowledged. Each keeps its first time.
const markItem = `
UPDATE inbox
SET read_at = coalesce(read_at, @now),
	acked_at = CASE WHEN @acked THEN coalesce(acked_at, @now) ELSE acked_at END
WHERE user_seq = @user
	AND position = @position
	AND (read_at IS NULL OR @acked AND acked_at IS NULL)`

// moveInAppOutcome moves the outcome of an event's own in-app delivery to a user forward.
var moveInAppOutcome = row.SQL(`
UPDATE deliveries
SET outcome = @outcome,
	updated_at = @now
WHERE ` + weakerInApp)

// countInAppOutcome does the same in the totals, before it.
var countInAppOutcome = row.SQL(moveTotals(weakerInApp, "status", "@outcome"))

// weakerInApp says that a delivery is an event's own in-app delivery to a user and has a weaker outcome.
const weakerInApp = `event_seq = @event
	AND wave = 0
	AND channel = {in_app}
	AND user_seq = @user
	AND outcome < @outcome`

// MarkAllRead implements inbox.Store.
func (s Inboxes) MarkAllRead(ctx context.Context, userID string, upTo int64) (n int, err error) {
	if upTo <= 0 {
		upTo = 1<<63 - 1
	}
	err = s.DB.write(ctx, "mark all read", func(c *conn) error {
		user, err := userSeq(ctx, c, userID)
		if err != nil {
			return err
		}
		at, err := clock(ctx, c)
		if err != nil {
			return err
		}
		a := args{"user": user, "up_to": upTo}
		if _, err := c.exec(ctx, countInAppOutcomes, a); err != nil {
			return err
		}
		for _, query := range []string{moveInAppOutcomes, markAllRead} { // the first asks what is unread
			if _, err := c.exec(ctx, query, a.and(args{"now": at})); err != nil {
				return err
			}
		}
		n, err = unread(ctx, c, user)
		return err
	})
	return n, err
}

// moveInAppOutcomes does the same to the deliveries of a user's unread items up to a position: they become read.
var moveInAppOutcomes = row.SQL(`
UPDATE deliveries
SET outcome = {outcome_read},
	updated_at = @now
WHERE ` + unreadInApp)

// countInAppOutcomes does the same in the totals, before it.
var countInAppOutcomes = row.SQL(moveTotals(unreadInApp, "status", "{outcome_read}"))

// unreadInApp says that a delivery is that of one of a user's unread items up to a position.
const unreadInApp = `event_seq IN (
		SELECT k.event_seq
		FROM inbox i
		CROSS JOIN chunks k ON k.position = i.position
		WHERE i.user_seq = @user
			AND i.position <= @up_to
			AND i.read_at IS NULL
	)
	AND wave = 0
	AND channel = {in_app}
	AND user_seq = @user
	AND outcome < {outcome_read}`

// markAllRead marks a user's unread items up to a position as read.
const markAllRead = `
UPDATE inbox
SET read_at = @now
WHERE user_seq = @user
	AND position <= @up_to
	AND read_at IS NULL`

// InboxTail implements inbox.Store. Transactions that write run one after the other, so all items have appeared.
func (s Inboxes) InboxTail(ctx context.Context) (tail, last int64, err error) {
	err = s.DB.read(ctx, "read the inbox tail", func(c *conn) error {
		return c.get(ctx, "SELECT coalesce(max(position), 0) FROM chunks", nil, &tail)
	})
	return tail, tail, err
}

// UserRefs implements inbox.Store.
func (s Inboxes) UserRefs(ctx context.Context, ids []string) (map[string]ledger.UserRef, error) {
	return userRefs(ctx, s.DB, ids)
}

// InboxSince implements inbox.Store. People reached together share a position;
// it never returns some of them and leaves the others for a later call, which
// would ask for what is above it: so it may return more than limit.
func (s Inboxes) InboxSince(ctx context.Context, users []ledger.UserRef, after int64, limit int) (map[ledger.UserRef][]schoolbell.InboxItem, error) {
	found := map[ledger.UserRef][]schoolbell.InboxItem{}
	pairs := make([][2]int64, len(users))
	for i, u := range users {
		pairs[i] = [2]int64{u.Number, u.Generation}
	}
	err := s.DB.read(ctx, "read new inbox items", func(c *conn) error {
		numbers, err := listOf[int64](ctx, c, currentUsers, args{"pairs": jsonOf(pairs)})
		if err != nil {
			return err
		}
		asked := jsonOf(numbers)
		last := int64(1<<63 - 1)
		err = c.get(ctx, lastPosition, args{"users": asked, "after": after, "items_before": limit - 1}, &last)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		shared := row.Shared{}
		return c.each(ctx, newItems, args{"users": asked, "after": after, "last": last}, func(scan func(...any) error) error {
			var user ledger.UserRef
			it, err := scanItem(scan, &user.Number, &user.Generation)
			found[user] = append(found[user], shared.Item(it))
			return err
		})
	})
	return found, err
}

// currentUsers selects the live users among pairs of a number and a generation that is still theirs.
var currentUsers = row.SQL(`
SELECT u.seq
FROM json_each(@pairs)
CROSS JOIN users u ON u.seq = value ->> 0
WHERE u.generation = value ->> 1
	AND u.state = {user_live}`)

// lastPosition selects the position of the last item on a page of new items of all the users.
const lastPosition = `
SELECT position
FROM inbox
WHERE user_seq IN (SELECT value FROM json_each(@users))
	AND position > @after
ORDER BY position
LIMIT 1 OFFSET @items_before`

// newItems selects the items of the users after a position, up to and with another.
var newItems = row.SQL(`
SELECT i.user_seq, (SELECT generation FROM users WHERE seq = i.user_seq), ` + inboxItems + `
WHERE i.user_seq IN (SELECT value FROM json_each(@users))
	AND i.position > @after
	AND i.position <= @last
ORDER BY i.position`)

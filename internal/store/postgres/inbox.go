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

// selectItems selects the columns of inbox items that scanItem reads.
var selectItems = row.SQL(`
	SELECT i.user_seq, (SELECT generation FROM users WHERE seq = i.user_seq), i.position,
		e.id, e.title, e.body, e.category, e.data, e.location, e.starts_at, e.ends_at,
		e.texts, CASE WHEN e.texts <> '' THEN (SELECT locale FROM users WHERE seq = i.user_seq) ELSE '' END,
		k.arrived_at, i.read_at, i.acked_at, e.cancelled_at IS NOT NULL,
		CASE WHEN e.for_each <> '' OR e.personal > 0 THEN (SELECT ` + personalText + ` FROM users u WHERE u.seq = i.user_seq) ELSE '' END
	FROM inbox i
	JOIN chunks k ON k.position = i.position
	JOIN events e ON e.seq = k.event_seq`)

// itemOf is an item and the user it belongs to.
type itemOf struct {
	user ledger.UserRef
	item schoolbell.InboxItem
}

// scanItem reads a row of selectItems.
func scanItem(r pgx.CollectableRow) (itemOf, error) {
	var o itemOf
	it := &o.item
	var startsAt, endsAt, read, acked *time.Time
	var texts, locale, personal string
	err := r.Scan(&o.user.Number, &o.user.Generation, &it.Position, &it.EventID, &it.Title, &it.Body, &it.Category, &it.Data, &it.Location,
		&startsAt, &endsAt, &texts, &locale, &it.ArrivedAt, &read, &acked, &it.Cancelled, &personal)
	it.StartsAt, it.EndsAt, it.ArrivedAt, it.ReadAt = timeOf(startsAt), timeOf(endsAt), it.ArrivedAt.UTC(), timeOf(read)
	it.AckedAt = timeOf(acked)
	if err == nil {
		err = row.Translate(it, texts, locale)
	}
	if err == nil && personal != "" {
		it.Personal, err = row.PersonalText(personal)
	}
	return o, err
}

func unread(ctx context.Context, tx pgx.Tx, user int64) (n int, err error) {
	err = tx.QueryRow(ctx, countUnread, user).Scan(&n)
	return n, err
}

// countUnread counts the unread items of a user.
const countUnread = "SELECT count(*) FROM inbox WHERE user_seq = $1 AND read_at IS NULL"

// Inboxes implements inbox.Store.
type Inboxes struct{ DB *DB }

// Inbox implements inbox.Store.
func (s Inboxes) Inbox(ctx context.Context, userID string, before int64, limit int) (items []schoolbell.InboxItem, n int, err error) {
	if before <= 0 {
		tail, _, err := s.InboxTail(ctx)
		if err != nil {
			return nil, 0, err
		}
		before = tail + 1
	}
	err = s.DB.read(ctx, "read inbox", func(tx pgx.Tx) error {
		user, err := userSeq(ctx, tx, userID)
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, listItems, user, before, limit)
		found, err := list(rows, err, scanItem)
		if err != nil {
			return err
		}
		items = make([]schoolbell.InboxItem, len(found))
		for i := range found {
			items[i] = found[i].item
		}
		n, err = unread(ctx, tx, user)
		return err
	})
	return items, n, err
}

// listItems selects the items of a user before a position, newest first.
var listItems = selectItems + `
	WHERE i.user_seq = $1 AND i.position < $2
	ORDER BY i.position DESC
	LIMIT $3`

// MarkRead implements inbox.Store.
func (s Inboxes) MarkRead(ctx context.Context, userID, eventID string) (int, error) {
	return s.mark(ctx, "mark read", markRead, userID, eventID)
}

// Acknowledge implements inbox.Store.
func (s Inboxes) Acknowledge(ctx context.Context, userID, eventID string) (int, error) {
	return s.mark(ctx, "acknowledge", acknowledge, userID, eventID)
}

// mark runs a statement on one item of a user, and returns how many are unread after it.
func (s Inboxes) mark(ctx context.Context, doing, statement, userID, eventID string) (n int, err error) {
	err = s.DB.write(ctx, doing, func(tx pgx.Tx) error {
		user, err := userSeq(ctx, tx, userID)
		if err != nil {
			return err
		}
		var position int64
		err = tx.QueryRow(ctx, selectPosition, user, eventID).Scan(&position)
		if err != nil {
			return orNotFound(err, "event in the inbox", eventID)
		}
		if _, err := tx.Exec(ctx, statement, user, position); err != nil {
			return err
		}
		n, err = unread(ctx, tx, user)
		return err
	})
	return n, err
}

// selectPosition selects the position of an event in a user's inbox. It is the position of the chunk
// that the user belongs to.
const selectPosition = `
	SELECT i.position
	FROM inbox i
	WHERE i.user_seq = $1
		AND i.position = (
			SELECT k.position
			FROM chunks k
			JOIN events e ON e.seq = k.event_seq
			WHERE e.id = $2 AND k.first_user <= $1
			ORDER BY k.first_user DESC
			LIMIT 1)`

// moveOutcome ends a statement: it moves the outcomes of the in-app deliveries at the positions in
// marked forward, and the totals with them. It locks the deliveries, so that it counts the outcomes that
// it replaces.
func moveOutcome(outcome string) string {
	return `,
	old AS MATERIALIZED (
		SELECT d.event_seq, d.channel, d.user_seq, d.status, d.outcome
		FROM marked m
		JOIN chunks k ON k.position = m.position
		JOIN deliveries d ON d.event_seq = k.event_seq AND d.wave = 0 AND d.channel = {in_app} AND d.user_seq = $1
		WHERE d.outcome < ` + outcome + `
		ORDER BY d.event_seq
		FOR UPDATE OF d),
	moved AS (
		UPDATE deliveries d
		SET outcome = ` + outcome + `, updated_at = ` + now + `
		FROM old o
		WHERE d.event_seq = o.event_seq AND d.wave = 0 AND d.channel = {in_app} AND d.user_seq = $1)
	` + intoTotals + `
		SELECT d.event_seq, 0, d.channel, d.status, m.outcome, ` + userShard + `, sum(m.n)
		FROM old d
		CROSS JOIN LATERAL (VALUES (d.outcome, -1), (` + outcome + `, 1)) m(outcome, n)` + addTotals
}

// markRead marks an item of a user read, unless it was read before.
var markRead = row.SQL(`
	WITH marked AS (
		UPDATE inbox
		SET read_at = ` + now + `
		WHERE user_seq = $1 AND position = $2 AND read_at IS NULL
		RETURNING position)` + moveOutcome("{outcome_read}"))

// acknowledge marks an item of a user acknowledged and read, unless it was before.
var acknowledge = row.SQL(`
	WITH marked AS (
		UPDATE inbox
		SET read_at = coalesce(read_at, ` + now + `), acked_at = ` + now + `
		WHERE user_seq = $1 AND position = $2 AND acked_at IS NULL
		RETURNING position)` + moveOutcome("{outcome_acknowledged}"))

// MarkAllRead implements inbox.Store.
func (s Inboxes) MarkAllRead(ctx context.Context, userID string, upTo int64) (n int, err error) {
	if upTo <= 0 {
		upTo = math.MaxInt64
	}
	err = s.DB.write(ctx, "mark all read", func(tx pgx.Tx) error {
		user, err := userSeq(ctx, tx, userID)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, markAllRead, user, upTo); err != nil {
			return err
		}
		n, err = unread(ctx, tx, user)
		return err
	})
	return n, err
}

// markAllRead marks the unread items of a user read, up to a position.
var markAllRead = row.SQL(`
	WITH marked AS (
		UPDATE inbox
		SET read_at = ` + now + `
		WHERE user_seq = $1 AND position <= $2 AND read_at IS NULL
		RETURNING position)` + moveOutcome("{outcome_read}"))

// UserRefs implements inbox.Store.
func (s Inboxes) UserRefs(ctx context.Context, ids []string) (map[string]ledger.UserRef, error) {
	return userRefs(ctx, s.DB, ids)
}

// InboxSince implements inbox.Store. The items of one chunk share a position. The next call asks for
// items above the last position, so all items of a position are returned together, even if that is
// more than limit.
func (s Inboxes) InboxSince(ctx context.Context, users []ledger.UserRef, after int64, limit int) (map[ledger.UserRef][]schoolbell.InboxItem, error) {
	found := map[ledger.UserRef][]schoolbell.InboxItem{}
	if len(users) == 0 {
		return found, nil
	}
	numbers, generations := make([]int64, len(users)), make([]int64, len(users))
	for i, u := range users {
		numbers[i], generations[i] = u.Number, u.Generation
	}
	err := s.DB.again("read new inbox items", func() error {
		clear(found)
		rows, err := s.DB.pool.Query(ctx, listNewItems, named{"users": numbers, "generations": generations, "after": after, "limit": limit})
		items, err := list(rows, err, scanItem)
		shared := row.Shared{}
		for _, o := range items {
			found[o.user] = append(found[o.user], shared.Item(o.item))
		}
		return err
	})
	return found, err
}

// listNewItems selects the items after a position of the users that still have the given generation.
// WITH TIES returns all items of the last position.
var listNewItems = selectItems + row.SQL(`
	WHERE i.position > @after
		AND i.user_seq IN (
			SELECT n.seq
			FROM unnest(@users::bigint[], @generations::bigint[]) n(seq, generation)
			JOIN users u ON u.seq = n.seq AND u.generation = n.generation AND u.state = {user_live})
	ORDER BY i.position
	FETCH FIRST (@limit::integer) ROWS WITH TIES`)

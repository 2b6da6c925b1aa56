package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

const inboxColumns = `i.position, e.id, e.title, e.body, e.category, e.data, e.location, e.starts_at, e.ends_at, k.arrived_at, i.read_at, e.status = 'cancelled'
	FROM inbox i CROSS JOIN chunks k ON k.position = i.position CROSS JOIN events e ON e.seq = k.event_seq`

// scanItem reads the columns that first is for, and then inboxColumns.
func scanItem(scan func(...any) error, first ...any) (schoolbell.InboxItem, error) {
	var it schoolbell.InboxItem
	var startsAt, endsAt, arrived, read sql.NullInt64
	err := scan(append(first, &it.Position, &it.EventID, &it.Title, &it.Body, &it.Category, &it.Data, &it.Location,
		&startsAt, &endsAt, &arrived, &read, &it.Cancelled)...)
	it.StartsAt, it.EndsAt, it.ArrivedAt, it.ReadAt = timeOf(startsAt), timeOf(endsAt), timeOf(arrived), timeOf(read)
	return it, err
}

func unread(ctx context.Context, c *conn, user int64) (n int, err error) {
	err = c.get(ctx, "SELECT count(*) FROM inbox WHERE user_seq = ?1 AND read_at IS NULL", []any{user}, &n)
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
		err = c.each(ctx, "SELECT "+inboxColumns+" WHERE i.user_seq = ?1 AND i.position < ?2 ORDER BY i.position DESC LIMIT ?3", []any{user, before, limit},
			func(scan func(...any) error) error {
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

// MarkRead implements inbox.Store.
func (s Inboxes) MarkRead(ctx context.Context, userID, eventID string) (n int, err error) {
	err = s.DB.write(ctx, "mark read", func(c *conn) error {
		user, err := userSeq(ctx, c, userID)
		if err != nil {
			return err
		}
		// The event's chunk in which the user was dealt with has the position.
		var position int64
		err = c.get(ctx, `SELECT i.position FROM inbox i WHERE i.user_seq = ?1 AND i.position =
			(SELECT k.position FROM chunks k JOIN events e ON e.seq = k.event_seq WHERE e.id = ?2 AND k.first_user <= ?1 ORDER BY k.first_user DESC LIMIT 1)`,
			[]any{user, eventID}, &position)
		if errors.Is(err, sql.ErrNoRows) {
			return schoolbell.NotFound("event in the inbox", eventID)
		}
		if err != nil {
			return err
		}
		if _, err := c.exec(ctx, "UPDATE inbox SET read_at = "+now+" WHERE user_seq = ?1 AND position = ?2 AND read_at IS NULL", user, position); err != nil {
			return err
		}
		n, err = unread(ctx, c, user)
		return err
	})
	return n, err
}

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
		if _, err := c.exec(ctx, "UPDATE inbox SET read_at = "+now+" WHERE user_seq = ?1 AND position <= ?2 AND read_at IS NULL", user, upTo); err != nil {
			return err
		}
		n, err = unread(ctx, c, user)
		return err
	})
	return n, err
}

// InboxTail implements inbox.Store.
func (s Inboxes) InboxTail(ctx context.Context) (position int64, err error) {
	err = s.DB.read(ctx, "read the inbox tail", func(c *conn) error {
		return c.get(ctx, "SELECT coalesce(max(position), 0) FROM chunks", nil, &position)
	})
	return position, err
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
		numbers, err := listOf[int64](ctx, c, `SELECT u.seq FROM json_each(?1) CROSS JOIN users u ON u.seq = value ->> 0
			WHERE u.generation = value ->> 1 AND u.state = 0`, jsonOf(pairs))
		if err != nil {
			return err
		}
		asked := jsonOf(numbers)
		last := int64(1<<63 - 1)
		err = c.get(ctx, "SELECT position FROM inbox WHERE user_seq IN (SELECT value FROM json_each(?1)) AND position > ?2 ORDER BY position LIMIT 1 OFFSET ?3",
			[]any{asked, after, limit - 1}, &last)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		shared := row.Shared{}
		return c.each(ctx, "SELECT i.user_seq, (SELECT generation FROM users WHERE seq = i.user_seq), "+inboxColumns+`
			WHERE i.user_seq IN (SELECT value FROM json_each(?1)) AND i.position > ?2 AND i.position <= ?3 ORDER BY i.position`,
			[]any{asked, after, last}, func(scan func(...any) error) error {
				var user ledger.UserRef
				it, err := scanItem(scan, &user.Number, &user.Generation)
				found[user] = append(found[user], shared.Item(it))
				return err
			})
	})
	return found, err
}

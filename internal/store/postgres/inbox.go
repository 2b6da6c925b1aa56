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

const inboxColumns = `i.user_seq, (SELECT generation FROM users WHERE seq = i.user_seq), i.position, e.id, e.title, e.body, e.category, e.data, e.location, e.starts_at, e.ends_at, k.arrived_at, i.read_at, e.status = 'cancelled'
	FROM inbox i JOIN chunks k ON k.position = i.position JOIN events e ON e.seq = k.event_seq`

// itemOf is an item and whose it is.
type itemOf struct {
	user ledger.UserRef
	item schoolbell.InboxItem
}

// scanItem reads inboxColumns.
func scanItem(r pgx.CollectableRow) (itemOf, error) {
	var o itemOf
	it := &o.item
	var startsAt, endsAt, read *time.Time
	err := r.Scan(&o.user.Number, &o.user.Generation, &it.Position, &it.EventID, &it.Title, &it.Body, &it.Category, &it.Data, &it.Location,
		&startsAt, &endsAt, &it.ArrivedAt, &read, &it.Cancelled)
	it.StartsAt, it.EndsAt, it.ArrivedAt, it.ReadAt = timeOf(startsAt), timeOf(endsAt), it.ArrivedAt.UTC(), timeOf(read)
	return o, err
}

func unread(ctx context.Context, tx pgx.Tx, user int64) (n int, err error) {
	err = tx.QueryRow(ctx, "SELECT count(*) FROM inbox WHERE user_seq = $1 AND read_at IS NULL", user).Scan(&n)
	return n, err
}

// Inboxes implements inbox.Store.
type Inboxes struct{ DB *DB }

// Inbox implements inbox.Store.
func (s Inboxes) Inbox(ctx context.Context, userID string, before int64, limit int) (items []schoolbell.InboxItem, n int, err error) {
	if before <= 0 {
		before = math.MaxInt64
	}
	err = s.DB.read(ctx, "read inbox", func(tx pgx.Tx) error {
		user, err := userSeq(ctx, tx, userID)
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, "SELECT "+inboxColumns+" WHERE i.user_seq = $1 AND i.position < $2 ORDER BY i.position DESC LIMIT $3", user, before, limit)
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

// MarkRead implements inbox.Store.
func (s Inboxes) MarkRead(ctx context.Context, userID, eventID string) (n int, err error) {
	err = s.DB.write(ctx, "mark read", func(tx pgx.Tx) error {
		user, err := userSeq(ctx, tx, userID)
		if err != nil {
			return err
		}
		// The event's chunk in which the user was dealt with has the position.
		var position int64
		err = tx.QueryRow(ctx, `SELECT i.position FROM inbox i WHERE i.user_seq = $1 AND i.position =
			(SELECT k.position FROM chunks k JOIN events e ON e.seq = k.event_seq WHERE e.id = $2 AND k.first_user <= $1 ORDER BY k.first_user DESC LIMIT 1)`,
			user, eventID).Scan(&position)
		if err != nil {
			return orNotFound(err, "event in the inbox", eventID)
		}
		if _, err := tx.Exec(ctx, "UPDATE inbox SET read_at = "+now+" WHERE user_seq = $1 AND position = $2 AND read_at IS NULL", user, position); err != nil {
			return err
		}
		n, err = unread(ctx, tx, user)
		return err
	})
	return n, err
}

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
		if _, err := tx.Exec(ctx, "UPDATE inbox SET read_at = "+now+" WHERE user_seq = $1 AND position <= $2 AND read_at IS NULL", user, upTo); err != nil {
			return err
		}
		n, err = unread(ctx, tx, user)
		return err
	})
	return n, err
}

// InboxTail implements inbox.Store.
func (s Inboxes) InboxTail(ctx context.Context) (position int64, err error) {
	err = s.DB.again("read the inbox tail", func() error {
		return s.DB.pool.QueryRow(ctx, "SELECT coalesce(max(position), 0) FROM chunks").Scan(&position)
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
	if len(users) == 0 {
		return found, nil
	}
	numbers, generations := make([]int64, len(users)), make([]int64, len(users))
	for i, u := range users {
		numbers[i], generations[i] = u.Number, u.Generation
	}
	err := s.DB.again("read new inbox items", func() error {
		clear(found)
		rows, err := s.DB.pool.Query(ctx, "SELECT "+inboxColumns+` WHERE i.user_seq IN (SELECT n.seq FROM unnest($1::bigint[], $2::bigint[]) n(seq, generation)
				JOIN users p ON p.seq = n.seq AND p.generation = n.generation AND p.state = 0) AND i.position > $3
			ORDER BY i.position FETCH FIRST ($4::integer) ROWS WITH TIES`, numbers, generations, after, limit)
		items, err := list(rows, err, scanItem)
		shared := row.Shared{}
		for _, o := range items {
			found[o.user] = append(found[o.user], shared.Item(o.item))
		}
		return err
	})
	return found, err
}

package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// selectEvents selects the columns of events and of their first waves that scanEvent reads.
const selectEvents = `
	SELECT e.id, e.title, e.body, e.category, e.lane, e.audience, w.channels, e.data, e.location,
		e.starts_at, e.ends_at, w.starts_at, e.expires_at, e.status, e.created_by_kind, e.created_by_id, e.created_at, e.completed_at
	FROM events e
	JOIN waves w ON w.event_seq = e.seq AND w.n = 0`

// scanEvent reads a row of selectEvents.
func scanEvent(r pgx.CollectableRow) (*schoolbell.Event, error) {
	var (
		e                                              schoolbell.Event
		audience                                       string
		channels                                       []string
		data                                           []byte
		startsAt, endsAt, sendAt, expiresAt, completed *time.Time
	)
	err := r.Scan(&e.ID, &e.Title, &e.Body, &e.Category, &e.Lane, &audience, &channels, &data, &e.Location,
		&startsAt, &endsAt, &sendAt, &expiresAt, &e.Status, &e.CreatedBy.Kind, &e.CreatedBy.ID, &e.CreatedAt, &completed)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(audience), &e.Audience); err != nil {
		return nil, fmt.Errorf("decode event %s: %w", e.ID, err)
	}
	e.Channels, e.Data = channelsOf(channels), data
	e.StartsAt, e.EndsAt, e.SendAt, e.ExpiresAt = timeOf(startsAt), timeOf(endsAt), timeOf(sendAt), timeOf(expiresAt)
	e.CreatedAt, e.CompletedAt = e.CreatedAt.UTC(), timeOf(completed)
	return &e, nil
}

// querier is a transaction, or the pool for a statement that is one.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func getEvent(ctx context.Context, q querier, id string) (*schoolbell.Event, error) {
	rows, err := q.Query(ctx, selectEvents+" WHERE e.id = $1", id)
	if err != nil {
		return nil, err
	}
	ev, err := pgx.CollectExactlyOneRow(rows, scanEvent)
	return ev, orNotFound(err, "event", id)
}

// readEvent returns an event in a transaction of its own.
func readEvent(ctx context.Context, db *DB, id string) (ev *schoolbell.Event, err error) {
	err = db.again("read event", func() error {
		ev, err = getEvent(ctx, db.pool, id)
		return err
	})
	return ev, err
}

// Events implements ledger.Events.
type Events struct{ DB *DB }

// CreateEvent implements ledger.Events.
func (s Events) CreateEvent(ctx context.Context, ev *schoolbell.Event, idem ledger.Idempotency) (kept *schoolbell.Event, replayed bool, err error) {
	err = s.DB.write(ctx, "create event", func(tx pgx.Tx) error {
		kept, replayed = nil, false
		if idem.Key != "" {
			if kept, err = claimKey(ctx, tx, ev.ID, idem); err != nil || kept != nil {
				replayed = kept != nil
				ledger.ChangeOf(ctx).Void()
				return err
			}
		}
		if err := checkNames(ctx, tx, &ev.Audience); err != nil {
			return err
		}
		if err := insertEvent(ctx, tx, ev); err != nil {
			return err
		}
		kept, err = getEvent(ctx, tx, ev.ID)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return kept, replayed, nil
}

// claimKey claims idem's key for the event id, or returns the event that has it.
// If another transaction is claiming the key, it waits for the end of that transaction.
// If ForgetKeys deletes the key's row before claimKey has read it, the key is free again.
func claimKey(ctx context.Context, tx pgx.Tx, id string, idem ledger.Idempotency) (*schoolbell.Event, error) {
	for {
		tag, err := tx.Exec(ctx, insertKey, named{"scope": idem.Scope, "key": idem.Key, "fingerprint": idem.Fingerprint, "event_id": id})
		if err != nil || tag.RowsAffected() == 1 {
			return nil, err
		}
		if ev, err := earlierEvent(ctx, tx, idem); err != nil || ev != nil {
			return ev, err
		}
	}
}

// insertKey claims an idempotency key. It inserts nothing if the key is taken.
const insertKey = `
	INSERT INTO idempotency (scope, key, fingerprint, event_id, created_at)
	VALUES (@scope, @key, @fingerprint, @event_id, ` + now + `)
	ON CONFLICT DO NOTHING`

// earlierEvent returns the event that was created under idem's key, nil if none was.
func earlierEvent(ctx context.Context, q querier, idem ledger.Idempotency) (*schoolbell.Event, error) {
	var fingerprint, id string
	err := q.QueryRow(ctx, selectKey, idem.Scope, idem.Key).Scan(&fingerprint, &id)
	switch {
	case noRows(err):
		return nil, nil
	case err != nil:
		return nil, err
	case fingerprint != idem.Fingerprint:
		return nil, row.KeyReused()
	}
	return getEvent(ctx, q, id)
}

// selectKey selects the event that has an idempotency key, with the fingerprint of its request.
const selectKey = "SELECT fingerprint, event_id FROM idempotency WHERE scope = $1 AND key = $2"

// ForgetKeys implements ledger.Events.
func (s Events) ForgetKeys(ctx context.Context, before time.Time, limit int) (n int, err error) {
	err = s.DB.again("forget idempotency keys", func() error {
		tag, err := s.DB.pool.Exec(ctx, deleteOldKeys, before, limit)
		n = int(tag.RowsAffected())
		return err
	})
	return n, err
}

// deleteOldKeys deletes the oldest idempotency keys from before a time.
const deleteOldKeys = `
	DELETE FROM idempotency
	WHERE (scope, key) IN (SELECT scope, key FROM idempotency WHERE created_at < $1 ORDER BY created_at LIMIT $2)`

// EventByKey implements ledger.Events.
func (s Events) EventByKey(ctx context.Context, idem ledger.Idempotency) (ev *schoolbell.Event, found bool, err error) {
	err = s.DB.again("read event by key", func() error {
		ev, err = earlierEvent(ctx, s.DB.pool, idem)
		return err
	})
	return ev, ev != nil, err
}

func checkNames(ctx context.Context, tx pgx.Tx, a *schoolbell.Audience) error {
	groups, users := row.AudienceNames(a)
	unknownGroups, err := unknown(ctx, tx, selectUnknownGroups, groups)
	if err != nil {
		return err
	}
	unknownUsers, err := unknown(ctx, tx, selectUnknownUsers, users)
	if err != nil {
		return err
	}
	return row.UnknownNames(a, unknownGroups, unknownUsers)
}

// selectUnknownGroups selects those of the ids that no group has.
const selectUnknownGroups = `
	SELECT n.id
	FROM unnest($1::text[]) n(id)
	WHERE NOT EXISTS (SELECT 1 FROM groups g WHERE g.id = n.id)`

// selectUnknownUsers selects those of the ids that no person has, in the order given.
var selectUnknownUsers = row.SQL(`
	SELECT n.id
	FROM unnest($1::text[]) WITH ORDINALITY n(id, i)
	WHERE NOT EXISTS (SELECT 1 FROM users u WHERE u.id = n.id AND u.state = {user_live})
	ORDER BY i`)

// unknown returns those of ids that query selects.
func unknown(ctx context.Context, tx pgx.Tx, query string, ids []string) (map[string]bool, error) {
	found := map[string]bool{}
	if len(ids) == 0 {
		return found, nil
	}
	rows, err := tx.Query(ctx, query, ids)
	names, err := list(rows, err, pgx.RowTo[string])
	for _, id := range names {
		found[id] = true
	}
	return found, err
}

func insertEvent(ctx context.Context, tx pgx.Tx, ev *schoolbell.Event) error {
	audience, err := json.Marshal(ev.Audience)
	if err != nil {
		return err
	}
	tag, err := tx.Exec(ctx, insertEventRow, named{
		"id": ev.ID, "title": ev.Title, "body": ev.Body, "category": ev.Category,
		"audience": string(audience), "channels": channelNames(ev.Channels), "data": []byte(ev.Data), "location": ev.Location,
		"starts_at": stored(ev.StartsAt), "ends_at": stored(ev.EndsAt),
		"send_at": stored(ev.SendAt), "expires_at": stored(ev.ExpiresAt),
		"status": ev.Status, "created_by_kind": ev.CreatedBy.Kind, "created_by_id": ev.CreatedBy.ID, "created_at": stored(ev.CreatedAt),
	})
	switch {
	case isForeignKey(err):
		return row.UnknownCategory(ev.Category)
	case sqlState(err) == uniqueViolation:
		return &schoolbell.Error{Code: schoolbell.CodeConflict, Message: "there is an event with this id already", Field: "id", Err: err}
	case err == nil && tag.RowsAffected() == 0:
		return checkChannels(ctx, tx, ev.Channels)
	}
	return err
}

// insertEventRow inserts an event with its first wave, which is its own outbox: its queued_at is null.
// It inserts nothing if a channel is unknown.
const insertEventRow = `
	WITH inserted AS (
		INSERT INTO events (
			id, title, body, category, lane, audience, data, location,
			starts_at, ends_at, expires_at, status, created_by_kind, created_by_id, created_at)
		SELECT
			@id::text, @title::text, @body::text, @category::text,
			coalesce((SELECT lane FROM categories WHERE id = @category::text), ''), @audience::text, @data::bytea, @location::text,
			@starts_at::timestamptz, @ends_at::timestamptz, @expires_at::timestamptz, @status::text,
			@created_by_kind::text, @created_by_id::text, @created_at::timestamptz
		WHERE (SELECT count(*) FROM channels WHERE name = ANY (@channels::text[])) = cardinality(@channels::text[])
		RETURNING seq)
	INSERT INTO waves (event_seq, n, channels, starts_at)
	SELECT seq, 0, @channels, @send_at::timestamptz
	FROM inserted`

// Event implements ledger.Events.
func (s Events) Event(ctx context.Context, id string) (*schoolbell.Event, error) {
	return readEvent(ctx, s.DB, id)
}

// noRows reports whether err says that a query found nothing.
func noRows(err error) bool { return errors.Is(err, pgx.ErrNoRows) }

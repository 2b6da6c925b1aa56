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

const eventColumns = `e.id, e.title, e.body, e.category, e.audience, e.channels, e.data, e.location,
	e.starts_at, e.ends_at, e.send_at, e.expires_at, e.status, e.created_at, e.completed_at`

// scanEvent reads eventColumns.
func scanEvent(r pgx.CollectableRow) (*schoolbell.Event, error) {
	var (
		e                                              schoolbell.Event
		audience                                       string
		channels                                       []string
		data                                           []byte
		startsAt, endsAt, sendAt, expiresAt, completed *time.Time
	)
	err := r.Scan(&e.ID, &e.Title, &e.Body, &e.Category, &audience, &channels, &data, &e.Location,
		&startsAt, &endsAt, &sendAt, &expiresAt, &e.Status, &e.CreatedAt, &completed)
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

func channelsOf(names []string) []schoolbell.Channel {
	out := make([]schoolbell.Channel, len(names))
	for i, name := range names {
		out[i] = schoolbell.Channel(name)
	}
	return out
}

// querier is a transaction, or the pool for a statement that is one.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func getEvent(ctx context.Context, q querier, id string) (*schoolbell.Event, error) {
	rows, err := q.Query(ctx, "SELECT "+eventColumns+" FROM events e WHERE e.id = $1", id)
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

// claimKey takes idem's key for the event id, or returns the event that has it.
// Where another transaction is taking the key just now, it waits for the end of that.
// Where ForgetKeys took the key's row before it could be read, the key is free again.
func claimKey(ctx context.Context, tx pgx.Tx, id string, idem ledger.Idempotency) (*schoolbell.Event, error) {
	for {
		tag, err := tx.Exec(ctx, "INSERT INTO idempotency (scope, key, fingerprint, event_id, created_at) VALUES ($1, $2, $3, $4, "+now+") ON CONFLICT DO NOTHING",
			idem.Scope, idem.Key, idem.Fingerprint, id)
		if err != nil || tag.RowsAffected() == 1 {
			return nil, err
		}
		if ev, err := earlierEvent(ctx, tx, idem); err != nil || ev != nil {
			return ev, err
		}
	}
}

// earlierEvent returns the event that was created under idem's key, nil if none was.
func earlierEvent(ctx context.Context, q querier, idem ledger.Idempotency) (*schoolbell.Event, error) {
	var fingerprint, id string
	err := q.QueryRow(ctx, "SELECT fingerprint, event_id FROM idempotency WHERE scope = $1 AND key = $2", idem.Scope, idem.Key).Scan(&fingerprint, &id)
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

// ForgetKeys implements ledger.Events.
func (s Events) ForgetKeys(ctx context.Context, before time.Time, limit int) (n int, err error) {
	err = s.DB.again("forget idempotency keys", func() error {
		tag, err := s.DB.pool.Exec(ctx, `DELETE FROM idempotency WHERE (scope, key) IN
			(SELECT scope, key FROM idempotency WHERE created_at < $1 ORDER BY created_at LIMIT $2)`, before, limit)
		n = int(tag.RowsAffected())
		return err
	})
	return n, err
}

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
	unknownGroups, err := unknown(ctx, tx, "SELECT n.id FROM unnest($1::text[]) n(id) WHERE NOT EXISTS (SELECT 1 FROM groups g WHERE g.id = n.id)", groups)
	if err != nil {
		return err
	}
	unknownUsers, err := unknown(ctx, tx, unknownUsersQuery, users)
	if err != nil {
		return err
	}
	return row.UnknownNames(a, unknownGroups, unknownUsers)
}

const unknownUsersQuery = "SELECT n.id FROM unnest($1::text[]) WITH ORDINALITY n(id, i) WHERE NOT EXISTS (SELECT 1 FROM users u WHERE u.id = n.id AND u.state = 0) ORDER BY i"

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
	channels := make([]string, len(ev.Channels))
	for i, c := range ev.Channels {
		channels[i] = string(c)
	}
	_, err = tx.Exec(ctx, `INSERT INTO events (id, title, body, category, audience, channels, data, location,
			starts_at, ends_at, send_at, expires_at, status, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		ev.ID, ev.Title, ev.Body, ev.Category, string(audience), channels, []byte(ev.Data), ev.Location,
		stored(ev.StartsAt), stored(ev.EndsAt), stored(ev.SendAt), stored(ev.ExpiresAt), ev.Status, stored(ev.CreatedAt))
	if sqlState(err) == uniqueViolation {
		return &schoolbell.Error{Code: schoolbell.CodeConflict, Message: "there is an event with this id already", Field: "id", Err: err}
	}
	return err
}

// Event implements ledger.Events.
func (s Events) Event(ctx context.Context, id string) (*schoolbell.Event, error) {
	return readEvent(ctx, s.DB, id)
}

const queuedEventColumns = "e.id, greatest(coalesce(ceil(extract(epoch FROM e.send_at - clock_timestamp()) * 1000), 0), 0)::bigint, e.walked"

// UnqueuedEvents implements ledger.Events.
func (s Events) UnqueuedEvents(ctx context.Context, limit int) ([]ledger.QueuedEvent, error) {
	return s.queuedEvents(ctx, "SELECT "+queuedEventColumns+` FROM events e
		WHERE e.queued_at IS NULL AND e.completed_at IS NULL ORDER BY e.seq LIMIT $1`, limit)
}

// OpenEvents implements ledger.Events.
func (s Events) OpenEvents(ctx context.Context, after string, limit int) ([]ledger.QueuedEvent, error) {
	return s.queuedEvents(ctx, "SELECT "+queuedEventColumns+` FROM events e
		WHERE e.queued_at IS NOT NULL AND e.completed_at IS NULL AND e.id > $2 ORDER BY e.id LIMIT $1`, limit, after)
}

func (s Events) queuedEvents(ctx context.Context, query string, args ...any) (events []ledger.QueuedEvent, err error) {
	err = s.DB.again("list events", func() error {
		rows, err := s.DB.pool.Query(ctx, query, args...)
		events, err = list(rows, err, func(r pgx.CollectableRow) (e ledger.QueuedEvent, err error) {
			var in int64
			err = r.Scan(&e.ID, &in, &e.Walked)
			e.SendIn = duration(in)
			return e, err
		})
		return err
	})
	return events, err
}

// MarkQueued implements ledger.Events.
func (s Events) MarkQueued(ctx context.Context, ids []string) error {
	return s.DB.again("mark events queued", func() error {
		_, err := s.DB.pool.Exec(ctx, "UPDATE events SET queued_at = "+now+" WHERE queued_at IS NULL AND id = ANY ($1)", ids)
		return err
	})
}

// noRows reports whether err says that a query found nothing.
func noRows(err error) bool { return errors.Is(err, pgx.ErrNoRows) }

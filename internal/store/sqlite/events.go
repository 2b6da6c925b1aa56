package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// eventColumns are the columns of eventTables that scanEvent reads.
const eventColumns = `e.id, e.title, e.body, e.category, e.lane, e.audience, w.channels, e.data, e.location,
	e.starts_at, e.ends_at, w.starts_at, e.expires_at, e.status, e.created_by_kind, e.created_by_id,
	e.created_at, e.completed_at`

// eventTables are events e, each with its wave 0, w.
const eventTables = `events e
CROSS JOIN waves w ON w.event_seq = e.seq AND w.n = 0`

// scanEvent reads eventColumns.
func scanEvent(scan func(dest ...any) error) (*schoolbell.Event, error) {
	var (
		e                                                       schoolbell.Event
		audience, channels                                      string
		data                                                    []byte
		startsAt, endsAt, sendAt, expiresAt, created, completed sql.NullInt64
	)
	if err := scan(&e.ID, &e.Title, &e.Body, &e.Category, &e.Lane, &audience, &channels, &data, &e.Location,
		&startsAt, &endsAt, &sendAt, &expiresAt, &e.Status, &e.CreatedBy.Kind, &e.CreatedBy.ID, &created, &completed); err != nil {
		return nil, err
	}
	if err := errors.Join(json.Unmarshal([]byte(audience), &e.Audience), json.Unmarshal([]byte(channels), &e.Channels)); err != nil {
		return nil, fmt.Errorf("decode event %s: %w", e.ID, err)
	}
	e.Data = data
	e.StartsAt, e.EndsAt, e.SendAt, e.ExpiresAt = timeOf(startsAt), timeOf(endsAt), timeOf(sendAt), timeOf(expiresAt)
	e.CreatedAt, e.CompletedAt = timeOf(created), timeOf(completed)
	return &e, nil
}

func getEvent(ctx context.Context, c *conn, id string) (*schoolbell.Event, error) {
	var ev *schoolbell.Event
	err := c.each(ctx, findEvent, args{"id": id}, func(scan func(...any) error) (err error) {
		ev, err = scanEvent(scan)
		return err
	})
	if err == nil && ev == nil {
		err = schoolbell.NotFound("event", id)
	}
	return ev, err
}

// findEvent selects an event.
const findEvent = `
SELECT ` + eventColumns + `
FROM ` + eventTables + `
WHERE e.id = @id`

// readEvent returns an event in a transaction of its own.
func readEvent(ctx context.Context, db *DB, id string) (ev *schoolbell.Event, err error) {
	err = db.read(ctx, "read event", func(c *conn) error {
		ev, err = getEvent(ctx, c, id)
		return err
	})
	return ev, err
}

// Events implements ledger.Events.
type Events struct{ DB *DB }

// CreateEvent implements ledger.Events.
func (s Events) CreateEvent(ctx context.Context, ev *schoolbell.Event, idem ledger.Idempotency) (stored *schoolbell.Event, replayed bool, err error) {
	err = s.DB.write(ctx, "create event", func(c *conn) error {
		stored, replayed = nil, false
		if idem.Key != "" {
			if stored, err = earlierEvent(ctx, c, idem); err != nil || stored != nil {
				replayed = stored != nil
				ledger.ChangeOf(ctx).Void()
				return err
			}
		}
		if err := s.checkNames(ctx, c, ev); err != nil {
			return err
		}
		if err := insertEvent(ctx, c, ev); err != nil {
			return err
		}
		if idem.Key != "" {
			a := args{"scope": idem.Scope, "key": idem.Key, "fingerprint": idem.Fingerprint, "event_id": ev.ID}
			if _, err := c.exec(ctx, insertKey, a); err != nil {
				return err
			}
		}
		stored, err = getEvent(ctx, c, ev.ID)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return stored, replayed, nil
}

// insertKey stores the idempotency key of a new event.
const insertKey = `
INSERT INTO idempotency (scope, key, fingerprint, event_id, created_at)
VALUES (@scope, @key, @fingerprint, @event_id, ` + now + `)`

// earlierEvent returns the event that was created under idem's key, nil if none was.
func earlierEvent(ctx context.Context, c *conn, idem ledger.Idempotency) (*schoolbell.Event, error) {
	var fingerprint, id string
	err := c.get(ctx, findKeyedEvent, args{"scope": idem.Scope, "key": idem.Key}, &fingerprint, &id)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, err
	case fingerprint != idem.Fingerprint:
		return nil, row.KeyReused()
	}
	return getEvent(ctx, c, id)
}

// findKeyedEvent selects the event that was created under an idempotency key.
const findKeyedEvent = `
SELECT fingerprint, event_id
FROM idempotency
WHERE scope = @scope
	AND key = @key`

// ForgetKeys implements ledger.Events.
func (s Events) ForgetKeys(ctx context.Context, before time.Time, limit int) (n int, err error) {
	err = s.DB.write(ctx, "forget idempotency keys", func(c *conn) error {
		n, err = c.exec(ctx, forgetKeys, args{"before": millis(before), "limit": limit})
		return err
	})
	return n, err
}

// forgetKeys deletes the oldest idempotency keys.
const forgetKeys = `
DELETE FROM idempotency
WHERE (scope, key) IN (
	SELECT scope, key
	FROM idempotency
	WHERE created_at < @before
	ORDER BY created_at
	LIMIT @limit
)`

// EventByKey implements ledger.Events.
func (s Events) EventByKey(ctx context.Context, idem ledger.Idempotency) (ev *schoolbell.Event, found bool, err error) {
	err = s.DB.read(ctx, "read event by key", func(c *conn) error {
		ev, err = earlierEvent(ctx, c, idem)
		return err
	})
	return ev, ev != nil, err
}

// checkNames returns a fault for each name in ev that the ledger does not know.
func (s Events) checkNames(ctx context.Context, c *conn, ev *schoolbell.Event) error {
	groups, users := row.AudienceNames(&ev.Audience)
	missingGroups, err := unknown(ctx, c, unknownGroups, groups)
	if err != nil {
		return err
	}
	missingUsers, err := unknown(ctx, c, unknownUsers, users)
	if err != nil {
		return err
	}
	f := schoolbell.FaultsOf(row.UnknownNames(&ev.Audience, missingGroups, missingUsers))
	var known bool
	if err := c.get(ctx, "SELECT EXISTS (SELECT 1 FROM categories WHERE id = @id)", args{"id": string(ev.Category)}, &known); err != nil {
		return err
	}
	if !known {
		f = append(f, schoolbell.FaultsOf(row.UnknownCategory(ev.Category))...)
	}
	err = s.DB.channels.check(ctx, c, ev.Channels)
	if err != nil && schoolbell.CodeOf(err) != schoolbell.CodeInvalid {
		return err
	}
	return append(f, schoolbell.FaultsOf(err)...).Err()
}

// unknownGroups selects the ids that no group has.
const unknownGroups = `
SELECT value
FROM json_each(@ids)
WHERE value NOT IN (SELECT id FROM groups)`

// unknownUsers selects the ids that no live user has.
var unknownUsers = row.SQL(`
SELECT value
FROM json_each(@ids)
WHERE NOT EXISTS (SELECT 1 FROM users WHERE id = value AND state = {user_live})`)

// unknown returns those of ids that query selects.
func unknown(ctx context.Context, c *conn, query string, ids []string) (map[string]bool, error) {
	found := map[string]bool{}
	if len(ids) == 0 {
		return found, nil
	}
	err := c.each(ctx, query, args{"ids": jsonOf(ids)}, func(scan func(...any) error) error {
		var id string
		err := scan(&id)
		found[id] = true
		return err
	})
	return found, err
}

// jsonOf encodes a list for json_each. Lists of strings and numbers cannot fail.
func jsonOf[T string | int64 | [2]string | [2]int64](list []T) string {
	if list == nil {
		return "[]"
	}
	b, err := json.Marshal(list)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func insertEvent(ctx context.Context, c *conn, ev *schoolbell.Event) error {
	audience, err := json.Marshal(ev.Audience)
	if err != nil {
		return err
	}
	var data any // a nil slice would be stored as an empty blob
	if ev.Data != nil {
		data = []byte(ev.Data)
	}
	seq, err := c.insert(ctx, addEvent, args{
		"id": ev.ID, "title": ev.Title, "body": ev.Body, "category": string(ev.Category),
		"audience": string(audience), "data": data, "location": ev.Location,
		"starts_at": millis(ev.StartsAt), "ends_at": millis(ev.EndsAt), "expires_at": millis(ev.ExpiresAt),
		"status": string(ev.Status), "created_by_kind": string(ev.CreatedBy.Kind), "created_by_id": ev.CreatedBy.ID, "created_at": millis(ev.CreatedAt),
	})
	if isUnique(err) {
		return &schoolbell.Error{Code: schoolbell.CodeConflict, Message: "there is an event with this id already", Field: "id", Err: err}
	}
	if err != nil {
		return err
	}
	return addWave(ctx, c, seq, schoolbell.Wave{Channels: ev.Channels, StartsAt: ev.SendAt})
}

// addEvent stores a new event.
const addEvent = `
INSERT INTO events (id, title, body, category, lane, audience, data, location,
	starts_at, ends_at, expires_at, status, created_by_kind, created_by_id, created_at)
VALUES (@id, @title, @body, @category, coalesce((SELECT lane FROM categories WHERE id = @category), ''), @audience, @data, @location,
	@starts_at, @ends_at, @expires_at, @status, @created_by_kind, @created_by_id, @created_at)`

// Event implements ledger.Events.
func (s Events) Event(ctx context.Context, id string) (*schoolbell.Event, error) {
	return readEvent(ctx, s.DB, id)
}

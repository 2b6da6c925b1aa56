package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// eventColumns are the columns of eventTables that scanEvent reads.
const eventColumns = `e.id, e.title, e.body, e.category, e.lane, e.audience, w.channels, e.data, e.location, e.texts,
	e.starts_at, e.ends_at, w.starts_at, e.expires_at, e.status, e.revision, e.created_by_kind, e.created_by_id, e.job_id,
	e.created_at, e.completed_at, e.cancelled_at, e.deliveries_removed_at, e.digest, e.for_each, e.personal`

// eventTables are events e, each with its wave 0, w.
const eventTables = `events e
CROSS JOIN waves w ON w.event_seq = e.seq AND w.n = 0`

// scanEvent reads eventColumns.
func scanEvent(scan func(dest ...any) error) (*schoolbell.Event, error) {
	var (
		e                                                       schoolbell.Event
		text                                                    row.EventText
		channels                                                string
		data                                                    []byte
		startsAt, endsAt, sendAt, expiresAt, created, completed sql.NullInt64
		cancelled, removed                                      sql.NullInt64
	)
	if err := scan(&e.ID, &e.Title, &e.Body, &e.Category, &e.Lane, &text.Audience, &channels, &data, &e.Location, &text.Texts,
		&startsAt, &endsAt, &sendAt, &expiresAt, &e.Status, &e.Revision, &e.CreatedBy.Kind, &e.CreatedBy.ID, &e.JobID, &created, &completed,
		&cancelled, &removed, &e.Digest, &e.ForEach, &e.PersonalCount); err != nil {
		return nil, err
	}
	if err := text.Read(&e); err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(channels), &e.Channels); err != nil {
		return nil, fmt.Errorf("decode event %s: %w", e.ID, err)
	}
	e.Data = data
	e.StartsAt, e.EndsAt, e.SendAt, e.ExpiresAt = timeOf(startsAt), timeOf(endsAt), timeOf(sendAt), timeOf(expiresAt)
	e.CreatedAt, e.CompletedAt, e.CancelledAt, e.DeliveriesRemovedAt = timeOf(created), timeOf(completed), timeOf(cancelled), timeOf(removed)
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

// EventByKey implements ledger.Events.
func (s Events) EventByKey(ctx context.Context, idem ledger.Idempotency) (ev *schoolbell.Event, found bool, err error) {
	err = s.DB.read(ctx, "read event by key", func(c *conn) error {
		ev, err = earlierEvent(ctx, c, idem)
		return err
	})
	return ev, ev != nil, err
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

// ForgetJob implements ledger.Events.
func (s Events) ForgetJob(ctx context.Context, lane schoolbell.Lane, jobID, except string) error {
	return s.DB.write(ctx, "forget job", func(c *conn) error {
		_, err := c.exec(ctx, forgetJob, args{"lane": string(lane), "job_id": jobID, "except": except})
		return err
	})
}

// forgetJob removes the id of a job from the events of a lane except one.
const forgetJob = `
UPDATE events
SET job_id = ''
WHERE job_id = @job_id
	AND job_id <> ''
	AND lane = @lane
	AND id <> @except`

// Event implements ledger.Events.
func (s Events) Event(ctx context.Context, id string) (*schoolbell.Event, error) {
	return readEvent(ctx, s.DB, id)
}

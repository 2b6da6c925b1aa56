package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// selectEvents selects the columns of events and of their first waves that scanEvent reads.
const selectEvents = "SELECT " + eventColumns + eventTables

// eventColumns are the columns of eventTables that scanEvent reads.
const eventColumns = `e.id, e.title, e.body, e.category, e.lane, e.audience, w.channels, e.data, e.location, e.texts,
		e.starts_at, e.ends_at, w.starts_at, e.expires_at, e.status, e.revision, e.created_by_kind, e.created_by_id, e.job_id,
		e.created_at, e.completed_at, e.cancelled_at, e.deliveries_removed_at, e.digest, e.for_each, e.personal`

// eventTables are events, each with its wave 0.
const eventTables = `
	FROM events e
	JOIN waves w ON w.event_seq = e.seq AND w.n = 0`

// scanEvent reads a row of selectEvents.
func scanEvent(r pgx.CollectableRow) (*schoolbell.Event, error) {
	var (
		e                                              schoolbell.Event
		text                                           row.EventText
		channels                                       []string
		data                                           []byte
		startsAt, endsAt, sendAt, expiresAt, completed *time.Time
		cancelled, removed                             *time.Time
	)
	err := r.Scan(&e.ID, &e.Title, &e.Body, &e.Category, &e.Lane, &text.Audience, &channels, &data, &e.Location, &text.Texts,
		&startsAt, &endsAt, &sendAt, &expiresAt, &e.Status, &e.Revision, &e.CreatedBy.Kind, &e.CreatedBy.ID, &e.JobID,
		&e.CreatedAt, &completed, &cancelled, &removed, &e.Digest, &e.ForEach, &e.PersonalCount)
	if err != nil {
		return nil, err
	}
	if err := text.Read(&e); err != nil {
		return nil, err
	}
	e.Channels, e.Data = channelsOf(channels), data
	e.StartsAt, e.EndsAt, e.SendAt, e.ExpiresAt = timeOf(startsAt), timeOf(endsAt), timeOf(sendAt), timeOf(expiresAt)
	e.CreatedAt, e.CompletedAt, e.CancelledAt, e.DeliveriesRemovedAt = e.CreatedAt.UTC(), timeOf(completed), timeOf(cancelled), timeOf(removed)
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

// EventByKey implements ledger.Events.
func (s Events) EventByKey(ctx context.Context, idem ledger.Idempotency) (ev *schoolbell.Event, found bool, err error) {
	err = s.DB.again("read event by key", func() error {
		ev, err = earlierEvent(ctx, s.DB.pool, idem)
		return err
	})
	return ev, ev != nil, err
}

// ForgetJob implements ledger.Events.
func (s Events) ForgetJob(ctx context.Context, lane schoolbell.Lane, jobID, except string) error {
	return s.DB.again("forget job", func() error {
		_, err := s.DB.pool.Exec(ctx, forgetJob, lane, jobID, except)
		return err
	})
}

// forgetJob removes the id of a job from the events of a lane except one.
const forgetJob = `
	UPDATE events
	SET job_id = ''
	WHERE job_id = $2 AND job_id <> '' AND lane = $1 AND id <> $3`

// Event implements ledger.Events.
func (s Events) Event(ctx context.Context, id string) (*schoolbell.Event, error) {
	return readEvent(ctx, s.DB, id)
}

// noRows reports whether err says that a query found nothing.
func noRows(err error) bool { return errors.Is(err, pgx.ErrNoRows) }

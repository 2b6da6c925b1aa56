package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Restores implements ledger.Restores.
type Restores struct{ DB *DB }

// HoldRestored implements ledger.Restores. A ledger was restored if it was last opened in another place. From now on the
// program makes connections only to the place that it has seen here.
func (s Restores) HoldRestored(ctx context.Context, declared bool, age time.Duration) (r ledger.Restored, err error) {
	var place string
	err = s.DB.again("look where the ledger is", func() (err error) {
		place, err = placeOf(ctx, s.DB.pool)
		return err
	})
	if err != nil {
		return r, err
	}
	err = s.DB.write(ctx, "look whether the ledger was restored", func(tx pgx.Tx) error {
		var last string
		if err := tx.QueryRow(ctx, "SELECT place FROM installation FOR UPDATE").Scan(&last); err != nil {
			return err
		}
		r = ledger.Restored{Found: declared || last != "" && last != place}
		if last != place {
			if _, err := tx.Exec(ctx, "UPDATE installation SET place = $1", place); err != nil {
				return err
			}
		}
		if !r.Found {
			ledger.ChangeOf(ctx).Void()
			return nil
		}
		return hold(ctx, tx, age, &r)
	})
	if err == nil {
		s.DB.place.Store(&place)
	}
	return r, err
}

// hold does what HoldRestored does with a restored ledger.
func hold(ctx context.Context, tx pgx.Tx, age time.Duration, r *ledger.Restored) error {
	held, err := tx.Exec(ctx, holdEvents, age.Milliseconds())
	if err != nil {
		return err
	}
	r.Held = int(held.RowsAffected())
	ledger.ChangeOf(ctx).Set("held", r.Held)
	for _, statement := range []string{queueHeld, endLeases, dropSecrets} {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, skipPositions, ledger.SkippedPositions)
	return err
}

// placeOf names the place in which the ledger is: the server's data, the database in it, and the table in
// that. A restore from a dump changes at least the last of them; no migration may make that table again. The server may forbid to ask for the first.
func placeOf(ctx context.Context, q querier) (string, error) {
	var database, table uint32
	if err := q.QueryRow(ctx, selectPlace).Scan(&database, &table); err != nil {
		return "", err
	}
	var server int64
	err := q.QueryRow(ctx, "SELECT system_identifier FROM pg_control_system()").Scan(&server)
	if err != nil && sqlState(err) != forbidden && sqlState(err) != noSuchFunction {
		return "", err
	}
	return fmt.Sprintf("%d/%d/%d", server, database, table), nil
}

// selectPlace selects the numbers that the server has given to the database and to the table of events.
const selectPlace = `
	SELECT oid, coalesce(to_regclass('installation')::oid, 0)
	FROM pg_database
	WHERE datname = current_database()`

// checkPlace refuses a new connection that leads to another place than the known one, in which the ledger was
// when the program started: it was restored meanwhile, and nobody has looked at its events.
func checkPlace(ctx context.Context, conn *pgx.Conn, known *string) error {
	if known == nil {
		return nil
	}
	place, err := placeOf(ctx, conn)
	if err != nil {
		return err
	}
	if place != *known {
		return &schoolbell.Error{Code: schoolbell.CodeUnavailable,
			Message: "the ledger's database was replaced while the program was running, for example restored from a dump; restart the program"}
	}
	return nil
}

// holdEvents marks the waves that are not finished and were due for longer than $1 milliseconds, and holds their events. A
// completed event has one if a further wave of it was due, a cancelled one if people were being told of that.
var holdEvents = row.SQL(`
	WITH marked AS (
		UPDATE waves w
		SET restored = true
		FROM events e
		WHERE e.seq = w.event_seq AND w.finished_at IS NULL
			AND coalesce(w.starts_at, e.created_at) <= clock_timestamp() - $1::bigint * interval '1 ms'
		RETURNING w.event_seq)
	UPDATE events e
	SET status = {event_held}, completed_at = NULL
	WHERE e.status <> {event_held} AND e.seq IN (SELECT event_seq FROM marked)`)

// queueHeld makes the waves of held events count as queued.
var queueHeld = row.SQL(`
	UPDATE waves w
	SET queued_at = ` + now + `
	FROM events e
	WHERE e.seq = w.event_seq AND e.status = {event_held} AND w.queued_at IS NULL AND w.finished_at IS NULL`)

const (
	// endLeases ends the leases of workers that had the original.
	endLeases = "DELETE FROM leases"

	// dropSecrets ends all user tokens: the next token gets a new secret.
	dropSecrets = "DELETE FROM secrets"

	// skipPositions skips inbox positions.
	skipPositions = "SELECT setval(s, nextval(s) + $1::bigint) FROM pg_get_serial_sequence('chunks', 'position') s"
)

// ReleaseEvent implements ledger.Events.
func (s Events) ReleaseEvent(ctx context.Context, id string) (ev *schoolbell.Event, err error) {
	err = s.DB.write(ctx, "release event", func(tx pgx.Tx) error {
		e, err := lockEvent(ctx, tx, id)
		if err != nil {
			return err
		}
		if e.status != schoolbell.EventHeld {
			return row.NotHeld(e.status)
		}
		for _, statement := range []string{unqueueEvent, releaseEvent} {
			if _, err := tx.Exec(ctx, statement, e.seq); err != nil {
				return err
			}
		}
		ev, err = getEvent(ctx, tx, id)
		return err
	})
	return ev, err
}

// ReleaseEvents implements ledger.Events.
func (s Events) ReleaseEvents(ctx context.Context, held int) error {
	return s.DB.write(ctx, "release events", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, unqueueEvents); err != nil {
			return err
		}
		released, err := tx.Exec(ctx, releaseEvents)
		if err != nil {
			return err
		}
		if n := int(released.RowsAffected()); n != held {
			return row.OtherNumberHeld(n, held)
		}
		ledger.ChangeOf(ctx).Set("events", held)
		return nil
	})
}

// releaseHeld gives events e the status that their wave 0 has reached, unless they were cancelled before.
const releaseHeld = `
	UPDATE events e
	SET completed_at = e.cancelled_at, status = CASE
		WHEN e.cancelled_at IS NOT NULL THEN {event_cancelled}
		WHEN w.walked OR w.cursor > 0 THEN {event_processing}
		WHEN w.starts_at > clock_timestamp() THEN {event_scheduled}
		ELSE {event_queued}
	END
	FROM waves w
	WHERE w.event_seq = e.seq AND w.n = 0 AND `

var (
	// releaseEvent releases a held event.
	releaseEvent = row.SQL(releaseHeld + "e.seq = $1")

	// releaseEvents releases all held events.
	releaseEvents = row.SQL(releaseHeld + "e.status = {event_held}")
)

// unqueueHeld makes the waves of events e that start later wait for the relay.
const unqueueHeld = `
	UPDATE waves w
	SET queued_at = NULL
	FROM events e
	WHERE w.event_seq = e.seq AND w.finished_at IS NULL AND NOT w.walked AND w.cursor = 0 AND w.starts_at > clock_timestamp() AND `

var (
	// unqueueEvent does so for a held event.
	unqueueEvent = row.SQL(unqueueHeld + "e.seq = $1")

	// unqueueEvents does so for all held events.
	unqueueEvents = row.SQL(unqueueHeld + "e.status = {event_held}")
)

package sqlite

import (
	"context"
	"database/sql"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Restores implements ledger.Restores.
type Restores struct{ DB *DB }

// HoldRestored implements ledger.Restores. A file was restored if it has the mark that [Backup] makes in copies.
func (s Restores) HoldRestored(ctx context.Context, declared bool, age time.Duration) (r ledger.Restored, err error) {
	err = s.DB.read(ctx, "look whether the ledger was restored", func(c *conn) error {
		return restoredOf(ctx, c, declared, &r)
	})
	if err != nil || !r.Found {
		return r, err
	}
	err = s.DB.write(ctx, "hold the events of a restored ledger", func(c *conn) error {
		err := restoredOf(ctx, c, declared, &r)
		if err != nil || !r.Found { // another process was first
			ledger.ChangeOf(ctx).Void()
			return err
		}
		if r.Held, err = hold(ctx, c, age); err != nil {
			return err
		}
		for _, statement := range []string{queueHeld, dropCopyMark, endLeases, dropSecrets} {
			if _, err := c.exec(ctx, statement, nil); err != nil {
				return err
			}
		}
		_, err = c.exec(ctx, skipPositions, args{"skipped": ledger.SkippedPositions})
		ledger.ChangeOf(ctx).Set("held", r.Held)
		return err
	})
	return r, err
}

// restoredOf reads whether the file is a copy.
func restoredOf(ctx context.Context, c *conn, declared bool, r *ledger.Restored) error {
	var copiedAt sql.NullInt64
	err := c.get(ctx, "SELECT copied_at FROM installation", nil, &copiedAt)
	*r = ledger.Restored{Found: declared || copiedAt.Valid, CopiedAt: timeOf(copiedAt)}
	return err
}

// hold marks the waves that are not finished and were due for longer than age, holds their events, and returns
// how many.
func hold(ctx context.Context, c *conn, age time.Duration) (events int, err error) {
	now, err := clock(ctx, c)
	if err != nil {
		return 0, err
	}
	due := args{"due": now - age.Milliseconds()}
	if events, err = c.exec(ctx, holdEvents, due); err != nil {
		return 0, err
	}
	_, err = c.exec(ctx, markWaves, due)
	return events, err
}

// wasOpen says that the wave w of the row of events was due at @due and is not finished. A completed event has
// such a wave if a further one was due, a cancelled one if people were being told of that.
const wasOpen = "w.finished_at IS NULL AND coalesce(w.starts_at, events.created_at) <= @due"

// holdEvents holds the events that have such a wave.
var holdEvents = row.SQL(`
UPDATE events
SET status = {event_held},
	completed_at = NULL
WHERE status <> {event_held}
	AND EXISTS (
		SELECT 1
		FROM waves w
		WHERE w.event_seq = events.seq
			AND ` + wasOpen + `
	)`)

// markWaves marks such waves.
const markWaves = `
UPDATE waves AS w
SET restored = 1
FROM events
WHERE events.seq = w.event_seq
	AND ` + wasOpen

// queueHeld makes the waves of held events count as queued.
var queueHeld = row.SQL(`
UPDATE waves
SET queued_at = ` + now + `
WHERE queued_at IS NULL
	AND finished_at IS NULL
	AND event_seq IN (SELECT seq FROM events WHERE status = {event_held})`)

const (
	// dropCopyMark makes the file the ledger itself.
	dropCopyMark = "UPDATE installation SET copied_at = NULL"

	// endLeases ends the leases of workers that had the original.
	endLeases = "DELETE FROM leases"

	// dropSecrets ends all user tokens: the next token gets a new secret.
	dropSecrets = "DELETE FROM secrets"
)

// skipPositions skips inbox positions. The row is missing until the first position is given out.
const skipPositions = `
UPDATE sqlite_sequence
SET seq = seq + @skipped
WHERE name = 'chunks'`

// ReleaseEvent implements ledger.Events.
func (s Events) ReleaseEvent(ctx context.Context, id string) (ev *schoolbell.Event, err error) {
	err = s.DB.write(ctx, "release event", func(c *conn) error {
		e, err := eventStateOf(ctx, c, id)
		if err != nil {
			return err
		}
		if e.status != schoolbell.EventHeld {
			return row.NotHeld(e.status)
		}
		for _, statement := range []string{unqueueEvent, releaseEvent} {
			if _, err := c.exec(ctx, statement, args{"event": e.seq, "now": e.now}); err != nil {
				return err
			}
		}
		ev, err = getEvent(ctx, c, id)
		return err
	})
	return ev, err
}

// ReleaseEvents implements ledger.Events.
func (s Events) ReleaseEvents(ctx context.Context, held int) error {
	return s.DB.write(ctx, "release events", func(c *conn) error {
		now, err := clock(ctx, c)
		if err != nil {
			return err
		}
		if _, err := c.exec(ctx, unqueueEvents, args{"now": now}); err != nil {
			return err
		}
		n, err := c.exec(ctx, releaseEvents, args{"now": now})
		if err != nil {
			return err
		}
		if n != held {
			return row.OtherNumberHeld(n, held)
		}
		ledger.ChangeOf(ctx).Set("events", held)
		return nil
	})
}

// releaseHeld gives events the status that their wave 0 has reached, unless they were cancelled before.
const releaseHeld = `
UPDATE events
SET completed_at = cancelled_at,
	status = (
	SELECT CASE
		WHEN events.cancelled_at IS NOT NULL THEN {event_cancelled}
		WHEN w.walked OR w.cursor > 0 THEN {event_processing}
		WHEN w.starts_at > @now THEN {event_scheduled}
		ELSE {event_queued}
	END
	FROM waves w
	WHERE w.event_seq = events.seq
		AND w.n = 0
)
WHERE `

var (
	// releaseEvent releases a held event.
	releaseEvent = row.SQL(releaseHeld + "seq = @event")

	// releaseEvents releases all held events.
	releaseEvents = row.SQL(releaseHeld + "status = {event_held}")
)

// unqueueHeld makes the waves of events that start later wait for the relay.
const unqueueHeld = `
UPDATE waves
SET queued_at = NULL
WHERE finished_at IS NULL
	AND NOT walked
	AND cursor = 0
	AND starts_at > @now
	AND event_seq `

var (
	// unqueueEvent does so for a held event.
	unqueueEvent = row.SQL(unqueueHeld + "= @event")

	// unqueueEvents does so for all held events.
	unqueueEvents = row.SQL(unqueueHeld + "IN (SELECT seq FROM events WHERE status = {event_held})")
)

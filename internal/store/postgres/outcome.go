package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// eventState is what changes of an event and of its deliveries depend on.
type eventState struct {
	seq     int64
	status  schoolbell.EventStatus
	walked  bool // each of its started waves is walked
	expired bool
	removed bool // its deliveries have been removed, or are being

	wasCancelled bool // also if it is held now
}

// mayGoOn returns an error if nothing more is sent for the event.
func (e *eventState) mayGoOn() error {
	switch {
	case e.status == schoolbell.EventCancelled:
		return row.Conflict("the event is cancelled")
	case e.expired:
		return row.Conflict("the event has expired")
	case e.status == schoolbell.EventHeld:
		return row.Held()
	case e.removed:
		return row.DeliveriesRemoved()
	}
	return nil
}

// closing returns the status that the event's rows get instead of being sent: row.Pending if they may be sent.
func (e *eventState) closing() int {
	switch {
	case e.status == schoolbell.EventCancelled:
		return row.Cancelled
	case e.expired:
		return row.Expired
	}
	return row.Pending
}

// selectEventState selects what eventStateOf reads.
const selectEventState = `
	SELECT e.seq, e.status, coalesce(e.expires_at <= clock_timestamp(), false),
		e.deliveries_removed_at IS NOT NULL, e.cancelled_at IS NOT NULL,
		NOT EXISTS (SELECT 1 FROM waves w WHERE w.event_seq = e.seq AND NOT w.walked AND ` + startedWaves + `)
	FROM events e
	WHERE e.id = $1`

func eventStateOf(ctx context.Context, tx pgx.Tx, query, id string) (*eventState, error) {
	var e eventState
	err := e.scan(tx.QueryRow(ctx, query, id), id)
	return &e, err
}

// scan reads a row of selectEventState.
func (e *eventState) scan(r pgx.Row, id string) error {
	return orNotFound(r.Scan(&e.seq, &e.status, &e.expired, &e.removed, &e.wasCancelled, &e.walked), "event", id)
}

// lockEvent returns the state of the event and keeps others from changing it until the
// transaction ends.
func lockEvent(ctx context.Context, tx pgx.Tx, id string) (*eventState, error) {
	return eventStateOf(ctx, tx, lockEventState, id)
}

// lockEventState is selectEventState, and locks the event.
const lockEventState = selectEventState + " FOR UPDATE OF e"

// sweepLeases deletes the leases that have ended, except those that another transaction is renewing
// or deleting at this moment. Only then may their rows be claimed.
const sweepLeases = `
	DELETE FROM leases
	WHERE ctid = ANY (ARRAY(SELECT ctid FROM leases WHERE expires_at <= clock_timestamp() FOR UPDATE SKIP LOCKED))`

// closeEventRows ends the rows of a closed event that no worker holds. It locks all of its open batches,
// so that no worker claims rows meanwhile.
func closeEventRows(ctx context.Context, tx pgx.Tx, event int64, closing int) error {
	var b pgx.Batch
	queueClosing(&b, event, closing)
	return tx.SendBatch(ctx, &b).Close()
}

// queueClosing queues the statements of closeEventRows.
func queueClosing(b *pgx.Batch, event int64, closing int) {
	b.Queue(sweepLeases)
	b.Queue(lockOpenBatches, event)
	b.Queue(endWork, event)
	b.Queue(closeRows, named{"event": event, "closing": closing})
}

// lockOpenBatches keeps others from changing the unfinished batches of an event.
const lockOpenBatches = "SELECT 1 FROM batches WHERE event_seq = $1 AND finished_at IS NULL ORDER BY wave, channel, seq FOR UPDATE"

// closeRows ends the pending rows of a closed event, except those that a claim with a lease holds. Claims
// whose leases are gone are deleted: their rows, like others that an earlier attempt may have sent, are
// uncertain. As cancelled or expired, they would hide that. An unfinished wave that tells of the cancellation goes on until
// the event has expired.
var closeRows = row.SQL(`
	WITH gone AS (
		DELETE FROM claims c
		WHERE c.event_seq = @event AND c.wave <> ALL (` + goingOn + `) AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.id = c.lease_id)
		RETURNING c.wave, c.channel, c.users),
	ended AS (
		UPDATE deliveries d
		SET status = CASE WHEN d.uncertain OR (d.wave, d.channel, d.user_seq) IN (SELECT wave, channel, unnest(users) FROM gone)
				THEN {uncertain} ELSE @closing END,
			uncertain = d.uncertain OR (d.wave, d.channel, d.user_seq) IN (SELECT wave, channel, unnest(users) FROM gone),
			retry_at = NULL,
			updated_at = ` + now + `
		WHERE d.event_seq = @event
			AND d.status = {pending}
			AND d.wave <> ALL (` + goingOn + `)
			AND (d.wave, d.channel, d.user_seq) NOT IN (
				SELECT c.wave, c.channel, unnest(c.users)
				FROM claims c
				JOIN leases l ON l.id = c.lease_id
				WHERE c.event_seq = @event)
		RETURNING d.wave, d.channel, d.status, d.outcome)
	` + intoTotals + `
		SELECT @event::bigint, e.wave, e.channel, m.status, e.outcome, ` + eventShard + `, sum(m.n)
		FROM ended e
		CROSS JOIN LATERAL (VALUES ({pending}, -1), (e.status, 1)) m(status, n)` + addTotals)

// goingOn are the waves of the event @event that are not closed with the status @closing.
const goingOn = `ARRAY(
	SELECT w.n FROM waves w
	WHERE w.event_seq = @event AND w.notice = {notice_cancelled} AND w.finished_at IS NULL AND @closing::smallint = {cancelled})`

// CancelEvent implements ledger.Events.
func (s Events) CancelEvent(ctx context.Context, id string) (ev *schoolbell.Event, err error) {
	err = s.DB.write(ctx, "cancel event", func(tx pgx.Tx) error {
		e, err := lockEvent(ctx, tx, id)
		if err != nil {
			return err
		}
		switch e.status {
		case schoolbell.EventCompleted:
			return row.Conflict("the event is completed and cannot be cancelled")
		case schoolbell.EventCancelled:
		default:
			if err := cancel(ctx, tx, e.seq); err != nil {
				return err
			}
		}
		ev, err = getEvent(ctx, tx, id)
		return err
	})
	return ev, err
}

// cancel cancels an event, and ends its waves and deliveries.
func cancel(ctx context.Context, tx pgx.Tx, event int64) error {
	for _, statement := range []string{cancelEvent, finishWaves} {
		if _, err := tx.Exec(ctx, statement, event); err != nil {
			return err
		}
	}
	return closeEventRows(ctx, tx, event, row.Cancelled)
}

// cancelEvent cancels an event.
var cancelEvent = row.SQL(`
	UPDATE events
	SET status = {event_cancelled}, completed_at = x.at, cancelled_at = coalesce(cancelled_at, x.at)
	FROM (SELECT ` + now + ` AS at) x
	WHERE seq = $1`)

// finishWaves marks all waves of an event finished. One that tells of a cancellation would be walked to its end otherwise: the
// event was cancelled before, and is cancelled again because it was held.
var finishWaves = row.SQL(`
	UPDATE waves
	SET finished_at = ` + now + `, walked = walked OR notice = {notice_cancelled}
	WHERE event_seq = $1 AND finished_at IS NULL`)

// RetryFailed implements ledger.Events.
func (s Events) RetryFailed(ctx context.Context, id string, only schoolbell.RetryFilter) (rows int, err error) {
	err = s.DB.write(ctx, "retry failed deliveries", func(tx pgx.Tx) error {
		e, err := lockEvent(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := e.mayGoOn(); err != nil {
			return err
		}
		if !e.walked {
			return row.Conflict("the event's audience is still being walked")
		}
		if only.Channel != "" {
			if err := checkChannels(ctx, tx, []schoolbell.Channel{only.Channel}); err != nil {
				return row.UnknownChannel("channel", only.Channel)
			}
		}
		for _, query := range []string{lockBatches, endWork} {
			if _, err := tx.Exec(ctx, query, e.seq); err != nil {
				return err
			}
		}
		filter := named{"event": e.seq, "channel": string(only.Channel), "reasons": only.Reasons}
		if _, err := tx.Exec(ctx, reopenBatches, filter); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, retryRows, filter).Scan(&rows); err != nil || rows == 0 {
			return err
		}
		for _, query := range []string{reopenWaves, reopenEvent} {
			if _, err := tx.Exec(ctx, query, e.seq); err != nil {
				return err
			}
		}
		return nil
	})
	return rows, err
}

// lockBatches keeps others from changing the batches of an event and their rows.
const lockBatches = "SELECT 1 FROM batches WHERE event_seq = $1 ORDER BY wave, channel, seq FOR UPDATE"

// toRetry is the condition that a delivery d is sent again: it failed, or came back after it was sent, and is on the
// channel and has one of the reasons that were asked for.
const toRetry = `(d.status = {failed} OR d.status IN ({sent}, {uncertain}) AND d.outcome = {outcome_bounced})
			AND (@channel::text = '' OR d.channel = (SELECT id FROM channels WHERE name = @channel))
			AND (@reasons::text[] IS NULL OR coalesce(d.reason, '') = ANY (@reasons))`

// reopenBatches opens the finished batches of an event that have deliveries to send again.
var reopenBatches = row.SQL(`
	UPDATE batches b
	SET finished_at = NULL
	WHERE event_seq = @event
		AND finished_at IS NOT NULL
		AND EXISTS (
			SELECT 1 FROM deliveries d
			WHERE d.event_seq = @event AND d.wave = b.wave AND d.channel = b.channel
				AND d.user_seq BETWEEN b.first_user AND b.last_user
				AND ` + toRetry + `)`)

// retryRows makes the failed and the bounced deliveries of an event pending again, with all attempts
// before them, and returns how many.
var retryRows = row.SQL(`
	WITH counted AS (
		SELECT d.event_seq, d.wave, d.channel, d.status, d.outcome, count(*) AS n
		FROM deliveries d
		WHERE d.event_seq = @event AND ` + toRetry + `
		GROUP BY d.event_seq, d.wave, d.channel, d.status, d.outcome),
	retried AS (
		UPDATE deliveries d
		SET status = {pending}, outcome = 0, attempts = 0, retry_at = NULL, reason = NULL, provider_id = NULL, updated_at = ` + now + `
		WHERE d.event_seq = @event AND ` + toRetry + `),
	moved AS (` + intoTotals + `
		SELECT c.event_seq, c.wave, c.channel, m.status, m.outcome, ` + eventShard + `, sum(m.n)
		FROM counted c
		CROSS JOIN LATERAL (VALUES (c.status, c.outcome, -c.n), ({pending}, 0, c.n)) m(status, outcome, n)` + addTotals + `)
	SELECT coalesce(sum(n), 0)::bigint FROM counted`)

// reopenWaves opens the finished waves of an event that have pending deliveries.
var reopenWaves = row.SQL(`
	UPDATE waves w
	SET finished_at = NULL
	WHERE w.event_seq = $1
		AND w.finished_at IS NOT NULL
		AND EXISTS (SELECT 1 FROM deliveries d WHERE d.event_seq = $1 AND d.wave = w.n AND d.status = {pending})`)

// reopenEvent takes a completed event back to processing.
var reopenEvent = row.SQL(`
	UPDATE events
	SET status = {event_processing}, completed_at = NULL
	WHERE seq = $1 AND status = {event_completed}`)

package sqlite

import (
	"context"
	"fmt"

	"schoolbell/internal/store/row"
)

// closeRows ends the event's rows that no live claim names. in says which, more are its parameters.
func (e *eventState) closeRows(ctx context.Context, c *conn, in closable, more args) error {
	claims, err := claimsOf(ctx, c, claimsToClose, args{"event": e.seq, "status": e.closing()})
	if err != nil {
		return err
	}
	if _, err := takeOver(ctx, c, claims, e.now); err != nil {
		return err
	}
	var pending bool
	if err := c.get(ctx, hasPending, args{"event": e.seq}, &pending); err != nil || !pending {
		return err
	}
	return e.endRows(ctx, c, in, more)
}

// claimsToClose selects the claims of an event whose deliveries end with the status @status.
var claimsToClose = row.SQL(claimsOfEvent + `
	AND claims.wave NOT IN ` + goingOn)

// goingOn selects the waves of the event @event that do not end with the status @status: an unfinished one that tells of the
// cancellation goes on.
const goingOn = `(SELECT w.n FROM waves w WHERE w.event_seq = @event AND w.notice = {notice_cancelled} AND w.finished_at IS NULL AND @status = {cancelled})`

// hasPending says whether an event has pending deliveries.
var hasPending = row.SQL(`
SELECT EXISTS (SELECT 1 FROM totals WHERE event_seq = @event AND status = {pending} AND n > 0)`)

// endRows ends the rows of a closed event that no claim names. in says which, more are its parameters.
func (e *eventState) endRows(ctx context.Context, c *conn, in closable, more args) error {
	if _, err := c.exec(ctx, in.totals, more.and(args{"event": e.seq, "status": e.closing()})); err != nil {
		return fmt.Errorf("move totals: %w", err)
	}
	_, err := c.exec(ctx, in.rows, more.and(args{"event": e.seq, "status": e.closing(), "now": e.now}))
	return err
}

// closable are the statements that end deliveries of a closed event.
type closable struct{ totals, rows string }

// closableOf is the condition of the event's rows that end. More conditions follow.
var closableOf = `deliveries.event_seq = @event
	AND status = {pending}
	AND deliveries.wave NOT IN ` + goingOn + `
	AND NOT ` + heldOfEvent("deliveries")

// closedStatus is the status of a row that ends. If an earlier attempt may have reached the recipient, it is
// uncertain: another status would hide that.
const closedStatus = "CASE WHEN uncertain THEN {uncertain} ELSE @status END"

// endDeliveries ends rows. The condition follows.
const endDeliveries = `
UPDATE deliveries
SET status = ` + closedStatus + `,
	retry_at = NULL,
	updated_at = @now
WHERE `

const (
	// ofWave limits the rows that end to those of a wave.
	ofWave = `
	AND deliveries.wave = @wave`

	// ofBatch limits them to those of a batch.
	ofBatch = ofWave + `
	AND deliveries.channel = @channel
	AND deliveries.user_seq BETWEEN @first AND @last`

	// ofClaim limits them to those that a claim named.
	ofClaim = ofWave + `
	AND deliveries.channel = @channel
	AND deliveries.user_seq IN (SELECT value FROM json_each(@users))`
)

// Which rows of an event end: all, those of a wave or of a batch, or those that a claim named.
var (
	eventRows   = closable{row.SQL(moveTotals(closableOf, closedStatus, "outcome")), row.SQL(endDeliveries + closableOf)}
	waveRows    = closable{row.SQL(moveTotals(closableOf+ofWave, closedStatus, "outcome")), row.SQL(endDeliveries + closableOf + ofWave)}
	batchRows   = closable{row.SQL(moveTotals(closableOf+ofBatch, closedStatus, "outcome")), row.SQL(endDeliveries + closableOf + ofBatch)}
	claimedRows = closable{row.SQL(moveTotals(closableOf+ofClaim, closedStatus, "outcome")), row.SQL(endDeliveries + closableOf + ofClaim)}
)

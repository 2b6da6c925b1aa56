package sqlite

import (
	"context"
	"fmt"

	"schoolbell/internal/store/row"
)

// closeRows ends the event's rows that no live claim names. in says which, more are its parameters.
func (e *eventState) closeRows(ctx context.Context, c *conn, in closable, more args) error {
	claims, err := claimsOf(ctx, c, claimsOfEvent, args{"event": e.seq})
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

// closableRows returns the statements for the event's rows that meet more conditions. If an earlier attempt
// may have reached the recipient, a row ends as uncertain: another status would hide that.
func closableRows(conditions string) closable {
	condition := `deliveries.event_seq = @event
	AND status = {pending}
	AND NOT ` + heldOfEvent("deliveries") + conditions
	status := "CASE WHEN uncertain THEN {uncertain} ELSE @status END"
	return closable{
		totals: row.SQL(moveTotals(condition, status, "outcome")),
		rows: row.SQL(`
UPDATE deliveries
SET status = ` + status + `,
	retry_at = NULL,
	updated_at = @now
WHERE ` + condition),
	}
}

// Which rows of an event end: all, those of a wave or of a batch, or those that a claim named.
var (
	eventRows = closableRows("")
	waveRows  = closableRows(`
	AND deliveries.wave = @wave`)
	batchRows = closableRows(`
	AND deliveries.wave = @wave
	AND deliveries.channel = @channel
	AND deliveries.user_seq BETWEEN @first AND @last`)
	claimedRows = closableRows(`
	AND deliveries.wave = @wave
	AND deliveries.channel = @channel
	AND deliveries.user_seq IN (SELECT value FROM json_each(@users))`)
)

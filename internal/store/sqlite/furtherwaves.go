package sqlite

import (
	"context"
	"fmt"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// pickAgain fills the table chunk for a further wave: its people are those of wave 0, as they stand in
// its deliveries on one channel.
func pickAgain(ctx context.Context, c *conn, w *walk, channel, limit int, step *ledger.FanOutStep) (bound int64, err error) {
	a := args{"event": w.seq, "channel": channel, "cursor": w.cursor, "outcome": outcomeBefore(w.onlyIf), "limit": limit}
	return fillPeople(ctx, c, w, peopleAgain, a, limit, step)
}

// pickTold does the same for a wave that tells of a change: its people are those to whom a message of an earlier revision was
// sent on one of its channels.
func pickTold(ctx context.Context, c *conn, w *walk, limit int, step *ledger.FanOutStep) (bound int64, err error) {
	names := make([]string, len(w.channels))
	for i, name := range w.channels {
		names[i] = string(name)
	}
	a := args{"event": w.seq, "wave": w.wave, "channels": jsonOf(names), "revision": w.told, "cursor": w.cursor, "limit": limit}
	return fillPeople(ctx, c, w, peopleToTell, a, limit, step)
}

// fillPeople fills the table chunk by a statement, and returns the last user in it.
func fillPeople(ctx context.Context, c *conn, w *walk, statement string, a args, limit int, step *ledger.FanOutStep) (bound int64, err error) {
	if step.Users, err = c.exec(ctx, statement, a); err != nil {
		return 0, fmt.Errorf("pick people: %w", err)
	}
	if step.Done = step.Users < limit; step.Users == 0 {
		return w.cursor, nil
	}
	err = c.get(ctx, "SELECT max(user_seq) FROM temp.chunk", nil, &bound)
	return bound, err
}

// peopleToTell inserts the next people into chunk to whom a message of an earlier revision than @revision was sent on one of the
// @channels, in a wave before @wave.
var peopleToTell = row.SQL(`
INSERT INTO temp.chunk (user_seq)
SELECT DISTINCT d.user_seq
FROM waves w
CROSS JOIN channels h
CROSS JOIN deliveries d
WHERE w.event_seq = @event
	AND w.n < @wave
	AND h.name IN (SELECT value FROM json_each(@channels))
	AND d.event_seq = @event
	AND d.wave = w.n
	AND d.channel = h.id
	AND d.user_seq > @cursor
	AND (d.status IN ({sent}, {uncertain}) OR d.status = {suppressed} AND d.reason = {same_address})
	AND d.revision < @revision
	AND EXISTS (SELECT 1 FROM users u WHERE u.seq = d.user_seq AND u.state = {user_live})
ORDER BY d.user_seq
LIMIT @limit`)

// outcomeBefore returns the number that the outcome of an in-app delivery must be below for its user to meet a condition.
func outcomeBefore(c schoolbell.OnlyIf) int {
	switch c {
	case schoolbell.OnlyIfUnread:
		return row.OutcomeNumber(schoolbell.OutcomeRead)
	case schoolbell.OnlyIfUnacknowledged:
		return row.OutcomeNumber(schoolbell.OutcomeAcknowledged)
	}
	return row.OutcomeNumber(schoolbell.OutcomeAcknowledged) + 1
}

// peopleAgain inserts the next people of wave 0 into chunk whose in-app delivery, if they have
// one, has an outcome below @outcome.
var peopleAgain = row.SQL(`
INSERT INTO temp.chunk (user_seq)
SELECT d.user_seq
FROM deliveries d
WHERE d.event_seq = @event
	AND d.wave = 0
	AND d.channel = @channel
	AND d.user_seq > @cursor
	AND EXISTS (SELECT 1 FROM users u WHERE u.seq = d.user_seq AND u.state = {user_live})
	AND NOT EXISTS (
		SELECT 1
		FROM deliveries i
		WHERE i.event_seq = @event
			AND i.wave = 0
			AND i.channel = {in_app}
			AND i.user_seq = d.user_seq
			AND i.outcome >= @outcome
	)
ORDER BY d.user_seq
LIMIT @limit`)

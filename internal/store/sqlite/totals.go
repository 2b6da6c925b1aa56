package sqlite

import (
	"context"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// kind is what totals count deliveries by, within one event, wave and channel.
type kind struct{ status, outcome int }

// addTotals adds deliveries of one wave and channel to the totals of an event. Counts may be negative.
func addTotals(ctx context.Context, c *conn, event int64, wave, channel int, counts map[kind]int) error {
	for k, n := range counts {
		if n == 0 {
			continue
		}
		a := args{"event": event, "wave": wave, "channel": channel, "status": k.status, "outcome": k.outcome, "n": n}
		if _, err := c.exec(ctx, addTotal, a); err != nil {
			return err
		}
	}
	return nil
}

// addTotal adds to one total of an event.
const addTotal = `
INSERT INTO totals (event_seq, wave, channel, status, outcome, n)
VALUES (@event, @wave, @channel, @status, @outcome, @n)` + addToTotal

// addToTotal is the end of a statement that adds to totals.
const addToTotal = `
ON CONFLICT DO UPDATE SET n = n + excluded.n`

// moveTotals returns the statement that moves, in the totals, the deliveries that meet a condition to a new
// status and outcome. It runs before the UPDATE that has the same condition.
func moveTotals(condition, status, outcome string) string {
	return `
INSERT INTO totals (event_seq, wave, channel, status, outcome, n)
SELECT event_seq, wave, channel, status, outcome, -count(*)
FROM deliveries
WHERE ` + condition + `
GROUP BY event_seq, wave, channel, status, outcome
UNION ALL
SELECT event_seq, wave, channel, ` + status + ` AS new_status, ` + outcome + ` AS new_outcome, count(*)
FROM deliveries
WHERE ` + condition + `
GROUP BY event_seq, wave, channel, new_status, new_outcome` + addToTotal
}

// Progress implements ledger.Events.
func (s Events) Progress(ctx context.Context, id string) (schoolbell.Progress, error) {
	return readProgress(ctx, s.DB, id)
}

// readProgress reads an event's totals in a transaction of its own.
func readProgress(ctx context.Context, db *DB, id string) (p schoolbell.Progress, err error) {
	err = db.read(ctx, "read progress", func(c *conn) error {
		e, err := eventStateOf(ctx, c, id)
		if err != nil {
			return err
		}
		counts, err := db.totals(ctx, c, e.seq)
		if err != nil {
			return err
		}
		going, err := e.going(ctx, c)
		p = row.Progress(counts, e.status == schoolbell.EventCancelled || going.unwalked == 0)
		return err
	})
	return p, err
}

// totals returns how many deliveries of each kind an event has. Claimed ones count as pending.
func (db *DB) totals(ctx context.Context, c *conn, event int64) (counts []row.Count, err error) {
	err = c.each(ctx, readTotals, args{"event": event}, func(scan func(...any) error) error {
		var n row.Count
		var channel int
		if err := scan(&n.Wave, &channel, &n.Status, &n.Outcome, &n.Rows); err != nil {
			return err
		}
		n.Channel, err = db.channels.name(ctx, c, channel)
		counts = append(counts, n)
		return err
	})
	return counts, err
}

// readTotals selects the totals of an event. A kind of which no delivery is left still has its row.
const readTotals = `
SELECT wave, channel, status, outcome, n
FROM totals
WHERE event_seq = @event
	AND n <> 0`

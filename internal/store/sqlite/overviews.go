package sqlite

import (
	"context"
	"encoding/json"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Overviews implements ledger.Overviews.
type Overviews struct{ DB *DB }

// CountedEvents implements ledger.Overviews.
func (s Overviews) CountedEvents(ctx context.Context, f schoolbell.EventFilter, before string, limit int) (events []ledger.CountedEvent, err error) {
	err = s.DB.read(ctx, "list events with their counts", func(c *conn) error {
		found, err := eventsBefore(ctx, c, f, before, limit)
		if err == nil {
			events, err = s.counted(ctx, c, found)
		}
		return err
	})
	return events, err
}

// OpenEvents implements ledger.Overviews.
func (s Overviews) OpenEvents(ctx context.Context, f schoolbell.EventFilter, limit int) (events []ledger.CountedEvent, err error) {
	err = s.DB.read(ctx, "list open events", func(c *conn) error {
		var found []*schoolbell.Event
		for _, f.Status = range []schoolbell.EventStatus{schoolbell.EventProcessing, schoolbell.EventQueued} {
			more, err := eventsBefore(ctx, c, f, "", limit-len(found))
			if err != nil {
				return err
			}
			found = append(found, more...)
		}
		events, err = s.counted(ctx, c, found)
		return err
	})
	return events, err
}

// counted adds to events the counts of their deliveries.
func (s Overviews) counted(ctx context.Context, c *conn, events []*schoolbell.Event) ([]ledger.CountedEvent, error) {
	if len(events) == 0 {
		return nil, nil
	}
	ids := make([]string, len(events))
	for i, ev := range events {
		ids[i] = ev.ID
	}
	asked, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	of := row.NewEventCounts()
	err = c.each(ctx, countEvents, args{"ids": string(asked)}, func(scan func(...any) error) error {
		var n row.EventCount
		if err := scan(&n.ID, &n.Walked, &n.Wave, &n.Channel, &n.Status, &n.Outcome, &n.Rows); err != nil {
			return err
		}
		of.Add(n)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return of.Counted(events), nil
}

// countEvents selects the totals of several events, and whether their started waves are walked.
const countEvents = `
SELECT e.id,
	NOT EXISTS (SELECT 1 FROM waves w WHERE w.event_seq = e.seq AND NOT w.walked AND (w.n = 0 OR w.starts_at <= ` + now + `)),
	t.wave, c.name, t.status, t.outcome, t.n
FROM events e
JOIN totals t ON t.event_seq = e.seq
JOIN channels c ON c.id = t.channel
WHERE e.id IN (SELECT value FROM json_each(@ids))
	AND t.n <> 0`

// Traffic implements ledger.Overviews.
func (s Overviews) Traffic(ctx context.Context, since time.Time, step time.Duration) (steps []ledger.TrafficStep, err error) {
	err = s.DB.read(ctx, "read the traffic", func(c *conn) error {
		return c.each(ctx, sumTraffic, args{"since": since.UnixMilli(), "step": step.Milliseconds()}, func(scan func(...any) error) error {
			var t ledger.TrafficStep
			var from int64
			err := scan(&from, &t.Channel, &t.Sent, &t.Failed)
			t.From = time.UnixMilli(from).UTC()
			steps = append(steps, t)
			return err
		})
	})
	return steps, err
}

// sumTraffic adds up the traffic since @since in steps of @step milliseconds.
const sumTraffic = `
SELECT t.minute / @step * @step AS step, c.name, sum(t.sent), sum(t.failed)
FROM traffic t
JOIN channels c ON c.id = t.channel
WHERE t.minute >= @since
GROUP BY step, c.id
ORDER BY step, c.id`

// Traffic implements ledger.Traffic.
type Traffic struct{ DB *DB }

// AddTraffic implements ledger.Traffic.
func (s Traffic) AddTraffic(ctx context.Context, counts []ledger.ChannelTraffic) error {
	return s.DB.write(ctx, "add to the traffic", func(c *conn) error {
		for _, n := range counts {
			if _, err := c.exec(ctx, addTraffic, args{"channel": string(n.Channel), "sent": n.Sent, "failed": n.Failed}); err != nil {
				return err
			}
		}
		return nil
	})
}

// addTraffic adds counts to the present minute of a channel.
const addTraffic = `
INSERT INTO traffic (minute, channel, sent, failed)
SELECT ` + now + ` / 60000 * 60000, id, @sent, @failed
FROM channels
WHERE name = @channel
ON CONFLICT (minute, channel) DO UPDATE
SET sent = sent + excluded.sent,
	failed = failed + excluded.failed`

package sqlite

import (
	"context"
	"database/sql"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Reports implements api.Store.
type Reports struct{ DB *DB }

// Event implements api.Store.
func (s Reports) Event(ctx context.Context, id string) (*schoolbell.Event, error) {
	return readEvent(ctx, s.DB, id)
}

// Progress implements api.Store.
func (s Reports) Progress(ctx context.Context, id string) (schoolbell.Progress, error) {
	return readProgress(ctx, s.DB, id)
}

// Events implements api.Store.
func (s Reports) Events(ctx context.Context, f schoolbell.EventFilter, before string, limit int) (events []*schoolbell.Event, err error) {
	err = s.DB.read(ctx, "list events", func(c *conn) error {
		events, err = eventsBefore(ctx, c, f, before, limit)
		return err
	})
	return events, err
}

// eventsBefore reads up to limit events before the one with an id, newest first.
func eventsBefore(ctx context.Context, c *conn, f schoolbell.EventFilter, before string, limit int) (events []*schoolbell.Event, err error) {
	query, within, a := listEvents, listEventsWithin, args{"before": int64(1<<63 - 1), "limit": limit}
	if f.Status != "" {
		query, within, a["status"] = listEventsOfStatus, listEventsOfStatusWithin, string(f.Status)
	}
	if f.Text != "" {
		query, within = listEventsWithText, listEventsWithTextWithin
		a["status"], a["text"], a["id"] = string(f.Status), row.Containing(f.Text), f.Text
	}
	if before != "" {
		var seq int64
		if err := c.get(ctx, "SELECT seq FROM events WHERE id = @id", args{"id": before}, &seq); err != nil {
			return nil, orNotFound(err, "event", before)
		}
		a["before"] = seq
	}
	if len(f.Within) > 0 {
		areas, err := listOf[string](ctx, c, areasWithin, args{"within": jsonOf(f.Within)})
		if err != nil {
			return nil, err
		}
		query, a["areas"] = within, jsonOf(areas)
	}
	err = c.each(ctx, query, a, func(scan func(...any) error) error {
		ev, err := scanEvent(scan)
		events = append(events, ev)
		return err
	})
	return events, err
}

var (
	// listEvents selects a page of events before another event, newest first.
	listEvents = pageOfEvents("")

	// listEventsOfStatus does the same for the events of one status.
	listEventsOfStatus = pageOfEvents("AND e.status = @status")

	// listEventsWithText does the same for those with a text in the title or with an id; an empty status is any.
	listEventsWithText = pageOfEvents(`AND @status IN ('', e.status) AND (e.title LIKE @text ESCAPE '\' OR e.id = @id)`)
)

// pageOfEvents is the statement that selects a page of the events that meet a condition.
func pageOfEvents(condition string) string {
	return "SELECT " + eventColumns + " FROM " + eventTables + " WHERE e.seq < @before " + condition + " ORDER BY e.seq DESC LIMIT @limit"
}

// Deliveries implements api.Store.
func (s Reports) Deliveries(ctx context.Context, eventID string, f schoolbell.DeliveryFilter, after ledger.DeliveryCursor, limit int) (list []schoolbell.Delivery, next ledger.DeliveryCursor, err error) {
	next = after
	err = s.DB.read(ctx, "list deliveries", func(c *conn) error {
		e, err := eventStateOf(ctx, c, eventID)
		if err != nil {
			return err
		}
		a := args{"event": e.seq, "after_wave": after.Wave, "after_channel": 0, "after_user": after.Seq,
			"channel": nil, "status": nil, "outcome": nil, "failed": f.Failed, "reasons": jsonOf(f.Reasons), "any_reason": f.Reasons == nil, "limit": limit,
			"person": row.Containing(f.Person), "text": f.Person, "end": row.AfterPrefix(f.Person)}
		if after.Channel != "" {
			if a["after_channel"], err = s.DB.channels.asked(ctx, c, "after", after.Channel); err != nil {
				return err
			}
		}
		if f.Channel != "" {
			if a["channel"], err = s.DB.channels.asked(ctx, c, "channel", f.Channel); err != nil {
				return err
			}
		}
		if f.Status != "" {
			a["status"] = row.StatusNumber(f.Status)
		}
		if f.Outcome != "" {
			a["outcome"] = row.OutcomeNumber(f.Outcome)
		}
		return c.each(ctx, listDeliveries, a, func(scan func(...any) error) error {
			d := schoolbell.Delivery{EventID: eventID}
			var channel, status, outcome int
			var updated, read sql.NullInt64
			if err := scan(&d.Wave, &channel, &next.Seq, &d.UserID, &status, &outcome, &d.Attempts, &d.Reason, &d.ProviderID,
				&d.SameAs, &updated, &read); err != nil {
				return err
			}
			d.Status, d.Outcome, d.UpdatedAt = row.Status(status), row.Outcome(outcome), timeOf(updated)
			if d.Channel, err = s.DB.channels.name(ctx, c, channel); err != nil {
				return err
			}
			next.Wave, next.Channel = d.Wave, d.Channel
			if read.Valid {
				at := timeOf(read)
				d.ReadAt = &at
			}
			list = append(list, d)
			return nil
		})
	})
	if err != nil {
		return nil, ledger.DeliveryCursor{}, err
	}
	return list, next, nil
}

// listDeliveries selects a page of an event's deliveries, if @channel, @status or @outcome is not
// NULL only those that have it. The inbox holds when an in-app delivery was read.
var listDeliveries = row.SQL(`
SELECT d.wave, d.channel, d.user_seq, u.id, ` + shownStatus + `, d.outcome, d.attempts,
	coalesce(d.reason, ''), coalesce(d.provider_id, ''), ` + SameAs + `, d.updated_at,
	CASE WHEN d.channel = {in_app} THEN (
		SELECT read_at
		FROM inbox
		WHERE user_seq = d.user_seq
			AND position = ` + ChunkOf("d.event_seq", "d.user_seq") + `
	) END
FROM deliveries d
CROSS JOIN users u ON u.seq = d.user_seq
WHERE d.event_seq = @event
	AND (d.wave, d.channel, d.user_seq) > (@after_wave, @after_channel, @after_user)
	AND (@channel IS NULL OR d.channel = @channel)
	AND (@status IS NULL OR ` + shownStatus + ` = @status)
	AND (@outcome IS NULL OR d.outcome = @outcome)
	AND (NOT @failed OR ` + row.FailedDelivery + `)
	AND (@any_reason OR coalesce(d.reason, '') IN (SELECT value FROM json_each(@reasons)))
	AND (@text = '' OR u.name LIKE @person ESCAPE '\' OR u.id >= @text AND u.id < @end)
ORDER BY d.wave, d.channel, d.user_seq
LIMIT @limit`)

// SameAs is the id of the user to whom the message of a delivery d is sent for this one too; empty for none.
const SameAs = "coalesce((SELECT f.id FROM users f WHERE f.seq = d.same_as), '')"

// shownStatus is the status of a delivery d of the event @event as it is shown: a pending one that a claim
// names is being sent.
var shownStatus = "CASE WHEN d.status = {pending} AND " + heldOfEvent("d") + " THEN {sending} ELSE d.status END"

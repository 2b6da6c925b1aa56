package postgres

import (
	"context"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

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
	err = s.DB.read(ctx, "list events", func(tx pgx.Tx) error {
		events, err = eventsBefore(ctx, tx, f, before, limit)
		return err
	})
	return events, err
}

// eventsBefore reads up to limit events before the one with an id, newest first.
func eventsBefore(ctx context.Context, tx pgx.Tx, f schoolbell.EventFilter, before string, limit int) ([]*schoolbell.Event, error) {
	top := int64(math.MaxInt64)
	if before != "" {
		if err := tx.QueryRow(ctx, "SELECT seq FROM events WHERE id = $1", before).Scan(&top); err != nil {
			return nil, orNotFound(err, "event", before)
		}
	}
	query, within, page := listEvents, listEventsWithin, named{"before": top, "limit": limit}
	if f.Status != "" {
		query, within, page["status"] = listEventsByStatus, listEventsByStatusWithin, f.Status
	}
	if f.Text != "" {
		query, within = listEventsWithText, listEventsWithTextWithin
		page["status"], page["text"], page["id"] = f.Status, row.Containing(f.Text), f.Text
	}
	if len(f.Within) > 0 {
		rows, err := tx.Query(ctx, areasWithin, named{"within": f.Within})
		areas, err := list(rows, err, pgx.RowTo[string])
		if err != nil {
			return nil, err
		}
		query, page["areas"] = within, areas
	}
	rows, err := tx.Query(ctx, query, page)
	return list(rows, err, scanEvent)
}

// listEvents selects the events before a number, newest first.
const listEvents = selectEvents + `
	WHERE e.seq < @before
	ORDER BY e.seq DESC
	LIMIT @limit`

// listEventsByStatus selects the events with one status before a number, newest first. They are found in the index of
// statuses alone: a plan for any status would read events of all of them, in the hope of finding enough early.
const listEventsByStatus = selectEvents + `
	WHERE e.seq IN (
		SELECT seq FROM events
		WHERE status = @status AND seq < @before
		ORDER BY status DESC, seq DESC
		LIMIT @limit)
	ORDER BY e.seq DESC`

// listEventsWithText selects those with a text in the title or with an id; an empty status is any.
const listEventsWithText = selectEvents + `
	WHERE e.seq < @before AND @status IN ('', e.status) AND (e.title ILIKE @text OR e.id = @id)
	ORDER BY e.seq DESC
	LIMIT @limit`

// Deliveries implements api.Store.
func (s Reports) Deliveries(ctx context.Context, eventID string, f schoolbell.DeliveryFilter, after ledger.DeliveryCursor, limit int) (found []schoolbell.Delivery, next ledger.DeliveryCursor, err error) {
	page := named{
		"after_wave": after.Wave, "after_channel": after.Channel, "after_user": after.Seq, "limit": limit,
		"channel": nil, "status": nil, "outcome": nil, "failed": f.Failed, "reasons": f.Reasons,
		"person": row.Containing(f.Person), "text": f.Person, "end": row.AfterPrefix(f.Person),
	}
	if f.Channel != "" {
		page["channel"] = f.Channel
	}
	if f.Status != "" {
		page["status"] = row.StatusNumber(f.Status)
	}
	if f.Outcome != "" {
		page["outcome"] = row.OutcomeNumber(f.Outcome)
	}
	next = after
	err = s.DB.read(ctx, "list deliveries", func(tx pgx.Tx) error {
		e, err := eventStateOf(ctx, tx, selectEventState, eventID)
		if err != nil {
			return err
		}
		if f.Channel != "" {
			if err := checkChannels(ctx, tx, []schoolbell.Channel{f.Channel}); err != nil {
				return row.UnknownChannel("channel", f.Channel)
			}
		}
		rows, err := tx.Query(ctx, listDeliveries, page.with(named{"event": e.seq}))
		found, err = list(rows, err, func(r pgx.CollectableRow) (schoolbell.Delivery, error) {
			d := schoolbell.Delivery{EventID: eventID}
			var status, outcome int
			var read *time.Time
			err := r.Scan(&d.Wave, &d.Channel, &next.Seq, &d.UserID, &status, &outcome, &d.Attempts, &d.Reason, &d.ProviderID, &d.SameAs, &d.UpdatedAt, &read)
			if err != nil {
				return d, err
			}
			d.Status, d.Outcome, d.UpdatedAt = row.Status(status), row.Outcome(outcome), d.UpdatedAt.UTC()
			next.Wave, next.Channel = d.Wave, d.Channel
			if read != nil {
				at := timeOf(read)
				d.ReadAt = &at
			}
			return d, nil
		})
		return err
	})
	if err != nil {
		return nil, ledger.DeliveryCursor{}, err
	}
	return found, next, nil
}

// SameAs is the id of the user to whom the message of a delivery d is sent for this one too; empty for none.
const SameAs = "coalesce((SELECT f.id FROM users f WHERE f.seq = d.same_as), '')"

// listDeliveries selects the deliveries of an event after the given one, on one channel and with one
// status and outcome unless these are null. A pending one that a claim holds is sending. Whether an in-app delivery was read is in the inbox, at the position
// of the chunk that the delivery belongs to.
var listDeliveries = row.SQL(`
	SELECT d.wave, c.name, d.user_seq, u.id, s.status, d.outcome, d.attempts,
		coalesce(d.reason, ''), coalesce(d.provider_id, ''), ` + SameAs + `, d.updated_at,
		CASE WHEN d.channel = {in_app} AND d.wave = 0 THEN (
			SELECT i.read_at FROM inbox i
			WHERE i.user_seq = d.user_seq
				AND i.position = (
					SELECT k.position FROM chunks k
					WHERE k.event_seq = d.event_seq AND k.first_user <= d.user_seq
					ORDER BY k.first_user DESC
					LIMIT 1))
		END
	FROM deliveries d
	JOIN users u ON u.seq = d.user_seq
	JOIN channels c ON c.id = d.channel
	CROSS JOIN LATERAL (
		SELECT CASE
			WHEN d.status = {pending} AND (d.wave, d.channel, d.user_seq) IN (
				SELECT k.wave, k.channel, unnest(k.users) FROM claims k WHERE k.event_seq = @event)
			THEN {sending}
			ELSE d.status
		END AS status) s
	WHERE d.event_seq = @event
		AND (d.wave, d.channel, d.user_seq)
			> (@after_wave::smallint, coalesce((SELECT id FROM channels WHERE name = @after_channel), 0), @after_user::bigint)
		AND (@channel::text IS NULL OR d.channel = (SELECT id FROM channels WHERE name = @channel))
		AND (@status::integer IS NULL OR s.status = @status)
		AND (@outcome::integer IS NULL OR d.outcome = @outcome)
		AND (NOT @failed OR ` + row.FailedDelivery + `)
		AND (@reasons::text[] IS NULL OR coalesce(d.reason, '') = ANY (@reasons))
		AND (@text::text = '' OR u.name ILIKE @person OR u.id >= @text AND u.id < @end)
	ORDER BY d.wave, d.channel, d.user_seq
	LIMIT @limit`)

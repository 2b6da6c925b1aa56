package staff

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/store/postgres"
	"schoolbell/internal/store/row"
)

// Deliveries implements ledger.PersonDeliveries.
type Deliveries struct{ DB *postgres.DB }

// DeliveriesOf implements ledger.PersonDeliveries.
func (s Deliveries) DeliveriesOf(ctx context.Context, userID string, within []string, before string, limit int) (found []schoolbell.PersonDelivery, next string, err error) {
	err = postgres.Read(ctx, s.DB, "list deliveries to a person", func(tx pgx.Tx) error {
		found, next = nil, ""
		var user int64
		if err := tx.QueryRow(ctx, selectPerson, named{"id": userID}).Scan(&user); err != nil {
			return orNotFound(err, "user", userID)
		}
		place := int64(math.MaxInt64)
		if before != "" {
			if err := tx.QueryRow(ctx, "SELECT seq FROM events WHERE id = $1", before).Scan(&place); err != nil {
				return orNotFound(err, "event", before)
			}
		}
		look := named{"before": place, "within": within, "look": row.LookEvents}
		events, last, err := toldEvents(ctx, tx, user, look, limit)
		if err != nil {
			return err
		}
		if last != 0 {
			if err := tx.QueryRow(ctx, "SELECT id FROM events WHERE seq = $1", last).Scan(&next); err != nil {
				return err
			}
		}
		found, err = deliveriesOf(ctx, tx, userID, user, events)
		return err
	})
	return found, next, err
}

// selectPerson selects the number of a person.
var selectPerson = row.SQL("SELECT seq FROM users WHERE id = @id AND state = {user_live}")

// toldEvents are up to limit events with a delivery to a person, and the last one that was looked at: 0 if there are no older ones.
func toldEvents(ctx context.Context, tx pgx.Tx, user int64, look named, limit int) (events []int64, last int64, err error) {
	told := named{"user": user, "limit": limit + 1}
	for name, value := range look {
		told[name] = value
	}
	query, lastQuery := selectTold, selectLastLooked
	if look["within"] == nil || len(look["within"].([]string)) == 0 {
		query, lastQuery = selectToldEverywhere, selectLastLookedEverywhere
		delete(told, "within")
		delete(look, "within")
	}
	rows, err := tx.Query(ctx, query, told)
	if err != nil {
		return nil, 0, err
	}
	if events, err = pgx.CollectRows(rows, pgx.RowTo[int64]); err != nil {
		return nil, 0, err
	}
	if len(events) > limit {
		return events[:limit], events[limit-1], nil
	}
	var looked int
	if err := tx.QueryRow(ctx, lastQuery, look).Scan(&last, &looked); err != nil {
		return nil, 0, err
	}
	if looked < row.LookEvents {
		last = 0
	}
	return events, last, nil
}

// lookedEverywhere are the events that are looked at for deliveries to a person, newest first.
const lookedEverywhere = `
	WITH looked AS MATERIALIZED (SELECT seq FROM events WHERE seq < @before ORDER BY seq DESC LIMIT @look)`

// lookedWithin are the same among the events of areas of which each group is one of below.
const lookedWithin = belowWithin + `,
	within AS MATERIALIZED (
		SELECT a.key FROM areas a WHERE a.groups <@ ARRAY(SELECT g.id::text FROM below b JOIN groups g ON g.seq = b.seq)),
	looked AS MATERIALIZED (
		SELECT x.seq
		FROM within a
		CROSS JOIN LATERAL (
			SELECT e.seq FROM events e
			WHERE e.area = a.key AND e.area <> '' AND e.seq < @before
			ORDER BY e.seq DESC LIMIT @look) x
		ORDER BY x.seq DESC LIMIT @look)`

// told selects those of the events that have a delivery to a person. It looks each up by its key: with LIMIT, PostgreSQL cannot
// read all deliveries instead.
const told = `
	SELECT l.seq
	FROM looked l
	CROSS JOIN LATERAL (
		SELECT FROM waves w
		CROSS JOIN channels c
		CROSS JOIN LATERAL (
			SELECT FROM deliveries d
			WHERE d.event_seq = w.event_seq AND d.wave = w.n AND d.channel = c.id AND d.user_seq = @user
			OFFSET 0) d
		WHERE w.event_seq = l.seq
		LIMIT 1) d
	ORDER BY l.seq DESC
	LIMIT @limit`

// lastLooked selects the last of the events that are looked at, and how many they are.
const lastLooked = `
	SELECT coalesce(min(seq), 0), count(*) FROM looked`

const (
	selectTold                 = lookedWithin + told
	selectToldEverywhere       = lookedEverywhere + told
	selectLastLooked           = lookedWithin + lastLooked
	selectLastLookedEverywhere = lookedEverywhere + lastLooked
)

// deliveriesOf reads the deliveries of events to a person.
func deliveriesOf(ctx context.Context, tx pgx.Tx, userID string, user int64, events []int64) (found []schoolbell.PersonDelivery, err error) {
	rows, err := tx.Query(ctx, selectDeliveriesOf, named{"user": user, "events": events})
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (d schoolbell.PersonDelivery, err error) {
		var status, outcome int
		var updated, read *time.Time
		err = r.Scan(&d.EventID, &d.Title, &d.Wave, &d.Channel, &status, &outcome, &d.Attempts, &d.Reason, &d.ProviderID, &d.SameAs, &updated, &read)
		d.UserID, d.Status, d.Outcome, d.UpdatedAt = userID, row.Status(status), row.Outcome(outcome), timeOf(updated)
		if read != nil {
			at := timeOf(read)
			d.ReadAt = &at
		}
		return d, err
	})
}

// selectDeliveriesOf selects the deliveries of events to a person. The inbox holds when an in-app delivery was read.
var selectDeliveriesOf = row.SQL(`
	SELECT e.id, e.title, d.wave, c.name, d.status, d.outcome, d.attempts, coalesce(d.reason, ''), coalesce(d.provider_id, ''),
		` + postgres.SameAs + `, d.updated_at,
		CASE WHEN d.channel = {in_app} AND d.wave = 0 THEN (
			SELECT i.read_at FROM inbox i
			WHERE i.user_seq = @user
				AND i.position = (
					SELECT k.position FROM chunks k
					WHERE k.event_seq = d.event_seq AND k.first_user <= @user
					ORDER BY k.first_user DESC
					LIMIT 1))
		END
	FROM (SELECT event_seq, n FROM waves WHERE event_seq = ANY (@events::bigint[]) OFFSET 0) w
	CROSS JOIN channels c
	CROSS JOIN LATERAL (
		SELECT *
		FROM deliveries d
		WHERE d.event_seq = w.event_seq AND d.wave = w.n AND d.channel = c.id AND d.user_seq = @user
		OFFSET 0) d
	JOIN events e ON e.seq = w.event_seq
	ORDER BY e.seq DESC, d.wave, d.channel`)

// orNotFound is CodeNotFound for a row that is not there.
func orNotFound(err error, what, id string) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return schoolbell.NotFound(what, id)
	}
	return err
}

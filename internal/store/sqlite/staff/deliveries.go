package staff

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"math"

	"schoolbell"
	"schoolbell/internal/store/row"
	"schoolbell/internal/store/sqlite"
)

// Deliveries implements ledger.PersonDeliveries.
type Deliveries struct{ DB *sqlite.DB }

// DeliveriesOf implements ledger.PersonDeliveries.
func (s Deliveries) DeliveriesOf(ctx context.Context, userID string, within []string, before string, limit int) (found []schoolbell.PersonDelivery, next string, err error) {
	err = sqlite.Read(ctx, s.DB, "list deliveries to a person", func(c sqlite.Conn) error {
		found, next = nil, ""
		var user, place int64
		if err := c.Get(ctx, findPerson, args{"id": userID}, &user); err != nil {
			return orNotFound(err, "user", userID)
		}
		place = math.MaxInt64
		if before != "" {
			if err := c.Get(ctx, "SELECT seq FROM events WHERE id = @id", args{"id": before}, &place); err != nil {
				return orNotFound(err, "event", before)
			}
		}
		areas, err := areasWithin(ctx, c, within)
		if err != nil {
			return err
		}
		events, last, err := toldEvents(ctx, c, args{"user": user, "before": place, "areas": jsonOf(areas), "everywhere": len(within) == 0, "look": row.LookEvents, "limit": limit + 1}, limit)
		if err != nil {
			return err
		}
		if last != 0 {
			if err := c.Get(ctx, "SELECT id FROM events WHERE seq = @seq", args{"seq": last}, &next); err != nil {
				return err
			}
		}
		found, err = deliveriesOf(ctx, c, userID, user, events)
		return err
	})
	return found, next, err
}

// findPerson selects the number of a person.
var findPerson = row.SQL("SELECT seq FROM users WHERE id = @id AND state = {user_live}")

// areasWithin are the areas of which each group is within some groups.
func areasWithin(ctx context.Context, c sqlite.Conn, within []string) (areas []string, err error) {
	if len(within) == 0 {
		return nil, nil
	}
	err = c.Each(ctx, listAreasWithin, args{"within": jsonOf(within)}, func(scan func(...any) error) error {
		var key string
		err := scan(&key)
		areas = append(areas, key)
		return err
	})
	return areas, err
}

// listAreasWithin selects the areas of which each group is one of below.
const listAreasWithin = belowWithin + `
SELECT a.key FROM areas a
WHERE NOT EXISTS (
	SELECT 1 FROM json_each(a.groups) n WHERE n.value NOT IN (SELECT g.id FROM below b JOIN groups g ON g.seq = b.seq)
)`

// toldEvents are up to limit events with a delivery to a person, and the last one that was looked at: 0 if there are no older ones.
func toldEvents(ctx context.Context, c sqlite.Conn, a args, limit int) (events []int64, last int64, err error) {
	err = c.Each(ctx, findTold, a, func(scan func(...any) error) error {
		var seq int64
		err := scan(&seq)
		events = append(events, seq)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	if len(events) > limit {
		return events[:limit], events[limit-1], nil
	}
	delete(a, "user")
	delete(a, "limit")
	var looked int
	if err := c.Get(ctx, findLastLooked, a, &last, &looked); err != nil {
		return nil, 0, err
	}
	if looked < row.LookEvents {
		last = 0
	}
	return events, last, nil
}

// lookedAt are the events that are looked at for deliveries to a person, newest first.
const lookedAt = `
WITH looked(seq) AS (
	SELECT e.seq FROM events e
	WHERE e.seq < @before
		AND (@everywhere OR e.area <> '' AND e.area IN (SELECT value FROM json_each(@areas)))
	ORDER BY e.seq DESC LIMIT @look
)`

// findTold selects those of the events that have a delivery to a person. It looks each up by its key.
const findTold = lookedAt + `
SELECT l.seq
FROM looked l
WHERE EXISTS (
	SELECT 1
	FROM waves w
	CROSS JOIN channels c
	CROSS JOIN deliveries d ON d.event_seq = w.event_seq AND d.wave = w.n AND d.channel = c.id AND d.user_seq = @user
	WHERE w.event_seq = l.seq
)
ORDER BY l.seq DESC
LIMIT @limit`

// findLastLooked selects the last of the events that are looked at, and how many they are.
const findLastLooked = lookedAt + `
SELECT coalesce(min(seq), 0), count(*) FROM looked`

// deliveriesOf reads the deliveries of events to a person.
func deliveriesOf(ctx context.Context, c sqlite.Conn, userID string, user int64, events []int64) (found []schoolbell.PersonDelivery, err error) {
	list, err := json.Marshal(append([]int64{}, events...))
	if err != nil {
		return nil, err
	}
	err = c.Each(ctx, listDeliveriesOf, args{"user": user, "events": string(list)}, func(scan func(...any) error) error {
		d := schoolbell.PersonDelivery{Delivery: schoolbell.Delivery{UserID: userID}}
		var status, outcome int
		var updated, read sql.NullInt64
		err := scan(&d.EventID, &d.Title, &d.Wave, &d.Channel, &status, &outcome, &d.Attempts, &d.Reason, &d.ProviderID, &d.SameAs, &updated, &read)
		if err != nil {
			return err
		}
		d.Status, d.Outcome, d.UpdatedAt = row.Status(status), row.Outcome(outcome), timeOf(updated)
		if at := timeOf(read); !at.IsZero() {
			d.ReadAt = &at
		}
		found = append(found, d)
		return nil
	})
	return found, err
}

// listDeliveriesOf selects the deliveries of events to a person. The inbox holds when an in-app delivery was read.
var listDeliveriesOf = row.SQL(`
SELECT e.id, e.title, d.wave, c.name, d.status, d.outcome, d.attempts, coalesce(d.reason, ''), coalesce(d.provider_id, ''),
	` + sqlite.SameAs + `, d.updated_at,
	CASE WHEN d.channel = {in_app} AND d.wave = 0 THEN (
		SELECT read_at
		FROM inbox
		WHERE user_seq = @user
			AND position = ` + sqlite.ChunkOf("d.event_seq", "@user") + `
	) END
FROM json_each(@events) t
CROSS JOIN events e ON e.seq = t.value
CROSS JOIN waves w ON w.event_seq = e.seq
CROSS JOIN channels c
CROSS JOIN deliveries d ON d.event_seq = w.event_seq AND d.wave = w.n AND d.channel = c.id AND d.user_seq = @user
ORDER BY e.seq DESC, d.wave, d.channel`)

// orNotFound is CodeNotFound for a row that is not there.
func orNotFound(err error, what, id string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return schoolbell.NotFound(what, id)
	}
	return err
}

package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// reach tells which people of a chunk are reached on one channel. The lists are in the order of the users.
type reach struct {
	channel   int16
	name      schoolbell.Channel
	addressed bool
	every     bool     // it sends to every address
	batches   int      // that the wave has on the channel already
	usable    []int64  // users of usable addresses
	addresses []string // the usable addresses, if they were asked for
	shared    []int64  // users of addresses that others have too, if they were asked for
	unusable  []int64  // users of other addresses
	states    []int16  // of these addresses
	optedOut  []int64
	digested  []int64 // users who want the category in a digest
}

// spread is how far apart people may be, on average, for their addresses to be read as one range of
// users: to read five addresses in passing costs as much as to look one up.
const spread = 5

// readReach reads addresses and preferences for all channels of the wave and all people of the chunk at one moment.
func (c *chunk) readReach(ctx context.Context, tx pgx.Tx) ([]reach, error) {
	first, last := c.people[0], c.people[len(c.people)-1]
	statement, people := reachOfPeople, named{"people": c.people}
	if last-first < spread*int64(len(c.people)) {
		statement, people = reachOfRange, named{"first": first, "last": last}
	}
	rows, err := tx.Query(ctx, statement, c.wave.reachOf(people))
	channels, err := list(rows, err, scanReach)
	if err != nil {
		return nil, fmt.Errorf("read who is reached: %w", err)
	}
	return channels, nil
}

// reachOf returns the parameters of selectReach, with those that tell the people.
func (w *walk) reachOf(people named) named {
	return people.with(named{"event": w.seq, "wave": w.Wave, "channels": w.channels, "category": w.category, "mandatory": w.mandatory})
}

func scanReach(row pgx.CollectableRow) (r reach, err error) {
	err = row.Scan(&r.channel, &r.name, &r.addressed, &r.every, &r.batches, &r.usable, &r.addresses, &r.shared, &r.unusable, &r.states, &r.optedOut, &r.digested)
	return r, err
}

// The statements of readReach: for people who are close to each other, and for others.
var (
	reachOfRange  = row.SQL(selectReach("user_seq BETWEEN @first AND @last", noAddresses))
	reachOfPeople = row.SQL(selectReach("user_seq = ANY (@people)", noAddresses))
)

// usableAddresses is for selectReach: the addresses that belong to the users of usable ones, and the users of addresses that
// others may have too.
var usableAddresses = `array_agg(address) FILTER (WHERE state IN ({usable})) AS addresses,
			array_agg(user_seq) FILTER (WHERE @shared AND shared) AS shared`

// noAddresses is for selectReach: neither of these.
const noAddresses = "NULL::text[] AS addresses, NULL::bigint[] AS shared"

// selectReach selects a reach for each of the @channels, by the addresses and preferences of the people whom
// the condition selects.
func selectReach(people, addresses string) string {
	return `
	SELECT c.id, c.name, c.addressed, c.every_address,
		(SELECT coalesce(max(b.seq), 0) FROM batches b WHERE b.event_seq = @event AND b.wave = @wave AND b.channel = c.id),
		a.usable, a.addresses, a.shared, a.unusable, a.states,
		p.off, p.digest
	FROM channels c
	CROSS JOIN LATERAL (
		SELECT array_agg(user_seq) FILTER (WHERE state IN ({usable})) AS usable,
			` + addresses + `,
			array_agg(user_seq) FILTER (WHERE state NOT IN ({usable})) AS unusable,
			array_agg(state) FILTER (WHERE state NOT IN ({usable})) AS states
		FROM (
			SELECT user_seq, state, address, shared FROM addresses
			WHERE ` + people + ` AND channel = c.id AND c.addressed
			ORDER BY user_seq, channel, position) a) a
	CROSS JOIN LATERAL (
		SELECT array_agg(user_seq) FILTER (WHERE mode = {off}) AS off, array_agg(user_seq) FILTER (WHERE mode = {digest}) AS digest
		FROM (
			SELECT user_seq, mode FROM preferences
			WHERE ` + people + ` AND category = @category AND channel = c.id AND NOT @mandatory
			ORDER BY user_seq) p) p
	WHERE c.name = ANY (@channels::text[])
	ORDER BY c.id`
}

// status returns the status of a new delivery, and the reason if the user is not reached. It must be called for
// users in order: it drops from the lists what is about users before.
func (r *reach) status(user int64) (status int16, reason string) {
	switch {
	case r.addressed && !next(&r.usable, user):
		return row.Suppressed, r.withoutAddress(user)
	case next(&r.optedOut, user):
		return row.Suppressed, schoolbell.ReasonOptedOut
	case next(&r.digested, user):
		return row.Suppressed, schoolbell.ReasonInDigest
	case r.channel == row.InApp:
		return row.Sent, ""
	}
	return row.Pending, ""
}

// withoutAddress returns the reason why a user has no usable address: the state of the first one, if there is one.
func (r *reach) withoutAddress(user int64) string {
	before := len(r.unusable)
	found := next(&r.unusable, user)
	r.states = r.states[before-len(r.unusable):]
	if !found {
		return schoolbell.ReasonNoAddress
	}
	return string(row.State(int(r.states[0])))
}

// next drops the users before the given one from a list in order, and reports whether that one is in the list.
func next(users *[]int64, user int64) bool {
	for len(*users) > 0 && (*users)[0] < user {
		*users = (*users)[1:]
	}
	return len(*users) > 0 && (*users)[0] == user
}

package postgres

import (
	"fmt"

	"schoolbell"
)

// The parts of statements that several files use.

const (
	// now is the time of the server's clock as it is stored.
	now = "date_trunc('milliseconds', clock_timestamp())"

	// clock is an item of a FROM clause with the time as clock.now, the same for all rows of the
	// statement. OFFSET 0 keeps the planner from replacing each clock.now by the call.
	clock = "(SELECT " + now + " AS now OFFSET 0) clock"
)

// unreachable returns the one rule about who is reached: an expression that is null if the user with
// the number user can be reached on the channel of the row c of channels, and else the reason for
// suppressing the delivery. category and mandatory are those of the event. claimRows has the same rule,
// with addresses that it has read already.
func unreachable(user, category, mandatory string) string {
	return `CASE
				WHEN c.addressed AND NOT EXISTS (
					SELECT 1 FROM addresses a
					WHERE a.user_seq = ` + user + ` AND a.channel = c.id AND a.state IN ({usable}))
				THEN ` + withoutAddress(user, "c.id") + `
				WHEN ` + optedOut(user, "c.id", category, mandatory) + ` THEN {opted_out}
			END`
}

// withoutAddress returns an expression for the reason why a user has no usable address on a channel: the
// state of the first one, if there is one.
func withoutAddress(user, channel string) string {
	return `coalesce((
					SELECT ` + stateName("a.state") + ` FROM addresses a
					WHERE a.user_seq = ` + user + ` AND a.channel = ` + channel + `
					ORDER BY a.position
					LIMIT 1), {no_address})`
}

// optedOut returns the condition that a user wants no messages of the category on the channel, and may
// say so.
func optedOut(user, channel, category, mandatory string) string {
	return `NOT ` + mandatory + ` AND EXISTS (
					SELECT 1 FROM preferences w
					WHERE w.user_seq = ` + user + ` AND w.category = ` + category + ` AND w.channel = ` + channel + ` AND w.mode = {off})`
}

// stateName returns the name of an address's state.
func stateName(state string) string {
	text := "CASE " + state
	for _, s := range schoolbell.AddressStates() {
		text += fmt.Sprintf(" WHEN {address_%s} THEN '%s'", s, s)
	}
	return text + " END"
}

// milliseconds returns an interval as a whole number of milliseconds: 0 if it is negative or null.
func milliseconds(interval string) string {
	return "greatest(coalesce(ceil(extract(epoch FROM " + interval + ") * 1000), 0), 0)::bigint"
}

// closing returns the status that the rows of the event e not sent yet get at a time: pending as long
// as they may be sent.
func closing(now string) string {
	return "CASE WHEN e.status = {event_cancelled} THEN {cancelled} WHEN e.expires_at <= " + now + " THEN {expired} ELSE {pending} END"
}

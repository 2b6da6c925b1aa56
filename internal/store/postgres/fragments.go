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

// One rule decides who is reached on a channel: reach.status and claimRows have it, each with the fastest
// way to read addresses and preferences. Where the channel needs an address, the user must have a usable one,
// else the reason is that of withoutAddress. And the user must not have opted out of the category on the
// channel, unless the category is mandatory.

// withoutAddress returns an expression for the reason why a user has no usable address on a channel: the
// state of the first one, if there is one.
func withoutAddress(user, channel string) string {
	return `coalesce((
					SELECT ` + stateName("a.state") + ` FROM addresses a
					WHERE a.user_seq = ` + user + ` AND a.channel = ` + channel + `
					ORDER BY a.position
					LIMIT 1), {no_address})`
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

// receiptCame is the condition that a receipt told that the provider has the message of the delivery d. Receipts of an
// earlier sending, before somebody retried the event, do not count: clocks of providers may differ by a minute.
const receiptCame = `EXISTS (
					SELECT 1 FROM receipts p
					WHERE p.user_seq = d.user_seq AND p.event_id = (SELECT e.id FROM events e WHERE e.seq = d.event_seq)
						AND p.wave = d.wave AND p.channel = d.channel AND p.kind NOT IN ('stopped', 'started')
						AND p.at >= d.updated_at - interval '1 minute')`

// closing returns the status that the rows of the wave w of the event e not sent yet get at a time: pending as long
// as they may be sent. A wave that tells of the cancellation goes on.
func closing(now string) string {
	return "CASE WHEN e.status = {event_cancelled} AND w.notice <> {notice_cancelled} THEN {cancelled} WHEN e.expires_at <= " + now + " THEN {expired} ELSE {pending} END"
}

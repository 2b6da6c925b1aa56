package postgres

// The parts of statements that several files use.

const (
	// now is the time of the server's clock as it is stored.
	now = "date_trunc('milliseconds', clock_timestamp())"

	// clock is an item of a FROM clause with the time as clock.now, the same for all rows of the
	// statement. OFFSET 0 keeps the planner from replacing each clock.now by the call.
	clock = "(SELECT " + now + " AS now OFFSET 0) clock"
)

// noAddress returns the condition that the user u has no address on a channel. Nobody has one for
// push messages yet.
func noAddress(channel string) string {
	return "CASE " + channel + " WHEN {email} THEN u.email WHEN {sms} THEN u.phone ELSE '' END = ''"
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

// Package schoolbell holds the words and rules of Schoolbell: what an event is,
// whom it concerns, over which channels it travels and what can become of it on
// the way. It knows no database, no queue and no network; everything else in
// the module depends on it and it depends on the standard library alone.
//
// An [Event] is written once. Its [Audience] picks [User] values; for every
// channel of the event each of them gets one [Delivery], the row that says what
// became of it. Failures a caller can act on are [Error] values with a [Code]
// and, where one input is to blame, the name of its field.
//
// All times are UTC with millisecond precision. Values of this package are
// plain data: they are safe to copy and to read concurrently, not to write.
package schoolbell

// Package schoolbell holds the types and rules of the domain: events, audiences,
// users, channels and deliveries. It depends only on the standard library, and
// all other packages of the module depend on it.
//
// An [Event] is written once. Its [Audience] selects [User] values. Each of them
// gets one [Delivery] on every channel of the event. Failures that a caller can
// act on are [Error] values with a [Code] and, if one input is invalid, the name
// of its field.
//
// All times are UTC with millisecond precision. Values of this package are
// plain data: they are safe to copy and to read concurrently, not to write.
package schoolbell

// Package render turns an event and a reader into the message that a channel
// carries: a mail in HTML and plain text, or a short text.
//
// Whatever people wrote is escaped; nothing of it is taken for markup. What is
// the same for every reader of an event is made once and kept, so that one more
// reader costs little more than copying.
package render

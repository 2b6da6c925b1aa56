// Package fake has servers that speak as the providers of messages do and deliver nothing. Tests use them, and
// schoolbell fake runs them, so that every channel can be tried without an account.
//
// A fake checks requests as the provider does, counts what it accepts by the message that it is told (a tag, a custom
// argument), and misbehaves as its [Script] says.
package fake

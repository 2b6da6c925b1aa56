// Package system runs the built program as its users do: real processes on a
// ledger, a Redis and a mail server, talked to over HTTP and the command line.
// The mail server lives in the test, which counts what it takes, and may hold
// emails at their final dot so that a fault strikes in the middle of things and
// not by luck. Only tests may import it.
package system

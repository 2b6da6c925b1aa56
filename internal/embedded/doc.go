// Package embedded holds the servers that run inside our own process so that
// Schoolbell works with nothing else installed: a Redis for the queues and a
// mail catcher, an SMTP server that takes every message and shows it.
//
// Both are reached over a loopback port like any other server, so that the code
// which uses them is the code which uses the real ones. Neither keeps anything
// on disk: the ledger rebuilds lost queues, and caught mail is for looking at.
package embedded

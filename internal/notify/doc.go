// Package notify holds the use cases of the pipeline: accept an event, relay it
// to the queue, fan it out into deliveries, deliver them in batches, finish the
// event, and reconcile queue and ledger whatever crashed in between.
//
// The ledger is the only truth; the queue carries ids and may be lost at any
// moment. DESIGN.md has the states, the invariants and the reasons.
package notify

// Package retention removes what is older than the school keeps: deliveries, events,
// inbox items, receipts, entries of the audit and idempotency keys. It removes small
// pieces and rests between them, so that nobody waits for it.
package retention

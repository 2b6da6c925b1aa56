package ledger

import (
	"time"

	"schoolbell"
)

// Idempotency is a caller's promise that creating an event under the same Key
// means the same event. Fingerprint is a digest of the request body.
type Idempotency struct {
	Scope       string // whose key it is: the fingerprint of the API key
	Key         string
	Fingerprint string // of the request, without what may differ in a repetition
}

// QueuedEvent is what the relay and the reconciler need to know of an event.
type QueuedEvent struct {
	ID     string
	SendIn time.Duration // until its send_at by the database's clock; zero when due
	Walked bool          // the fan-out is finished
}

// Summary is an event's result, kept as the return value of its job.
type Summary struct {
	EventID  string                 `json:"event_id"`
	Status   schoolbell.EventStatus `json:"status"`
	Progress schoolbell.Progress    `json:"progress"`
}

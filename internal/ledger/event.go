package ledger

import (
	"time"

	"schoolbell"
)

// Idempotency is a caller's promise that creating an event under the same Key
// means the same event. Fingerprint is a digest of the request body.
type Idempotency struct {
	Scope       string // whose key it is: the fingerprint of the API key, or a name that has no key
	Key         string
	Fingerprint string // of the request, without what may differ in a repetition
}

// NewEvent is one of many events to store.
type NewEvent struct {
	Event       *schoolbell.Event // with ID, CreatedAt and Status, unless it has faults
	Idempotency Idempotency
	Change      *Change // that creates the event; nil for none that is audited
	Faults      error   // what is wrong with Event, so that it cannot be stored; nil for nothing
}

// CreatedEvent is the result for one of many events: the event as stored, or what is wrong with it.
type CreatedEvent struct {
	Event    *schoolbell.Event
	Replayed bool  // the event was created earlier, under the same key
	Err      error // a CodeInvalid fault or schoolbell.Faults
}

// WaveRef names a wave of an event. Wave 0 is the event itself.
type WaveRef struct {
	EventID string
	Wave    int
	JobID   string // the event's, for those who look for the job of wave 0; the ledger finds waves without it
}

// QueuedWave is what the relay and the reconciler need to know of a wave.
type QueuedWave struct {
	WaveRef
	Lane    schoolbell.Lane // of the event
	StartIn time.Duration   // until it starts, by the database's clock; zero when due
	Walked  bool            // the fan-out is finished
}

// Summary is the result of a wave, kept as the return value of its job.
type Summary struct {
	EventID  string                 `json:"event_id"`
	Wave     int                    `json:"wave,omitempty"`
	Status   schoolbell.EventStatus `json:"status"` // of the event
	Progress schoolbell.Progress    `json:"progress"`
	Grants   []Grant                `json:"-"` // of the steps, in their order
	Finished bool                   `json:"-"` // the wave is walked and each of its deliveries is terminal, or the event is cancelled
}

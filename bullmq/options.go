package bullmq

import (
	"encoding/json"
	"time"
)

// FailureMode says what a child's final failure means for its parent.
type FailureMode int

// The failure modes.
const (
	// FailureNone keeps the parent waiting until the child is retried or removed.
	FailureNone FailureMode = iota
	// FailParent fails the parent as soon as a worker picks it up, and so on upwards.
	FailParent
	// ContinueParent releases the parent at once, even while other children are
	// unfinished; the reason is kept for [Job.IgnoredChildrenFailures].
	ContinueParent
	// IgnoreDependency counts the child as done; the reason is kept for
	// [Job.IgnoredChildrenFailures].
	IgnoreDependency
	// RemoveDependency counts the child as done and keeps nothing.
	RemoveDependency
)

// Backoff says how long a failed job waits before its next attempt: ten years at most.
type Backoff struct {
	// Type is "fixed" (always Delay), "exponential" (Delay × 2ⁿ⁻¹ after the nth
	// failure) or the name of one of the worker's own strategies, see
	// WorkerOptions.Backoffs. Empty means "fixed". A job whose type its worker does not
	// know fails for good.
	Type string
	// Delay is the base, in whole milliseconds, not negative.
	Delay time.Duration
	// Jitter, from 0 to 1, is the part of the delay that is drawn by lot. It
	// is used by the two built-in strategies.
	Jitter float64
}

// ParentRef names the job that waits for this one.
type ParentRef struct {
	// ID is the parent's id.
	ID string
	// Queue is the qualified name, prefix:name, as [Queue.QualifiedName] returns it.
	Queue string
}

// Keep says how many finished jobs stay in Redis. The zero value keeps all.
// Limits are applied when a job of the same queue and outcome finishes.
type Keep struct {
	// None removes the job as soon as it has finished. The other fields are then unused.
	None bool
	// Count keeps the newest n jobs; 0 means no limit by number.
	Count int
	// Age removes jobs that finished longer ago; 0 means no limit by age. Node reads it in
	// seconds, with a fraction.
	Age time.Duration
	// Limit caps how many jobs one finish removes by age; 0 means 1000.
	Limit int

	ageSet bool // an age was written down, perhaps 0, which is a limit in BullMQ
}

// JobOptions are the settings of one job. The zero value is one attempt, at
// once, first in first out, kept for ever.
type JobOptions struct {
	// ID is the job's own id; empty draws the next number. A second job with the
	// same id is not added. Refused: integers, "0:…", ids with a colon
	// (unless they have exactly two), and names of the queue's own keys.
	ID string
	// Delay postpones the job, counted from Timestamp, in whole milliseconds, not
	// negative. A job with a Delay and a Priority is delayed first.
	Delay time.Duration
	// Priority orders waiting jobs: 0 means none and goes first, then 1 up to
	// MaxPriority.
	Priority int
	// Attempts is how often the job is tried in all; 0 and 1 mean once.
	Attempts int
	// Backoff is the wait between attempts; nil retries at once, at the back of the line.
	Backoff *Backoff
	// LIFO puts the job at the front of the line. It has no effect beside a Delay or a
	// Priority.
	LIFO bool
	// Parent makes the job a child: the parent must exist, else the error has
	// [CodeParentNotFound].
	Parent *ParentRef
	// OnFailure says what the job's final failure means for Parent. It has no effect
	// without one.
	OnFailure FailureMode
	// RemoveOnComplete and RemoveOnFail limit how many finished jobs are kept.
	// Nil leaves it to the worker's setting.
	RemoveOnComplete, RemoveOnFail *Keep
	// KeepLogs keeps the newest n lines of [Job.Log]; 0 keeps all.
	KeepLogs int
	// StackTraceLimit keeps the newest n entries of Job.StackTrace; nil keeps all.
	StackTraceLimit *int
	// SizeLimit refuses a job whose encoded data has more bytes with [ErrInvalid]; 0 means
	// no limit.
	SizeLimit int
	// Deduplication keeps the job from being added while one that means the same is
	// there; nil adds it in any case.
	Deduplication *Deduplication
	// Timestamp is the time of creation, from 1970 to 9999; zero means now.
	Timestamp time.Time
	// TraceContext is the trace context that the job carries, a JSON object of W3C headers;
	// empty takes that of the queue's Tracer.
	TraceContext string
	// OmitTraceContext leaves the trace context of the queue's Tracer out.
	OmitTraceContext bool
	// Extra holds further keys of the stored options, as other programs may
	// write them, with JSON values. They are kept as they are. A key that is one of
	// the options above is refused.
	Extra map[string]json.RawMessage

	drawnID         bool // ID was drawn by this package: BullMQ does not note such in the options
	waitForChildren bool // the job is the parent in a flow that is being added
}

// MaxPriority is the largest priority a job can have.
const MaxPriority = 1<<21 - 1

// JobSpec is one job of [Queue.AddBulk].
type JobSpec struct {
	Name    string     // as for Queue.Add: what kind of job it is
	Data    any        // as for Queue.Add: encoded as JSON
	Options JobOptions // of this job, filled from the queue's defaults
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

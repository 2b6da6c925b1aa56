package bullmq

import (
	"encoding/json"
	"time"

	"schoolbell/bullmq/internal/wire"
)

// FailureMode sets what a child's final failure means for its parent.
type FailureMode int

// The failure modes.
const (
	// FailureNone keeps the parent waiting until the child is retried or removed.
	FailureNone FailureMode = iota
	// FailParent fails the parent as soon as a worker starts it, and so on upwards.
	FailParent
	// ContinueParent lets the parent run at once, even while other children are
	// unfinished. The reason is kept for [Job.IgnoredChildrenFailures].
	ContinueParent
	// IgnoreDependency counts the child as done. The reason is kept for
	// [Job.IgnoredChildrenFailures].
	IgnoreDependency
	// RemoveDependency counts the child as done and keeps nothing.
	RemoveDependency
)

// Backoff sets how long a job waits after a failed attempt: ten years at most.
type Backoff struct {
	// Type is "fixed" (always Delay), "exponential" (Delay × 2ⁿ⁻¹ after the nth
	// failure) or the name of a strategy of the worker, see WorkerOptions.Backoffs and
	// WorkerOptions.Backoff. Empty means "fixed". A job whose type its worker does not
	// know fails without a further attempt.
	Type string
	// Delay is the base, stored in whole milliseconds. It must not be negative.
	Delay time.Duration
	// Jitter, from 0 to 1, is the part of the delay that is random: the wait is from
	// (1-Jitter) times the delay up to the whole delay. Only the two built-in strategies
	// use it.
	Jitter float64
}

// ParentRef names the job that waits for this one.
type ParentRef struct {
	// ID is the id of the parent.
	ID string
	// Queue is the qualified name of the parent's queue, prefix:name, as
	// [Queue.QualifiedName] returns it.
	Queue string
}

// Keep limits how many finished jobs stay in Redis. The zero value keeps all.
// The limits are applied whenever a job of the same queue and outcome finishes.
type Keep struct {
	// None removes the job as soon as it has finished. The other fields then have no effect.
	None bool
	// Count keeps the newest n jobs. 0 means no limit by number.
	Count int
	// Age removes jobs that finished longer ago. 0 means no limit by age. It is stored in
	// seconds with a fraction, as Node reads it.
	Age time.Duration
	// Limit is how many jobs are removed by age at most when a job finishes. 0 means 1000.
	Limit int

	ageSet bool // an age was stored, perhaps 0, which is a limit in BullMQ
}

// JobOptions are the settings of one job. With the zero value the job has one attempt,
// runs as soon as possible in the order of adding, and is kept forever.
type JobOptions struct {
	// ID is the job's id. Empty means the next number, drawn by Redis. A second job with
	// the same id is not added. Refused are integers, "0:…", ids with a colon (unless they
	// have exactly two), and names of the queue's own keys.
	ID string
	// Delay postpones the job, counted from Timestamp. It is stored in whole milliseconds
	// and must not be negative. A job with a Delay and a Priority is delayed first.
	Delay time.Duration
	// Priority orders waiting jobs, from 0 to [MaxPriority]. Jobs with 0, no priority, run
	// first, then those with 1, and so on.
	Priority int
	// Attempts is how many attempts the job has in total. 0 and 1 mean one.
	Attempts int
	// Backoff is the wait between attempts. Nil retries at once, from the back of the queue.
	Backoff *Backoff
	// LIFO puts the job at the front of the queue. It has no effect with a Delay or a
	// Priority.
	LIFO bool
	// Parent makes the job a child of another job, which must exist. Otherwise Add returns a
	// [*ScriptError] with [CodeParentNotFound].
	Parent *ParentRef
	// OnFailure sets what the job's final failure means for its parent. It has no effect
	// without a parent.
	OnFailure FailureMode
	// RemoveOnComplete and RemoveOnFail limit how many finished jobs are kept. Nil means
	// the setting of the worker that runs the job.
	RemoveOnComplete, RemoveOnFail *Keep
	// KeepLogs keeps the newest n lines of [Job.Log]. 0 keeps all.
	KeepLogs int
	// StackTraceLimit keeps the newest n entries of Job.StackTrace. Nil keeps all.
	StackTraceLimit *int
	// SizeLimit is how many bytes the encoded data may have. A job with more is refused
	// with [ErrInvalid]. 0 means no limit.
	SizeLimit int
	// Deduplication drops the job while another job holds the same deduplication id. Nil
	// adds it in any case.
	Deduplication *Deduplication
	// Timestamp is the time of creation, from 1970 to 9999. Zero means now.
	Timestamp time.Time
	// TraceContext is the trace context that the job carries, a JSON object of W3C headers.
	// Empty means that of the queue's Tracer.
	TraceContext string
	// OmitTraceContext leaves the trace context of the queue's Tracer out.
	OmitTraceContext bool
	// Extra has further keys of the stored options with JSON values, such as those of
	// other programs. They are stored unchanged. A key of one of the options above is
	// refused.
	Extra map[string]json.RawMessage

	drawnID         bool // ID was drawn by this package: BullMQ does not store such ids in the options
	waitForChildren bool // the job is the parent in a flow that is being added
}

// MaxPriority is the largest priority a job can have.
const MaxPriority = 1<<21 - 1

// JobSpec is one job for [Queue.AddBulk].
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

// where returns the job's first place, as scripts name it.
func (o *JobOptions) where() string {
	switch {
	case o.waitForChildren:
		return "children"
	case o.Delay > 0:
		return "delayed"
	case o.Priority > 0:
		return "prioritized"
	case o.LIFO:
		return "front"
	}
	return "wait"
}

// parentField returns the stored form of the parent, which also has what the job's failure
// means for it.
func (o *JobOptions) parentField() string {
	w := wire.Object{}
	w.Text("id", o.Parent.ID)
	w.Text("queueKey", o.Parent.Queue)
	if flag := o.OnFailure.flag(); flag != "" {
		w.Raw(flag, "true")
	}
	return string(w.Close())
}

// Limiter lets all workers of a queue together start at most Max jobs per Duration.
type Limiter struct {
	Max      int           // how many jobs, at least one
	Duration time.Duration // length of a window, which begins with its first job; at least a millisecond
}

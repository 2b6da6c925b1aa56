package bullmq

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"schoolbell/bullmq/internal/keys"
	"schoolbell/bullmq/internal/wire"
)

// maxCount is the largest number that an option can hold: Node's are exact up to it.
const maxCount int64 = 1<<53 - 1

// lastTime is before the year 10000. Scores distinguish milliseconds up to then.
var lastTime = time.Date(9999, 12, 31, 23, 59, 59, int(999*time.Millisecond), time.UTC)

// checkTarget refuses ids that cannot be a job's, for calls that would use the key as a job.
func checkTarget(id string) error {
	if keys.IsOwn(id) {
		return invalid("id %q is the name of a key of the queue", id)
	}
	return nil
}

// checkText refuses texts that programs in other languages would read differently.
func checkText(what, text string) error {
	if !utf8.ValidString(text) {
		return invalid("%s %q is not UTF-8", what, text)
	}
	return nil
}

// fits refuses values that Redis would not return unchanged.
func (o *JobOptions) fits() error {
	if err := checkText("id", o.ID); err != nil {
		return err
	}
	if err := checkTarget(o.ID); err != nil {
		return err
	}
	if p := o.Parent; p != nil && (keys.IsOwn(p.ID) || !utf8.ValidString(p.ID+p.Queue)) {
		return invalid("Parent %+v is no job", *p)
	}
	if b := o.Backoff; b != nil && b.Jitter != b.Jitter {
		return invalid("Backoff.Jitter is not a number")
	}
	if o.Timestamp.Add(o.Delay).After(lastTime) || o.Timestamp.After(lastTime) {
		return invalid("Timestamp %v with Delay %v: the year 9999 is the last", o.Timestamp, o.Delay)
	}
	if err := o.countsFit(); err != nil {
		return err
	}
	for name, raw := range o.Extra {
		if !utf8.Valid(raw) {
			return invalid("Extra[%q] is not UTF-8", name)
		}
		if new(JobOptions).decodeField(name, raw) {
			return invalid("Extra[%q] is an option of its own", name)
		}
	}
	return nil
}

func (o *JobOptions) countsFit() error {
	most := max(o.Attempts, o.KeepLogs, o.SizeLimit)
	if o.StackTraceLimit != nil {
		most = max(most, *o.StackTraceLimit)
	}
	for _, k := range [...]*Keep{o.RemoveOnComplete, o.RemoveOnFail} {
		if k != nil {
			most = max(most, k.Count, k.Limit)
		}
	}
	if int64(most) > maxCount {
		return invalid("a count of %d is more than %d", most, maxCount)
	}
	return nil
}

// checkDefaults refuses options that cannot be the same for all jobs of a queue.
func (o *JobOptions) checkDefaults() error {
	if o.ID != "" || o.Parent != nil || o.Deduplication != nil || !o.Timestamp.IsZero() || o.TraceContext != "" || o.OmitTraceContext {
		return invalid("DefaultJobOptions cannot have ID, Parent, Deduplication, Timestamp, TraceContext or OmitTraceContext")
	}
	return o.validate()
}

// isPrintable reports whether a text can be part of a connection's name.
func isPrintable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < '!' || r > '~' })
}

// encodeValue encodes a value that a caller passes.
func encodeValue(v any) ([]byte, error) {
	text, err := wire.EncodeValue(v)
	if err != nil {
		return nil, invalid("%w", err)
	}
	return text, nil
}

// validate refuses options that the protocol cannot store.
func (o *JobOptions) validate() error {
	if err := validateID(o.ID); err != nil {
		return err
	}
	switch {
	case o.Delay < 0:
		return invalid("Delay %v is negative", o.Delay)
	case o.Priority < 0 || o.Priority > MaxPriority:
		return invalid("Priority %d is not within 0 and %d", o.Priority, MaxPriority)
	case o.Attempts < 0:
		return invalid("Attempts %d is negative", o.Attempts)
	case o.KeepLogs < 0:
		return invalid("KeepLogs %d is negative", o.KeepLogs)
	case o.SizeLimit < 0:
		return invalid("SizeLimit %d is negative", o.SizeLimit)
	case o.StackTraceLimit != nil && *o.StackTraceLimit < 0:
		return invalid("StackTraceLimit %d is negative", *o.StackTraceLimit)
	case o.OnFailure < FailureNone || o.OnFailure > RemoveDependency:
		return invalid("OnFailure %d is not a failure mode", o.OnFailure)
	case o.Parent != nil && (o.Parent.ID == "" || !strings.Contains(o.Parent.Queue, ":")):
		return invalid("Parent %+v: needs an id and a qualified queue name", *o.Parent)
	case !o.Timestamp.IsZero() && wire.Millis(o.Timestamp) <= 0:
		return invalid("Timestamp %v is before 1970", o.Timestamp)
	}
	if b := o.Backoff; b != nil && (b.Delay < 0 || b.Jitter < 0 || b.Jitter > 1) {
		return invalid("Backoff %+v: delay must not be negative, jitter within 0 and 1", *b)
	}
	if d := o.Deduplication; d != nil {
		if err := d.validate(o); err != nil {
			return err
		}
	}
	for _, k := range []*Keep{o.RemoveOnComplete, o.RemoveOnFail} {
		if err := k.validate(); err != nil {
			return err
		}
	}
	for name, raw := range o.Extra {
		if !json.Valid(raw) {
			return invalid("Extra[%q] is not a JSON value", name)
		}
	}
	return o.fits()
}

// ValidJobID reports whether a job may be added under an id that its producer chose. See [JobOptions].
func ValidJobID(id string) bool { return id != "" && validateID(id) == nil }

// validateID refuses ids that BullMQ refuses or that would collide with a
// queue's own keys.
func validateID(id string) error {
	switch {
	case id == "":
		return nil
	case wire.IsInteger(id):
		return invalid("id %q: integers are for ids that the queue draws", id)
	case strings.HasPrefix(id, "0:"):
		return invalid("id %q begins with 0:", id)
	case strings.Contains(id, ":") && strings.Count(id, ":") != 2:
		return invalid("id %q has a colon", id)
	case keys.Reserved[id]:
		return invalid("id %q is the name of a key of the queue", id)
	}
	return nil
}

func (k *Keep) validate() error {
	if k != nil && (k.Count < 0 || k.Age < 0 || k.Limit < 0) {
		return invalid("Keep %+v: no field may be negative", *k)
	}
	return nil
}

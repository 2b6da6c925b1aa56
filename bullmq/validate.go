package bullmq

import (
	"strings"
	"time"
	"unicode/utf8"

	"schoolbell/bullmq/internal/wire"
)

// maxCount is the largest number that an option can hold: Node's are exact up to it.
const maxCount int64 = 1<<53 - 1

// lastTime is before the year 10000. Scores distinguish milliseconds up to then.
var lastTime = time.Date(9999, 12, 31, 23, 59, 59, int(999*time.Millisecond), time.UTC)

// satellites are the last parts of the names of keys that belong to a job.
var satellites = map[string]bool{
	"lock": true, "logs": true, "dependencies": true, "processed": true, "failed": true, "unsuccessful": true,
}

// isOwnKey reports whether an id is the rest of a key that holds no job: one of the queue
// itself, or one that belongs to a job or a scheduler.
func isOwnKey(id string) bool {
	head, rest, colon := strings.Cut(id, ":")
	if !colon {
		return reservedIDs[id]
	}
	_, last, _ := cutLast(id, ':')
	switch head {
	case "de", "dn", "metrics":
		return true
	case "repeat": // its jobs are repeat:scheduler:time
		return !strings.Contains(rest, ":") || !wire.IsInteger(last)
	}
	return satellites[last]
}

// checkTarget refuses ids that cannot be a job's, for calls that would use the key as a job.
func checkTarget(id string) error {
	if isOwnKey(id) {
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
	if p := o.Parent; p != nil && (isOwnKey(p.ID) || !utf8.ValidString(p.ID+p.Queue)) {
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

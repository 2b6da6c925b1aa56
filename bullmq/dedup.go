package bullmq

import (
	"context"
	"encoding/json"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"
)

// Deduplication keeps jobs that mean the same from being added again. The first
// one added under an id holds it; jobs added while it is held are dropped, and
// [Queue.Add] returns the holder's id. Without a TTL the id is free again when its
// holder has completed, failed for good or been removed; with one, when that time
// is over, also before or after the holder ends.
//
// At most one of Replace, KeepLastIfActive and Reschedule is usual;
// Replace and KeepLastIfActive go together.
type Deduplication struct {
	// ID is what jobs that mean the same have in common. It must not be empty.
	ID string
	// TTL is how long the id is held, in whole milliseconds; 0 means until its holder ends.
	TTL time.Duration
	// Extend begins the TTL anew whenever a job is dropped (debouncing).
	Extend bool
	// Replace drops the holder instead of the new job if it is still delayed. A
	// holder in any other state stays, and no event tells of the dropped job.
	Replace bool
	// KeepLastIfActive keeps the last job that was dropped while the holder was being
	// run, and adds it when the holder has ended. TTL is then not used.
	KeepLastIfActive bool
	// Reschedule gives a holder that is still delayed the delay of the dropped job,
	// counted from that job's Timestamp. BullMQ 5 ignores it.
	Reschedule bool
}

func (d *Deduplication) validate(o *JobOptions) error {
	switch {
	case d.ID == "" || !utf8.ValidString(d.ID):
		return invalid("Deduplication.ID %q: must be a text that is not empty", d.ID)
	case d.TTL < 0 || (d.TTL > 0 && d.TTL < time.Millisecond):
		return invalid("Deduplication.TTL %v is shorter than a millisecond", d.TTL)
	case d.Replace && d.Reschedule:
		return invalid("Deduplication: Replace and Reschedule exclude one another")
	case o.Parent != nil:
		return invalid("Deduplication and Parent exclude one another")
	case o.waitForChildren:
		return invalid("Deduplication: a job with children cannot have it")
	}
	return nil
}

// args are how a job is deduplicated as the scripts take it, d nil for not at all.
func (d *Deduplication) args() []any {
	if d == nil {
		return []any{"", "", ""}
	}
	return []any{d.ID, d.TTL.Milliseconds(), d.flags()}
}

// flags are the modes as the scripts take them.
func (d *Deduplication) flags() string {
	var flags []byte
	for _, f := range []struct {
		set  bool
		flag byte
	}{{d.Extend, 'e'}, {d.Replace, 'r'}, {d.KeepLastIfActive, 'k'}, {d.Reschedule, 's'}} {
		if f.set {
			flags = append(flags, f.flag)
		}
	}
	return string(flags)
}

func encodeDeduplication(d *Deduplication) string {
	w := objectWriter{}
	w.text("id", d.ID)
	if d.TTL > 0 {
		w.integer("ttl", d.TTL.Milliseconds())
	}
	for _, f := range []struct {
		set  bool
		name string
	}{
		{d.Extend, "extend"}, {d.Replace, "replace"},
		{d.KeepLastIfActive, "keepLastIfActive"}, {d.Reschedule, "reschedule"},
	} {
		if f.set {
			w.raw(f.name, "true")
		}
	}
	return string(w.close())
}

// decodeDeduplication reads the option, also by its old name debounce.
func decodeDeduplication(raw json.RawMessage) *Deduplication {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil || decodeText(fields["id"]) == "" {
		return nil
	}
	set := func(name string) bool { return string(fields[name]) == "true" }
	return &Deduplication{
		ID: decodeText(fields["id"]), TTL: msDuration(decodeNumber(fields["ttl"])), Extend: set("extend"),
		Replace: set("replace"), KeepLastIfActive: set("keepLastIfActive"), Reschedule: set("reschedule"),
	}
}

// DeduplicationJobID is the id of the job that holds a deduplication id, empty if it is free.
func (q *Queue) DeduplicationJobID(ctx context.Context, id string) (string, error) {
	holder, err := q.rdb.Get(ctx, q.keys.dedup(id)).Result()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	return holder, wrapRead("deduplication id", err)
}

// RemoveDeduplicationKey frees a deduplication id, whoever holds it, and tells
// whether anyone did. The holder goes on as it is.
func (q *Queue) RemoveDeduplicationKey(ctx context.Context, id string) (bool, error) {
	n, err := q.rdb.Del(ctx, q.keys.dedup(id)).Result()
	return n > 0, wrapWrite("remove deduplication key", err)
}

// RemoveDeduplicationKey frees the job's deduplication id if the job holds it, and
// tells whether it did. What happens from then on is not kept from being added.
func (j *Job) RemoveDeduplicationKey(ctx context.Context) (bool, error) {
	if j.DeduplicationID == "" {
		return false, nil
	}
	reply, err := j.q.run(ctx, scriptFreeDedup, j.ID, j.DeduplicationID)
	return number(reply) == 1, err
}

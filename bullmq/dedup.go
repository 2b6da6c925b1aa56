package bullmq

import (
	"encoding/json"
	"time"
	"unicode/utf8"

	"schoolbell/bullmq/internal/script"
	"schoolbell/bullmq/internal/wire"
)

// Deduplication drops jobs that duplicate another one. The first job added with an id
// holds the id. Jobs added while it is held are dropped, and [Queue.Add] returns the
// holder's id. Without a TTL the id is free when its holder has completed, has failed with
// no attempt left, or was removed. With a TTL it is free when that time is over, whether the
// holder has ended or not.
//
// Replace and Reschedule exclude each other; Replace and KeepLastIfActive can be combined.
type Deduplication struct {
	// ID is common to the jobs that duplicate each other. It must not be empty.
	ID string
	// TTL is how long the id is held, stored in whole milliseconds. 0 means until its holder
	// ends.
	TTL time.Duration
	// Extend restarts the TTL whenever a job is dropped (debouncing).
	Extend bool
	// Replace drops the holder instead of the new job if the holder is still delayed. A
	// holder in any other state stays, and no event reports the dropped job.
	Replace bool
	// KeepLastIfActive keeps the last job that was dropped while the holder was active, and
	// adds it when the holder has ended. TTL then has no effect.
	KeepLastIfActive bool
	// Reschedule gives a holder that is still delayed the delay of the dropped job, counted
	// from the dropped job's Timestamp. BullMQ 5 ignores this option.
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

// forScript returns the settings as the scripts receive them. A nil d means no deduplication.
func (d *Deduplication) forScript() script.Dedup {
	if d == nil {
		return script.Dedup{}
	}
	return script.Dedup{ID: d.ID, TTL: d.TTL.Milliseconds(), Modes: d.flags()}
}

// flags returns the modes as the scripts receive them.
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
	w := wire.Object{}
	w.Text("id", d.ID)
	if d.TTL > 0 {
		w.Integer("ttl", d.TTL.Milliseconds())
	}
	for _, f := range []struct {
		set  bool
		name string
	}{
		{d.Extend, "extend"}, {d.Replace, "replace"},
		{d.KeepLastIfActive, "keepLastIfActive"}, {d.Reschedule, "reschedule"},
	} {
		if f.set {
			w.Raw(f.name, "true")
		}
	}
	return string(w.Close())
}

// decodeDeduplication reads the option, also by its old name debounce.
func decodeDeduplication(raw json.RawMessage) *Deduplication {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil || wire.DecodeText(fields["id"]) == "" {
		return nil
	}
	set := func(name string) bool { return string(fields[name]) == "true" }
	return &Deduplication{
		ID: wire.DecodeText(fields["id"]), TTL: wire.Duration(wire.DecodeNumber(fields["ttl"])), Extend: set("extend"),
		Replace: set("replace"), KeepLastIfActive: set("keepLastIfActive"), Reschedule: set("reschedule"),
	}
}

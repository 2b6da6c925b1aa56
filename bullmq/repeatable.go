package bullmq

import (
	"crypto/md5" // names jobs as BullMQ 5 does; it protects nothing
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"schoolbell/bullmq/internal/script"
	"schoolbell/bullmq/internal/wire"
)

// Repeatable jobs are made by BullMQ 5's option repeat. Their key has at least five parts,
// name:id:end:zone:pattern or name:id:end:zone:every. Their jobs have the id
// repeat:<MD5>:<ms>. Their hash, if there is one, has no count of iterations. Those whose key
// is a hash sum or has no colon work as schedulers do.

// repeatableParts is how many parts the key of a repeatable job has at least.
const repeatableParts = 5

func looksRepeatable(key string) bool { return strings.Count(key, ":")+1 >= repeatableParts }

// hasOldID reports whether the jobs of a key have its MD5 in their ids.
func hasOldID(key string) bool { return strings.Count(key, ":") > 1 }

// mayRepeat reports whether a job may belong to a repeatable job. Older versions of BullMQ did
// not store the key in the job, only its option repeat.
func (j *Job) mayRepeat() bool {
	if j.SchedulerID == "" {
		return strings.HasPrefix(j.ID, "repeat:") && strings.Contains(j.rawOptions, `"repeat"`)
	}
	return looksRepeatable(j.SchedulerID)
}

// endsRepeatable reports whether a job belongs to a repeatable job that BullMQ 5 itself does not
// continue: its first job has an MD5 in its id, and its next would be a scheduler's.
func (j *Job) endsRepeatable() bool {
	return hasOldID(j.SchedulerID) && !looksRepeatable(j.SchedulerID) && !strings.HasPrefix(j.ID, "repeat:"+j.SchedulerID+":")
}

// schedulerOfKey decodes a repeatable job from its key, if BullMQ has stored nothing else.
func schedulerOfKey(key string, at float64) *Scheduler {
	parts := strings.SplitN(key, ":", repeatableParts)
	s := &Scheduler{
		ID: key, Next: wire.FromMillis(int64(at)), Template: JobTemplate{Name: parts[0]},
		Schedule: Schedule{End: wire.FromMillis(wire.ParseInt(parts[2])), TZ: parts[3]},
	}
	if every := parts[4]; wire.IsInteger(every) {
		s.Schedule.Every = wire.WholeMillis(every)
	} else {
		s.Schedule.Pattern = every
	}
	return s
}

// oldIDs returns the ids that a key's next job may have, up to the time.
func oldIDs(key string) []string {
	if !hasOldID(key) {
		return nil
	}
	parts := strings.SplitN(key, ":", 3)
	return []string{oldRepeatableID(parts[0], "", key), oldRepeatableID(parts[0], parts[1], key)}
}

// repeatable has what a repeatable job's options contain about the next job.
type repeatable struct {
	options, repeat map[string]json.RawMessage
	*iteration
}

func decodeRepeatable(options string) (*repeatable, error) {
	it, err := decodeIteration(options)
	if err != nil {
		return nil, err
	}
	r := &repeatable{options: it.options, iteration: it}
	if err := json.Unmarshal(it.options["repeat"], &r.repeat); err != nil {
		return nil, err
	}
	if it.Pattern == "" { // its name before BullMQ 3
		it.Pattern = wire.DecodeText(r.repeat["cron"])
	}
	return r, nil
}

// after returns when the next job runs.
func (r *repeatable) after(now time.Time, repeat RepeatFunc, name string) (int64, error) {
	switch {
	case r.Every > 0 && r.Pattern != "":
		return 0, errors.New("option repeat has both every and pattern")
	case r.Every <= 0 && r.Pattern == "":
		return 0, errors.New("option repeat has neither every nor pattern")
	}
	at, err := r.next(now, repeat, name)
	if err != nil || r.Pattern != "" {
		return at, err
	}
	base := max(wire.Millis(now), int64(wire.DecodeNumber(r.options["prevMillis"])))
	return base/r.Every*r.Every + r.Every, nil
}

// keys returns the keys under which the repeatable job may be stored, the likeliest first.
func (r *repeatable) keys(job *Job) []string {
	old := strings.Join([]string{job.Name, jsText(r.repeat["jobId"]), wire.Optional(r.End), r.TZ, r.suffix()}, ":")
	given := wire.DecodeText(r.repeat["key"])
	if given == "" {
		given = md5Hex(old)
	}
	keys := []string{given, old}
	if job.SchedulerID != "" {
		keys = append(keys, job.SchedulerID)
	}
	return keys
}

func (r *repeatable) suffix() string {
	if r.Pattern != "" {
		return r.Pattern
	}
	return wire.FormatInt(r.Every)
}

// encode encodes the next job's options.
func (r *repeatable) encode(id string, at, delay int64, now time.Time) string {
	repeat, opts := map[string]json.RawMessage{}, map[string]json.RawMessage{"attempts": json.RawMessage("0")}
	for name, value := range r.repeat {
		repeat[name] = value
	}
	delete(repeat, "immediately")
	delete(repeat, "cron")
	if r.Pattern != "" {
		repeat["pattern"] = wire.AppendString(nil, r.Pattern)
	}
	for name, end := range map[string]int64{"startDate": r.Start, "endDate": r.End} {
		if end != 0 {
			repeat[name] = json.RawMessage(wire.FormatInt(end))
		}
	}
	repeat["count"] = json.RawMessage(strconv.Itoa(r.Count + 1))
	for name, value := range r.options {
		opts[name] = value
	}
	delete(opts, "repeatJobKey")
	opts["repeat"], _ = wire.EncodeJSON(repeat) // of values that were decoded
	opts["jobId"] = wire.AppendString(nil, id)
	opts["timestamp"] = json.RawMessage(wire.FormatInt(wire.Millis(now)))
	opts["prevMillis"] = json.RawMessage(wire.FormatInt(at))
	opts["delay"] = json.RawMessage(wire.FormatInt(delay))
	text, _ := wire.EncodeJSON(opts)
	return string(text)
}

// nextRepeatable returns the call that adds the next job.
func (w *Worker) nextRepeatable(job *Job) (next script.NextRepeatable, err error) {
	r, err := decodeRepeatable(job.rawOptions)
	if err != nil {
		return next, err
	}
	if job.Options.Parent != nil {
		return next, errors.New("a repeatable job with a parent is not continued")
	}
	now := wire.FromMillis(wire.Millis(w.q.now()))
	at, err := r.after(now, w.opts.Repeat, job.Name)
	if err != nil {
		return next, err
	}
	delay := at - wire.Millis(now)
	if r.Offset != nil {
		delay += *r.Offset
	}
	delay = max(delay, 0)
	o := job.Options
	o.Delay = time.Duration(delay) * time.Millisecond
	next = script.NextRepeatable{
		Mode: w.q.mode, Now: wire.Millis(now), Scheduler: job.SchedulerID, At: at, Delay: delay, Name: job.Name, Data: job.Data,
		Priority: o.Priority, Where: o.where(), MaxEvents: w.q.opts.MaxEvents, Dedup: o.Deduplication.forScript(),
	}
	for _, key := range r.keys(job) {
		id := repeatableID(job, key, at)
		next.Keys = append(next.Keys, script.RepeatableKey{Key: key, JobID: id, Options: r.encode(id, at, delay, now)})
	}
	return next, nil
}

// repeatableID returns the id of a key's job.
func repeatableID(job *Job, key string, at int64) string {
	if !hasOldID(key) {
		return "repeat:" + key + ":" + wire.FormatInt(at)
	}
	var data struct{ ID json.RawMessage }
	_ = json.Unmarshal(job.Data, &data) // data that is not an object has no id
	return oldRepeatableID(job.Name, jsText(data.ID), key) + wire.FormatInt(at)
}

// oldRepeatableID returns an id up to its time.
func oldRepeatableID(name, dataID, key string) string {
	return "repeat:" + md5Hex(name+dataID+md5Hex(key)) + ":"
}

func md5Hex(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

// jsText formats a value as JavaScript does. It is empty for a value that counts as false.
func jsText(raw json.RawMessage) string {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return ""
	}
	switch v := v.(type) {
	case string:
		return v
	case bool:
		if v {
			return "true"
		}
	case float64:
		switch {
		case v == 0:
		case v > -1e21 && v < 1e21 && (v >= 1e-6 || v <= -1e-6):
			return strconv.FormatFloat(v, 'f', -1, 64)
		default:
			return strconv.FormatFloat(v, 'e', -1, 64)
		}
	case map[string]any:
		return "[object Object]"
	}
	return ""
}

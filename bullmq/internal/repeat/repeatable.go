package repeat

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"schoolbell/bullmq/internal/wire"
)

// Repeatable jobs are made by BullMQ 5's option repeat. Their key has at least five parts,
// name:id:end:zone:pattern or name:id:end:zone:every. Their jobs have the id
// repeat:<MD5>:<ms>. Their hash, if there is one, has no count of iterations. Those whose key
// is a hash sum or has no colon work as schedulers do.

// keyParts is how many parts the key of a repeatable job has at least.
const keyParts = 5

// IsRepeatable reports whether a scheduler's id is the key of a repeatable job.
func IsRepeatable(key string) bool { return strings.Count(key, ":")+1 >= keyParts }

// HasSumID reports whether the jobs of a key have its MD5 in their ids.
func HasSumID(key string) bool { return strings.Count(key, ":") > 1 }

// SumIDHeads returns the ids that a key's next job may have, up to the time.
func SumIDHeads(key string) []string {
	if !HasSumID(key) {
		return nil
	}
	parts := strings.SplitN(key, ":", 3)
	return []string{sumIDHead(parts[0], "", key), sumIDHead(parts[0], parts[1], key)}
}

// Repeatable has what a repeatable job's options contain about the next job.
type Repeatable struct {
	options, repeat map[string]json.RawMessage
	*Iteration
}

// DecodeRepeatable decodes the stored options of a job.
func DecodeRepeatable(options string) (*Repeatable, error) {
	it, err := Decode(options)
	if err != nil {
		return nil, err
	}
	r := &Repeatable{options: it.options, Iteration: it}
	if err := json.Unmarshal(it.options["repeat"], &r.repeat); err != nil {
		return nil, err
	}
	if it.Pattern == "" { // its name before BullMQ 3
		it.Pattern = wire.DecodeText(r.repeat["cron"])
	}
	return r, nil
}

// After returns when the next job runs, in ms.
func (r *Repeatable) After(now time.Time, strategy Strategy) (int64, error) {
	switch {
	case r.Every > 0 && r.Pattern != "":
		return 0, errors.New("option repeat has both every and pattern")
	case r.Every <= 0 && r.Pattern == "":
		return 0, errors.New("option repeat has neither every nor pattern")
	}
	at, err := r.Next(now, strategy)
	if err != nil || r.Pattern != "" {
		return at, err
	}
	base := max(wire.Millis(now), int64(wire.DecodeNumber(r.options["prevMillis"])))
	return base/r.Every*r.Every + r.Every, nil
}

// Keys returns the keys under which the repeatable job may be stored, the likeliest first.
func (r *Repeatable) Keys(name, scheduler string) []string {
	old := strings.Join([]string{name, jsText(r.repeat["jobId"]), wire.Optional(r.End), r.TZ, r.suffix()}, ":")
	given := wire.DecodeText(r.repeat["key"])
	if given == "" {
		given = md5Hex(old)
	}
	keys := []string{given, old}
	if scheduler != "" {
		keys = append(keys, scheduler)
	}
	return keys
}

func (r *Repeatable) suffix() string {
	if r.Pattern != "" {
		return r.Pattern
	}
	return wire.FormatInt(r.Every)
}

// Encode encodes the next job's options.
func (r *Repeatable) Encode(id string, at, delay int64, now time.Time) string {
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

// JobID returns the id of the job of a key at a time (ms). data is that of the job before.
func JobID(name string, data []byte, key string, at int64) string {
	if !HasSumID(key) {
		return "repeat:" + key + ":" + wire.FormatInt(at)
	}
	var fields struct{ ID json.RawMessage }
	_ = json.Unmarshal(data, &fields) // data that is not an object has no id
	return sumIDHead(name, jsText(fields.ID), key) + wire.FormatInt(at)
}

// sumIDHead returns an id up to its time.
func sumIDHead(name, dataID, key string) string {
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

// ParseKey decodes what the key of a repeatable job contains: its jobs' name and the schedule.
func ParseKey(key string) (name string, r Repetition) {
	parts := strings.SplitN(key, ":", keyParts)
	r = Repetition{End: wire.ParseInt(parts[2]), TZ: parts[3]}
	if every := parts[4]; wire.IsInteger(every) {
		r.Every = wire.ParseInt(every)
	} else {
		r.Pattern = every
	}
	return parts[0], r
}

package bullmq

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"schoolbell/bullmq/internal/wire"
)

// encodeOptions writes the stored form of a job's options.
func encodeOptions(o *JobOptions) []byte {
	w := wire.NewObject(64)
	w.Integer("attempts", int64(o.Attempts))
	if o.ID != "" && !o.drawnID {
		w.Text("jobId", o.ID)
	}
	if o.Delay > 0 {
		w.Integer("delay", o.Delay.Milliseconds())
	}
	if o.Priority > 0 {
		w.Integer("priority", int64(o.Priority))
	}
	if o.LIFO {
		w.Raw("lifo", "true")
	}
	if b := o.Backoff; b != nil {
		w.Raw("backoff", string(encodeBackoff(b)))
	}
	if p := o.Parent; p != nil {
		pw := wire.Object{}
		pw.Text("id", p.ID)
		pw.Text("queue", p.Queue)
		w.Raw("parent", string(pw.Close()))
	}
	if flag := o.OnFailure.flag(); flag != "" {
		w.Raw(flag, "true")
	}
	if o.RemoveOnComplete != nil {
		w.Raw("removeOnComplete", encodeKeep(o.RemoveOnComplete))
	}
	if o.RemoveOnFail != nil {
		w.Raw("removeOnFail", encodeKeep(o.RemoveOnFail))
	}
	if o.KeepLogs > 0 {
		w.Integer("kl", int64(o.KeepLogs))
	}
	if o.StackTraceLimit != nil {
		w.Integer("stackTraceLimit", int64(*o.StackTraceLimit))
	}
	if o.Deduplication != nil {
		w.Raw("de", encodeDeduplication(o.Deduplication))
	}
	if o.SizeLimit > 0 {
		w.Integer("sizeLimit", int64(o.SizeLimit))
	}
	if !o.Timestamp.IsZero() {
		w.Integer("timestamp", wire.Millis(o.Timestamp))
	}
	if o.TraceContext != "" {
		w.Text("tm", o.TraceContext)
	}
	if o.OmitTraceContext {
		w.Raw("omc", "true")
	}
	for _, name := range slices.Sorted(maps.Keys(o.Extra)) {
		w.Any(name, o.Extra[name])
	}
	return w.Close()
}

func encodeBackoff(b *Backoff) []byte {
	w := wire.Object{}
	w.Text("type", b.kind())
	w.Integer("delay", b.Delay.Milliseconds())
	if b.Jitter > 0 {
		w.Raw("jitter", strconv.FormatFloat(b.Jitter, 'f', -1, 64))
	}
	return w.Close()
}

func (b *Backoff) kind() string {
	if b.Type == "" {
		return "fixed"
	}
	return b.Type
}

// encodeKeep writes true for "remove at once", false for "keep all", else an object or a number.
func encodeKeep(k *Keep) string {
	switch {
	case k.None:
		return "true"
	case k.Age == 0 && !k.ageSet && k.Count == 0:
		return "false"
	case k.Age == 0 && !k.ageSet:
		return strconv.Itoa(k.Count)
	}
	w := wire.Object{}
	w.Raw("age", strconv.FormatFloat(k.Age.Seconds(), 'f', -1, 64))
	if k.Count > 0 {
		w.Integer("count", int64(k.Count))
	}
	if k.Limit > 0 {
		w.Integer("limit", int64(k.Limit))
	}
	return string(w.Close())
}

// flag is the key of a failure mode in the options and in the parent field.
func (m FailureMode) flag() string {
	switch m {
	case FailParent:
		return "fpof"
	case ContinueParent:
		return "cpof"
	case IgnoreDependency:
		return "idof"
	case RemoveDependency:
		return "rdof"
	}
	return ""
}

// failureFlags are the short and the full names of the failure modes' options.
var failureFlags = map[string]FailureMode{
	"fpof": FailParent, "failParentOnFailure": FailParent,
	"cpof": ContinueParent, "continueParentOnFailure": ContinueParent,
	"idof": IgnoreDependency, "ignoreDependencyOnFailure": IgnoreDependency,
	"rdof": RemoveDependency, "removeDependencyOnFailure": RemoveDependency,
}

// decodeOptions decodes stored options. Other programs write them too, so values that it
// cannot decode count as not set.
func decodeOptions(text string) JobOptions {
	var o JobOptions
	if text == `{"attempts":0}` || text == "" || text == "{}" {
		return o
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &fields) != nil {
		return o
	}
	for name, raw := range fields {
		if !o.decodeField(name, raw) {
			if o.Extra == nil {
				o.Extra = map[string]json.RawMessage{}
			}
			o.Extra[name] = raw
		}
	}
	return o
}

func (o *JobOptions) decodeField(name string, raw json.RawMessage) bool {
	if mode, ok := failureFlags[name]; ok {
		if string(raw) == "true" {
			o.OnFailure = mode
		}
		return true
	}
	switch name {
	case "attempts":
		o.Attempts = int(wire.DecodeNumber(raw))
	case "jobId":
		o.ID = wire.DecodeText(raw)
	case "delay":
		o.Delay = wire.Duration(wire.DecodeNumber(raw))
	case "priority":
		o.Priority = int(wire.DecodeNumber(raw))
	case "lifo":
		o.LIFO = string(raw) == "true"
	case "backoff":
		o.Backoff = decodeBackoff(raw)
	case "parent":
		var p struct{ ID, Queue string }
		if json.Unmarshal(raw, &p) == nil && p.ID != "" {
			o.Parent = &ParentRef{ID: p.ID, Queue: p.Queue}
		}
	case "removeOnComplete":
		o.RemoveOnComplete = decodeKeep(raw)
	case "removeOnFail":
		o.RemoveOnFail = decodeKeep(raw)
	case "kl", "keepLogs":
		o.KeepLogs = int(wire.DecodeNumber(raw))
	case "stackTraceLimit":
		if string(raw) != "null" {
			n := int(wire.DecodeNumber(raw))
			o.StackTraceLimit = &n
		}
	case "de", "deduplication", "debounce":
		o.Deduplication = decodeDeduplication(raw)
	case "sizeLimit":
		o.SizeLimit = int(wire.DecodeNumber(raw))
	case "tm":
		if o.TraceContext = wire.DecodeText(raw); o.TraceContext == "" {
			return false
		}
	case "omc":
		o.OmitTraceContext = string(raw) == "true"
	case "timestamp":
		o.Timestamp = wire.FromMillis(int64(wire.DecodeNumber(raw)))
	default:
		return false
	}
	return true
}

func decodeBackoff(raw json.RawMessage) *Backoff {
	var fields struct {
		Type   string          `json:"type"`
		Delay  json.RawMessage `json:"delay"`
		Jitter json.RawMessage `json:"jitter"`
	}
	if len(raw) > 0 && raw[0] == '{' && json.Unmarshal(raw, &fields) == nil {
		return &Backoff{Type: fields.Type, Delay: wire.Duration(wire.DecodeNumber(fields.Delay)), Jitter: wire.DecodeNumber(fields.Jitter)}
	}
	if n := wire.DecodeNumber(raw); n > 0 {
		return &Backoff{Type: "fixed", Delay: wire.Duration(n)}
	}
	return nil
}

func decodeKeep(raw json.RawMessage) *Keep {
	text := string(raw)
	switch {
	case text == "null" || text == "":
		return nil
	case text == "true" || text[0] == '"': // Node takes any text for yes
		return &Keep{None: true}
	case text == "false":
		return &Keep{}
	case text[0] == '{':
		var fields map[string]json.RawMessage
		if json.Unmarshal(raw, &fields) != nil {
			return &Keep{}
		}
		k := &Keep{Limit: int(wire.DecodeNumber(fields["limit"]))}
		if count := fields["count"]; wire.IsNumber(count) {
			k.Count, k.None = keepCount(wire.DecodeNumber(count))
		}
		if age := fields["age"]; wire.IsNumber(age) && wire.DecodeNumber(age) < math.MaxInt64/float64(time.Second) {
			k.Age, k.ageSet = time.Duration(wire.DecodeNumber(age)*float64(time.Second)), true
		}
		return k
	case !wire.IsNumber(raw):
		return nil // an unknown form of limit must not delete jobs
	}
	k := &Keep{}
	k.Count, k.None = keepCount(wire.DecodeNumber(raw))
	return k
}

func keepCount(n float64) (count int, none bool) {
	return max(int(n), 0), n == 0
}

package bullmq

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"time"
)

// encodeOptions writes the stored form of a job's options.
func encodeOptions(o *JobOptions) []byte {
	w := objectWriter{b: make([]byte, 0, 64)}
	w.integer("attempts", int64(o.Attempts))
	if o.ID != "" && !o.drawnID {
		w.text("jobId", o.ID)
	}
	if o.Delay > 0 {
		w.integer("delay", o.Delay.Milliseconds())
	}
	if o.Priority > 0 {
		w.integer("priority", int64(o.Priority))
	}
	if o.LIFO {
		w.raw("lifo", "true")
	}
	if b := o.Backoff; b != nil {
		w.raw("backoff", string(encodeBackoff(b)))
	}
	if p := o.Parent; p != nil {
		pw := objectWriter{}
		pw.text("id", p.ID)
		pw.text("queue", p.Queue)
		w.raw("parent", string(pw.close()))
	}
	if flag := o.OnFailure.flag(); flag != "" {
		w.raw(flag, "true")
	}
	if o.RemoveOnComplete != nil {
		w.raw("removeOnComplete", encodeKeep(o.RemoveOnComplete))
	}
	if o.RemoveOnFail != nil {
		w.raw("removeOnFail", encodeKeep(o.RemoveOnFail))
	}
	if o.KeepLogs > 0 {
		w.integer("kl", int64(o.KeepLogs))
	}
	if o.StackTraceLimit != nil {
		w.integer("stackTraceLimit", int64(*o.StackTraceLimit))
	}
	if o.Deduplication != nil {
		w.raw("de", encodeDeduplication(o.Deduplication))
	}
	if o.SizeLimit > 0 {
		w.integer("sizeLimit", int64(o.SizeLimit))
	}
	if !o.Timestamp.IsZero() {
		w.integer("timestamp", millis(o.Timestamp))
	}
	if o.TraceContext != "" {
		w.text("tm", o.TraceContext)
	}
	if o.OmitTraceContext {
		w.raw("omc", "true")
	}
	if len(o.Extra) > 0 {
		w.extra(o.Extra)
	}
	return w.close()
}

func (w *objectWriter) extra(extra map[string]json.RawMessage) {
	names := make([]string, 0, len(extra))
	for name := range extra {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		w.b = append(w.b, ',')
		w.b = appendString(w.b, name)
		w.b = append(w.b, ':')
		w.b = append(w.b, extra[name]...)
	}
}

func encodeBackoff(b *Backoff) []byte {
	w := objectWriter{}
	w.text("type", b.kind())
	w.integer("delay", b.Delay.Milliseconds())
	if b.Jitter > 0 {
		w.raw("jitter", strconv.FormatFloat(b.Jitter, 'f', -1, 64))
	}
	return w.close()
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
	w := objectWriter{}
	w.raw("age", strconv.FormatFloat(k.Age.Seconds(), 'f', -1, 64))
	if k.Count > 0 {
		w.integer("count", int64(k.Count))
	}
	if k.Limit > 0 {
		w.integer("limit", int64(k.Limit))
	}
	return string(w.close())
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
		o.Attempts = int(decodeNumber(raw))
	case "jobId":
		o.ID = decodeText(raw)
	case "delay":
		o.Delay = msDuration(decodeNumber(raw))
	case "priority":
		o.Priority = int(decodeNumber(raw))
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
		o.KeepLogs = int(decodeNumber(raw))
	case "stackTraceLimit":
		if string(raw) != "null" {
			n := int(decodeNumber(raw))
			o.StackTraceLimit = &n
		}
	case "de", "deduplication", "debounce":
		o.Deduplication = decodeDeduplication(raw)
	case "sizeLimit":
		o.SizeLimit = int(decodeNumber(raw))
	case "tm":
		if o.TraceContext = decodeText(raw); o.TraceContext == "" {
			return false
		}
	case "omc":
		o.OmitTraceContext = string(raw) == "true"
	case "timestamp":
		o.Timestamp = fromMillis(int64(decodeNumber(raw)))
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
		return &Backoff{Type: fields.Type, Delay: msDuration(decodeNumber(fields.Delay)), Jitter: decodeNumber(fields.Jitter)}
	}
	if n := decodeNumber(raw); n > 0 {
		return &Backoff{Type: "fixed", Delay: msDuration(n)}
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
		k := &Keep{Limit: int(decodeNumber(fields["limit"]))}
		if count := fields["count"]; isNumber(count) {
			k.Count, k.None = keepCount(decodeNumber(count))
		}
		if age := fields["age"]; isNumber(age) && decodeNumber(age) < math.MaxInt64/float64(time.Second) {
			k.Age, k.ageSet = time.Duration(decodeNumber(age)*float64(time.Second)), true
		}
		return k
	case !isNumber(raw):
		return nil // an unknown form of limit must not delete jobs
	}
	k := &Keep{}
	k.Count, k.None = keepCount(decodeNumber(raw))
	return k
}

func keepCount(n float64) (count int, none bool) {
	return max(int(n), 0), n == 0
}

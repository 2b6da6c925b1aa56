package bullmq

import "strings"

// DefaultPrefix is the first part of every key unless another is set.
const DefaultPrefix = "bull"

// keys builds the names of a queue's keys. The scripts build them in the same way from
// the prefix that they receive, because the ids of the jobs that they meet, and so most
// keys, are known only inside them.
type keys struct {
	qualified string // prefix:name
	p         string // qualified and a colon
}

func newKeys(prefix, name string) keys {
	return keys{qualified: prefix + ":" + name, p: prefix + ":" + name + ":"}
}

func (k keys) wait() string            { return k.p + "wait" }
func (k keys) paused() string          { return k.p + "paused" }
func (k keys) active() string          { return k.p + "active" }
func (k keys) prioritized() string     { return k.p + "prioritized" }
func (k keys) delayed() string         { return k.p + "delayed" }
func (k keys) waitingChildren() string { return k.p + "waiting-children" }
func (k keys) completed() string       { return k.p + "completed" }
func (k keys) failed() string          { return k.p + "failed" }
func (k keys) limiter() string         { return k.p + "limiter" }
func (k keys) meta() string            { return k.p + "meta" }
func (k keys) events() string          { return k.p + "events" }
func (k keys) marker() string          { return k.p + "marker" }
func (k keys) repeat() string          { return k.p + "repeat" }

func (k keys) scheduler(id string) string { return k.p + "repeat:" + id }
func (k keys) dedup(id string) string     { return k.p + "de:" + id }
func (k keys) metrics(kind string) string { return k.p + "metrics:" + kind }

func (k keys) job(id string) string          { return k.p + id }
func (k keys) logs(id string) string         { return k.p + id + ":logs" }
func (k keys) dependencies(id string) string { return k.p + id + ":dependencies" }
func (k keys) processed(id string) string    { return k.p + id + ":processed" }
func (k keys) ignored(id string) string      { return k.p + id + ":failed" }
func (k keys) unsuccessful(id string) string { return k.p + id + ":unsuccessful" }

// reservedIDs are the last parts of the names of a queue's own keys. A job with such an id
// would have the same key.
var reservedIDs = map[string]bool{
	"id": true, "wait": true, "paused": true, "active": true, "prioritized": true, "pc": true, "delayed": true,
	"waiting-children": true, "completed": true, "failed": true, "stalled": true, "stalled-check": true,
	"limiter": true, "meta": true, "events": true, "marker": true, "repeat": true, "delay": true, "priority": true,
}

func cutLast(s string, sep byte) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

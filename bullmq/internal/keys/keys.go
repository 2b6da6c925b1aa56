// Package keys has the names of the keys of a queue.
package keys

import (
	"strings"

	"schoolbell/bullmq/internal/wire"
)

// Keys builds the names of a queue's keys. The scripts build them in the same way from
// the prefix that they receive, because the ids of the jobs that they meet, and so most
// keys, are known only inside them.
type Keys struct {
	Qualified string // prefix:name
	Prefix    string // Qualified and a colon
}

// New returns the keys of the queue of that name.
func New(prefix, name string) Keys {
	return Keys{Qualified: prefix + ":" + name, Prefix: prefix + ":" + name + ":"}
}

func (k Keys) Wait() string            { return k.Prefix + "wait" }
func (k Keys) Paused() string          { return k.Prefix + "paused" }
func (k Keys) Active() string          { return k.Prefix + "active" }
func (k Keys) Prioritized() string     { return k.Prefix + "prioritized" }
func (k Keys) Delayed() string         { return k.Prefix + "delayed" }
func (k Keys) WaitingChildren() string { return k.Prefix + "waiting-children" }
func (k Keys) Completed() string       { return k.Prefix + "completed" }
func (k Keys) Failed() string          { return k.Prefix + "failed" }
func (k Keys) Limiter() string         { return k.Prefix + "limiter" }
func (k Keys) Meta() string            { return k.Prefix + "meta" }
func (k Keys) Events() string          { return k.Prefix + "events" }
func (k Keys) Marker() string          { return k.Prefix + "marker" }
func (k Keys) Repeat() string          { return k.Prefix + "repeat" }

func (k Keys) Scheduler(id string) string { return k.Prefix + "repeat:" + id }
func (k Keys) Dedup(id string) string     { return k.Prefix + "de:" + id }
func (k Keys) Metrics(kind string) string { return k.Prefix + "metrics:" + kind }

func (k Keys) Job(id string) string          { return k.Prefix + id }
func (k Keys) Logs(id string) string         { return k.Prefix + id + ":logs" }
func (k Keys) Dependencies(id string) string { return k.Prefix + id + ":dependencies" }
func (k Keys) Processed(id string) string    { return k.Prefix + id + ":processed" }
func (k Keys) Ignored(id string) string      { return k.Prefix + id + ":failed" }
func (k Keys) Unsuccessful(id string) string { return k.Prefix + id + ":unsuccessful" }

// Reserved are the last parts of the names of a queue's own keys. A job with such an id
// would have the same key.
var Reserved = map[string]bool{
	"id": true, "wait": true, "paused": true, "active": true, "prioritized": true, "pc": true, "delayed": true,
	"waiting-children": true, "completed": true, "failed": true, "stalled": true, "stalled-check": true,
	"limiter": true, "meta": true, "events": true, "marker": true, "repeat": true, "delay": true, "priority": true,
}

// CutLast cuts s at the last sep.
func CutLast(s string, sep byte) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// jobSuffixes are the last parts of the names of keys that belong to a job.
var jobSuffixes = map[string]bool{
	"lock": true, "logs": true, "dependencies": true, "processed": true, "failed": true, "unsuccessful": true,
}

// IsOwn reports whether an id is the rest of a key that holds no job: one of the queue
// itself, or one that belongs to a job or a scheduler.
func IsOwn(id string) bool {
	head, rest, colon := strings.Cut(id, ":")
	if !colon {
		return Reserved[id]
	}
	_, last, _ := CutLast(id, ':')
	switch head {
	case "de", "dn", "metrics":
		return true
	case "repeat": // its jobs are repeat:scheduler:time
		return !strings.Contains(rest, ":") || !wire.IsInteger(last)
	}
	return jobSuffixes[last]
}

// families begin the names of other keys of a queue, such as metrics:failed.
var families = map[string]bool{"metrics": true, "de": true, "dn": true, "repeat": true}

// JobIDs returns the ids of the jobs to which the keys may belong, each once.
func (k Keys) JobIDs(found []string) (ids []string) {
	seen := map[string]bool{}
	for _, key := range found {
		id, suffix, sub := strings.Cut(key[len(k.Prefix):], ":")
		if sub && !jobSuffixes[suffix] || seen[id] || Reserved[id] || families[id] {
			continue
		}
		seen[id] = true
		ids = append(ids, id)
	}
	return ids
}

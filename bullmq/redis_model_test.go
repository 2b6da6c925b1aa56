package bullmq

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"schoolbell/bullmq/internal/wire"

	"github.com/redis/go-redis/v9"
)

// raw is what Redis holds, read key by key, without the package under test.
type raw struct {
	places  map[string][]string          // job key -> the lists and sets that have it, once for each time
	hashes  map[string]map[string]string // job key -> fields
	locks   map[string]bool              // job keys
	waits   map[string]map[string]bool   // job key -> keys of the children it waits for
	markers map[string]bool              // queue prefix
	sizes   map[string]int               // of lists and sets, by key
	text    map[string]string            // all of it but events and markers, by key, to be compared
}

var (
	modelLists = []string{"wait", "paused", "active"}
	modelSets  = []string{"prioritized", "delayed", "waiting-children", "completed", "failed"}
	// modelFields are compared with the model; of the others it is enough that they are there.
	modelFields = []string{"delay", "priority", "timestamp", "processedOn", "finishedOn", "atm", "ats", "stc", "defa", "parentKey"}
)

func readRaw(ctx context.Context, rdb *redis.Client, prefixes []string) (*raw, error) {
	r := &raw{
		places: map[string][]string{}, hashes: map[string]map[string]string{}, locks: map[string]bool{},
		waits: map[string]map[string]bool{}, markers: map[string]bool{}, sizes: map[string]int{}, text: map[string]string{},
	}
	keys, err := rdb.Keys(ctx, "*").Result()
	if err != nil {
		return nil, err
	}
	pipe := rdb.Pipeline()
	var later []func()
	for _, key := range keys {
		cut := slices.IndexFunc(prefixes, func(p string) bool { return strings.HasPrefix(key, p) })
		if cut < 0 {
			r.text[key] = "is of no queue"
			continue
		}
		later = append(later, r.read(ctx, pipe, key, prefixes[cut]))
	}
	if len(later) == 0 {
		return r, nil
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	for _, take := range later {
		take()
	}
	return r, nil
}

// read asks for one key and returns what to do with the answer.
func (r *raw) read(ctx context.Context, pipe redis.Pipeliner, key, p string) (take func()) {
	name := key[len(p):]
	switch {
	case slices.Contains(modelLists, name):
		reply := pipe.LRange(ctx, key, 0, -1)
		return func() {
			for _, id := range reply.Val() {
				r.places[p+id] = append(r.places[p+id], name)
			}
			r.sizes[key], r.text[key] = len(reply.Val()), fmt.Sprint(reply.Val())
		}
	case slices.Contains(modelSets, name):
		reply := pipe.ZRangeWithScores(ctx, key, 0, -1)
		return func() {
			for _, z := range reply.Val() {
				r.places[p+z.Member.(string)] = append(r.places[p+z.Member.(string)], name)
				r.text[key] += fmt.Sprintf("%v=%.0f ", z.Member, z.Score)
			}
			r.sizes[key] = len(reply.Val())
		}
	case name == "events" || name == "stalled-check":
		return func() {}
	case name == "marker":
		r.markers[p] = true
		return func() {}
	case name == "id" || name == "pc" || name == "limiter":
		reply := pipe.Get(ctx, key)
		return func() { r.text[key] = reply.Val() }
	case name == "stalled":
		reply := pipe.SMembers(ctx, key)
		return func() { slices.Sort(reply.Val()); r.text[key] = fmt.Sprint(reply.Val()) }
	case name == "meta":
		reply := pipe.HMGet(ctx, key, "paused", "concurrency")
		return func() {
			if v := reply.Val(); v[0] != nil || v[1] != nil {
				r.text[key] = fmt.Sprintf("%v %v", v[0] != nil, v[1])
			}
		}
	}
	return r.readJob(ctx, pipe, key)
}

func (r *raw) readJob(ctx context.Context, pipe redis.Pipeliner, key string) (take func()) {
	cut := strings.LastIndexByte(key, ':')
	switch owner := key[:cut]; key[cut+1:] {
	case "lock":
		reply := pipe.Get(ctx, key)
		return func() { r.locks[owner], r.text[key] = true, reply.Val() }
	case "dependencies":
		reply := pipe.SMembers(ctx, key)
		return func() {
			r.waits[owner] = map[string]bool{}
			for _, child := range reply.Val() {
				r.waits[owner][child] = true
			}
			r.text[key] = keysText(r.waits[owner])
		}
	case "processed", "failed":
		reply := pipe.HKeys(ctx, key)
		return func() { slices.Sort(reply.Val()); r.text[key] = fmt.Sprint(reply.Val()) }
	case "unsuccessful":
		reply := pipe.ZRange(ctx, key, 0, -1)
		return func() { slices.Sort(reply.Val()); r.text[key] = fmt.Sprint(reply.Val()) }
	}
	reply := pipe.HGetAll(ctx, key)
	return func() {
		hash := reply.Val()
		r.hashes[key] = hash
		var b strings.Builder
		for _, f := range modelFields {
			if v := hash[f]; v != "" {
				fmt.Fprintf(&b, "%s=%s ", f, v)
			}
		}
		_, reason := hash["failedReason"]
		_, result := hash["returnvalue"]
		r.text[key] = fmt.Sprintf("%sreason=%v result=%v", b.String(), reason, result)
	}
}

func keysText(set map[string]bool) string {
	return fmt.Sprint(slices.Sorted(maps.Keys(set)))
}

// faults are the promises of DESIGN.md that Redis's contents break, whatever the model says.
func (r *raw) faults(w *world) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	for key, in := range r.places {
		if len(in) > 1 {
			fault("%s is in more than one place: %v", key, in)
		}
		if r.hashes[key] == nil {
			fault("%s is in %v but does not exist", key, in)
		}
	}
	for key, hash := range r.hashes {
		if len(r.places[key]) == 0 {
			fault("%s is lost: it has a hash and no place", key)
		}
		for _, f := range []string{"name", "data", "opts", "timestamp"} {
			if hash[f] == "" {
				fault("%s has no %s", key, f)
			}
		}
		if slices.Contains(r.places[key], "waiting-children") && len(r.waits[key]) == 0 {
			fault("%s waits for no child", key)
		}
	}
	for key := range r.locks {
		if !slices.Contains(r.places[key], "active") {
			fault("lock without run: %s is in %v", key, r.places[key])
		}
	}
	for parent, children := range r.waits {
		if r.hashes[parent] == nil {
			fault("dependencies of %s, which does not exist", parent)
		}
		for child := range children {
			switch {
			case r.hashes[child] == nil:
				fault("%s waits for %s, which does not exist", parent, child)
			case r.hashes[child]["parentKey"] != parent:
				fault("%s waits for %s, whose parent is %q", parent, child, r.hashes[child]["parentKey"])
			case slices.Contains(r.places[child], "completed"):
				fault("%s waits for %s, which has completed", parent, child)
			}
		}
	}
	for p, q := range w.queues {
		startable := r.sizes[p+"wait"]+r.sizes[p+"prioritized"]+r.sizes[p+"delayed"] > 0
		if startable && !q.isPaused && !q.everMaxed && !r.markers[p] {
			fault("%s has jobs and no marker: idle workers sleep on", p)
		}
	}
	return faults
}

// text is the model's contents as raw.text has Redis's.
func (w *world) text() map[string]string {
	text := map[string]string{}
	for p, q := range w.queues {
		for name, list := range q.lists() {
			if len(*list) > 0 {
				text[p+name] = fmt.Sprint(*list)
			}
		}
		for name, set := range q.zsets() {
			for _, id := range ranked(set) {
				text[p+name] += fmt.Sprintf("%s=%d ", id, set[id])
			}
		}
		for name, n := range map[string]int64{"id": q.lastID, "pc": q.seq, "limiter": q.limiter} {
			if n > 0 {
				text[p+name] = wire.FormatInt(n)
			}
		}
		if len(q.suspects) > 0 {
			text[p+"stalled"] = keysText(q.suspects)
		}
		if q.isPaused || q.concurrency > 0 {
			concurrency := "<nil>"
			if q.concurrency > 0 {
				concurrency = strconv.Itoa(q.concurrency)
			}
			text[p+"meta"] = fmt.Sprintf("%v %v", q.isPaused, concurrency)
		}
	}
	for key, token := range w.locks {
		text[key+":lock"] = token
	}
	for key, j := range w.jobs {
		text[key] = j.text()
		for name, set := range map[string]map[string]bool{
			"dependencies": j.dependencies, "processed": j.processed, "failed": j.ignored, "unsuccessful": j.unsuccessful,
		} {
			if len(set) > 0 {
				text[key+":"+name] = keysText(set)
			}
		}
	}
	return text
}

func (j *modelJob) text() string {
	var b strings.Builder
	values := []string{wire.FormatInt(j.delay), wire.FormatInt(j.priority), wire.FormatInt(j.timestamp), wire.FormatInt(j.processedOn), wire.FormatInt(j.finished),
		strconv.Itoa(j.atm), strconv.Itoa(j.ats), strconv.Itoa(j.stc), j.defa, j.parent}
	for i, v := range values {
		if v != "" && (v != "0" || i < 2) {
			fmt.Fprintf(&b, "%s=%s ", modelFields[i], v)
		}
	}
	return fmt.Sprintf("%sreason=%v result=%v", b.String(), j.reason, j.result)
}

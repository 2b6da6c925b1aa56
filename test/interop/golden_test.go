package interop

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq"
	"schoolbell/internal/testenv"
)

// frozen is what all clocks show while golden dumps are made.
var frozen = time.UnixMilli(1_795_000_000_000).UTC()

// step is one thing done to a queue, told in both languages. Both return what they
// learned of it, which must be equal. One without js is done alike on either's turn.
type step struct {
	js   string // args[0] is the queue's name
	inGo func(g *side) any
}

// always has Node do a step on either's turn.
func always(js string) step {
	return step{"", func(g *side) (learned any) {
		g.node.do(&learned, js, g.Name())
		return learned
	}}
}

// later puts the clocks forward.
func later(d time.Duration) step {
	return step{"", func(g *side) any { g.pass(d); return nil }}
}

// side is a queue on which Go does its part.
type side struct {
	*rig
	*bullmq.Queue
	now time.Time // what all clocks show
}

func newSide(r *rig, name string) *side {
	r.Helper()
	g := &side{rig: r, now: frozen}
	g.Queue = r.queueWith(name, bullmq.QueueOptions{Clock: g.clock})
	g.pass(0)
	return g
}

func (g *side) clock() time.Time { return g.now }

// pass puts the clocks forward.
func (g *side) pass(d time.Duration) {
	g.Helper()
	g.now = g.now.Add(d)
	g.node.do(nil, `$.freeze(args[0])`, g.now.UnixMilli())
}

// addJob adds a job and returns it.
func (g *side) addJob(name string, data any, opts bullmq.JobOptions) *bullmq.Job {
	g.Helper()
	job, err := g.Queue.Add(g.Context(), name, data, opts)
	g.ok(err)
	return job
}

// job reads a job.
func (g *side) job(id string) *bullmq.Job {
	g.Helper()
	job, err := g.Queue.Job(g.Context(), id)
	g.ok(err)
	return job
}

// workOff runs a worker until nothing in the queue can be run.
func (g *side) workOff(h bullmq.Handler, opts bullmq.WorkerOptions) {
	g.Helper()
	opts.Name, opts.Clock = "w", g.clock
	stop := g.work(g.Name(), h, opts)
	testenv.Eventually(g.T, patience, func() error {
		counts, err := g.Counts(g.Context(), bullmq.StateWaiting, bullmq.StatePrioritized, bullmq.StateActive)
		for state, n := range counts {
			if n > 0 {
				err = fmt.Errorf("%d are %s", n, state)
			}
		}
		return err
	}, "the jobs of %s are worked off", g.Name())
	stop()
}

// code is the number of a script's refusal, 0 for none.
func code(err error) any {
	if err == nil {
		return 0
	}
	if refused, ok := errors.AsType[*bullmq.ScriptError](err); ok {
		return int(refused.Code)
	}
	return err.Error()
}

// golden runs steps on two queues: on one Node takes the odd steps and Go the
// even ones, on the other the reverse, so that each works with what the other has
// made. The queues must be the same, key by key and event by event.
func golden(r *rig, c goldenCase) {
	r.Helper()
	names := [2]string{r.unused(), r.unused()}
	var learned [2][]any
	for first, name := range names {
		g := newSide(r, name)
		// Node's queues note their version, by which Go tells where jobs wait in a pause.
		r.node.do(nil, `await $.queue(args[0]).waitUntilReady()`, name)
		for i := range c.steps {
			learned[first] = append(learned[first], c.steps[i].run(g, i%2 == first))
		}
	}
	if diff := gocmp.Diff(learned[0], learned[1]); diff != "" {
		r.Errorf("what the steps returned differs (- Node first, + Go first):\n%s", diff)
	}
	compareDumps(r, names, c.anyOrder)
}

// run has Node or Go do a step, and returns what came of it as plain JSON.
func (s step) run(g *side, byNode bool) (learned any) {
	g.Helper()
	if byNode && s.js != "" {
		g.node.do(&learned, s.js, g.Name())
		return g.anonymous(learned, g.Name())
	}
	return g.anonymous(s.inGo(g), g.Name())
}

func compareDumps(r *rig, names [2]string, anyOrder bool) {
	r.Helper()
	dumps := [2]map[string]any{dump(r, names[0]), dump(r, names[1])}
	for _, key := range slices.Sorted(maps.Keys(union(dumps[0], dumps[1]))) {
		if key == "events" && anyOrder {
			sortEvents(dumps[0][key])
			sortEvents(dumps[1][key])
		}
		if diff := gocmp.Diff(dumps[0][key], dumps[1][key]); diff != "" {
			r.Errorf("%s differs (- %s, + %s):\n%s", key, names[0], names[1], diff)
		}
	}
}

func sortEvents(events any) {
	list, _ := events.([]any)
	slices.SortFunc(list, func(a, b any) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
}

func union(a, b map[string]any) map[string]any {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// passing are keys whose state depends on the moment: wake-ups and the checks for
// lost workers.
var passing = []string{"marker", "stalled", "stalled-check"}

// dump is all that a queue has in Redis, with its name taken out.
func dump(r *rig, queue string) map[string]any {
	r.Helper()
	out := map[string]any{}
	for _, key := range r.keys(queue) {
		suffix := strings.TrimPrefix(key, r.key(queue, ""))
		if !slices.Contains(passing, suffix) {
			out[suffix] = r.anonymous(value(r, key), queue)
		}
	}
	return out
}

// keys are all keys of a queue. In a Cluster they are on one node.
func (r *rig) keys(queue string) []string {
	r.Helper()
	var at redis.Cmdable = r.rdb
	if c, cluster := r.rdb.(*redis.ClusterClient); cluster {
		node, err := c.MasterForKey(r.Context(), r.key(queue, ""))
		r.ok(err)
		at = node
	}
	keys, err := at.Keys(r.Context(), r.key(queue, "*")).Result()
	r.ok(err)
	return keys
}

// value reads a key in a form that can be compared.
func value(r *rig, key string) any {
	r.Helper()
	ctx := r.Context()
	kind, err := r.rdb.Type(ctx, key).Result()
	r.ok(err)
	var v any
	switch kind {
	case "string":
		var text string
		text, err = r.rdb.Get(ctx, key).Result()
		if r.rdb.PTTL(ctx, key).Val() > 0 {
			text += " for a while"
		}
		v = text
	case "list":
		v, err = r.rdb.LRange(ctx, key, 0, -1).Result()
	case "set":
		var members []string
		members, err = r.rdb.SMembers(ctx, key).Result()
		slices.Sort(members)
		v = members
	case "zset":
		v, err = r.rdb.ZRangeWithScores(ctx, key, 0, -1).Result()
	case "hash":
		var fields map[string]string
		fields, err = r.rdb.HGetAll(ctx, key).Result()
		v = jobFields(fields, strings.HasSuffix(key, ":processed"))
	case "stream":
		var entries []redis.XMessage
		entries, err = r.rdb.XRange(ctx, key, "-", "+").Result()
		v = eventFields(entries)
	}
	r.ok(err)
	return v
}

// jobFields puts JSON into one form, that of all fields or of those known. Of stack
// traces only the number counts, and of the library's version nothing.
func jobFields(fields map[string]string, all bool) map[string]any {
	out := map[string]any{}
	for name, text := range fields {
		out[name] = text
		if all {
			out[name] = parsed(text)
		}
		switch name {
		case "version", "nrjid": // the latter is BullMQ 5's note of the next run, which nothing reads
			delete(out, name)
		case "data", "opts", "parent", "returnvalue", "progress":
			out[name] = parsed(text)
		case "stacktrace":
			traces, _ := parsed(text).([]any)
			out[name] = fmt.Sprintf("%d traces", len(traces))
		}
	}
	return out
}

func eventFields(entries []redis.XMessage) []map[string]any {
	out := make([]map[string]any, 0, len(entries))
	for _, e := range entries {
		if e.Values["event"] == "debounced" {
			continue // BullMQ 5's older word for "deduplicated", which it writes beside that
		}
		fields := map[string]any{}
		for name, v := range e.Values {
			fields[name] = v
		}
		for _, name := range []string{"data", "returnvalue"} {
			if text, ok := fields[name].(string); ok {
				fields[name] = parsed(text)
			}
		}
		out = append(out, fields)
	}
	return out
}

func parsed(text string) any {
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return "not JSON: " + text
	}
	return v
}

// anonymous puts Q for the queue's name, wherever it stands.
func (r *rig) anonymous(v any, queue string) any {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return parsed(strings.ReplaceAll(string(text), r.Prefix+":"+queue, r.Prefix+":Q"))
}

// goldenCase is a story that Node and Go tell alike.
type goldenCase struct {
	name     string
	only     int  // the major whose behaviour it is, 0 for both
	anyOrder bool // events may come in any order: Redis hands out a set's members as it likes
	steps    []step
}

// goldenTests runs each case with both majors.
func goldenTests(t *testing.T, cases []goldenCase) {
	withBothMajors(t, func(r *rig) {
		for _, c := range cases {
			if c.only != 0 && c.only != r.major {
				continue
			}
			r.Run(c.name, func(t *testing.T) {
				sub := r.within(t)
				golden(sub, c)
			})
		}
		r.node.quiet()
	})
}

// decode reads a job's data.
func decode(data json.RawMessage, out any) error { return json.Unmarshal(data, out) }

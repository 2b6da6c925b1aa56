package interop

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"schoolbell/bullmq"
)

// damages are hashes that another program, or a fault, has left: in the order of
// their ids. decoded says whether Node reads the hash at all.
var damages = []struct {
	name    string
	hash    map[string]string
	decoded bool
	then    bullmq.State // where Go leaves the job
}{
	{"nothing at all: a ghost", nil, true, bullmq.StateUnknown},
	{"counters only", map[string]string{"ats": "1", "processedOn": "1"}, true, bullmq.StateUnknown},
	{"a name only", map[string]string{"name": "n"}, true, bullmq.StateCompleted},
	{"empty texts", map[string]string{"name": "n", "data": "", "opts": "", "timestamp": "", "delay": "", "priority": ""}, true, bullmq.StateCompleted},
	{"options with keys nobody knows", map[string]string{"name": "n", "data": "{}", "opts": `{"attempts":1,"zzz":{"a":[1]},"kl":"three"}`, "timestamp": "1", "delay": "0", "priority": "0"}, true, bullmq.StateCompleted},
	{"options of other types", map[string]string{"name": "n", "data": "{}", "opts": `{"attempts":"3","backoff":[],"removeOnComplete":{"age":"x"},"parent":7,"repeat":"yes","de":1}`, "timestamp": "1", "delay": "0", "priority": "0"}, true, bullmq.StateCompleted},
	{"options that are no JSON", map[string]string{"name": "n", "data": "{}", "opts": `{"attempts":`, "timestamp": "1", "delay": "0", "priority": "0"}, false, bullmq.StateCompleted},
	{"data that are no JSON", map[string]string{"name": "n", "data": "<xml/>", "opts": "{}", "timestamp": "1", "delay": "0", "priority": "0"}, false, bullmq.StateCompleted},
	{"numbers that are none", map[string]string{"name": "n", "data": "{}", "opts": "{}", "timestamp": "soon", "delay": "-", "priority": "high", "atm": "many", "ats": "1e99", "stc": ""}, true, bullmq.StateCompleted},
	{"traces and results that are no JSON", map[string]string{"name": "n", "data": "{}", "opts": "{}", "timestamp": "1", "delay": "0", "priority": "0", "stacktrace": "oops", "returnvalue": "oops", "failedReason": ""}, true, bullmq.StateCompleted},
	{"a parent that is no JSON", map[string]string{"name": "n", "data": "{}", "opts": "{}", "timestamp": "1", "delay": "0", "priority": "0", "parentKey": "bull:gone:1", "parent": "{"}, false, bullmq.StateCompleted},
	{"a parent that is not there", map[string]string{"name": "n", "data": "{}", "opts": "{}", "timestamp": "1", "delay": "0", "priority": "0", "parentKey": "bull:gone:1", "parent": `{"id":"1","queueKey":"bull:gone"}`}, true, bullmq.StateCompleted},
	{"a scheduler that is not there", map[string]string{"name": "n", "data": "{}", "opts": `{"repeat":{"every":-5}}`, "timestamp": "1", "delay": "0", "priority": "0", "rjk": "gone"}, true, bullmq.StateCompleted},
	{"bytes that are no text", map[string]string{"name": "n\xff\xfe", "data": "\"\xc3\x28\"", "opts": "{}", "timestamp": "1", "delay": "0", "priority": "0"}, true, bullmq.StateCompleted},
}

func damageID(n int) string { return fmt.Sprintf("damaged-%02d", n) }

// damage adds the damaged jobs to the queue, and a good one behind them.
func (r *rig) damage(q *bullmq.Queue) (good string) {
	r.Helper()
	for n, d := range damages {
		if len(d.hash) > 0 {
			r.ok(r.rdb.HSet(r.Context(), r.key(q.Name(), damageID(n)), d.hash).Err())
		}
		r.ok(r.rdb.LPush(r.Context(), r.key(q.Name(), "wait"), damageID(n)).Err())
	}
	return r.add(q, "good", nil, bullmq.JobOptions{ID: "good"})
}

func TestDamagedJobs(t *testing.T) {
	t.Parallel()
	t.Run("Go and Node read the same values", testDamagedJobsRead)
	t.Run("workers continue and no damaged job stays waiting", testDamagedJobsRun)
}

func testDamagedJobsRead(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		q := r.queue("q")
		r.damage(q)
		jobs, err := q.Jobs(r.Context(), bullmq.JobsOptions{States: []bullmq.State{bullmq.StateWaiting}, OldestFirst: true})
		if err != nil {
			r.Errorf("the whole page: %v", err)
		}
		if want := len(damages); len(jobs) != want { // the ghost is left out, the good one is there
			r.Errorf("Go lists %d jobs, want %d", len(jobs), want)
		}
		for n, d := range damages {
			if !d.decoded || len(d.hash) == 0 {
				continue
			}
			ours, err := q.Job(r.Context(), damageID(n))
			if err != nil {
				r.Errorf("%s: %v", d.name, err)
				continue
			}
			var theirs struct {
				Name         string
				StackTrace   []string
				FailedReason string
			}
			r.node.do(&theirs, `const { name = '', stacktrace, failedReason } = $.plain(await $.queue('q').getJob(args[0])); return { name, stacktrace, failedReason }`, damageID(n))
			if strings.ToValidUTF8(ours.Name, "\uFFFD") != theirs.Name && !strings.Contains(theirs.Name, "\uFFFD") || len(ours.StackTrace) != len(theirs.StackTrace) || ours.FailedReason != theirs.FailedReason {
				r.Errorf("%s: Go reads name %q, trace %q, reason %q; Node %+v", d.name, ours.Name, ours.StackTrace, ours.FailedReason, theirs)
			}
		}
	})
}

func testDamagedJobsRun(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		q := r.queue("q")
		r.node.do(nil, `await $.events('q')`) // ends at the first value that is no JSON
		good := r.damage(q)
		stop := r.work("q", func(_ context.Context, job *bullmq.Job) (any, error) { return job.Name, nil }, bullmq.WorkerOptions{Concurrency: 2})
		r.reaches(q, good, bullmq.StateCompleted)
		r.counts(q, map[bullmq.State]int64{bullmq.StateWaiting: 0, bullmq.StateActive: 0}, "no job waits or is active")
		for n, d := range damages {
			state, err := q.State(r.Context(), damageID(n))
			r.ok(err)
			if state != d.then {
				r.Errorf("%s: it is %s, want %s", d.name, state, d.then)
			}
			if kept := r.rdb.Exists(r.Context(), r.key("q", damageID(n)+":lock")).Val(); kept != 0 {
				r.Errorf("%s: its lock is left", d.name)
			}
		}
		last := r.add(q, "last", nil, bullmq.JobOptions{ID: "last"})
		r.reaches(q, last, bullmq.StateCompleted)
		stop()
		r.node.do(nil, `while (!$.state.seen.some((e) => e.event === 'completed' && e.jobId === 'last')) await new Promise((done) => setTimeout(done, 5))`)
		r.node.quiet() // its reader of events still reads
	})
}

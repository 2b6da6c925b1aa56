package interop

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"schoolbell/bullmq"
)

// nodeJob is a job as Node sees it; $.plain makes it.
type nodeJob struct {
	ID, Name        string
	Data            json.RawMessage
	Opts            map[string]any
	Progress        json.RawMessage
	ReturnValue     json.RawMessage
	FailedReason    string
	StackTrace      []string
	Delay, Priority int64
	AttemptsMade    int
	AttemptsStarted int
	StalledCounter  int
	Timestamp       int64
	ProcessedOn     int64
	FinishedOn      int64
	ProcessedBy     string
	ParentKey       string
}

// payloads are written once in JavaScript and once as the JSON they must become.
var payloads = []struct{ javaScript, json string }{
	{`{ a: 1, nested: { list: [1, 2.5, -3e-7], yes: true } }`, `{"a":1,"nested":{"list":[1,2.5,-3e-7],"yes":true}}`},
	{`null`, `null`},
	{`'plain text'`, `"plain text"`},
	{`''`, `""`},
	{`[1, 'two', null]`, `[1,"two",null]`},
	{`[]`, `[]`},
	{`'日本語 – Ж ü 🎒 </script> \u2028 "quoted" \\'`, `"日本語 – Ж ü 🎒 </script> \u2028 \"quoted\" \\"`},
	{`undefined`, `{}`},
	{`0`, `0`},
	{`false`, `false`},
	{`9007199254740991`, `9007199254740991`},
}

func TestAdd(t *testing.T) {
	t.Parallel()
	t.Run("Go runs jobs that Node adds", testAddInNodeRunInGo)
	t.Run("Node runs jobs that Go adds", testAddInGoRunInNode)
	t.Run("Node reads options that Go writes", testAddOptionsFromGo)
	t.Run("Go reads options that Node writes", testAddOptionsFromNode)
}

func testAddInNodeRunInGo(t *testing.T) { withBothMajors(t, goWorksOffWhatNodeAdds) }

func goWorksOffWhatNodeAdds(r *rig) {
	begun := time.Now().UnixMilli() // a worker notes the time at which it asked for a job, so it may be earlier than the job's
	q := r.queue("q")
	r.work("q", func(_ context.Context, job *bullmq.Job) (any, error) { return job.Data, nil }, bullmq.WorkerOptions{Name: "go"})
	for _, p := range payloads {
		var id string
		r.node.do(&id, `return (await $.queue('q').add('echo', eval('(' + args[0] + ')'))).id`, p.javaScript)
		r.reaches(q, id, bullmq.StateCompleted)
		var job nodeJob
		var state string
		r.node.do(&job, `return $.plain(await $.queue('q').getJob(args[0]))`, id)
		r.node.do(&state, `return $.queue('q').getJobState(args[0])`, id)
		r.same("data of "+p.javaScript, job.Data, json.RawMessage(p.json))
		r.same("return value of "+p.javaScript, job.ReturnValue, json.RawMessage(p.json))
		if state != "completed" || job.AttemptsMade != 1 || job.AttemptsStarted != 1 || job.ProcessedBy != "go" {
			r.Errorf("%s: state %s, %+v", p.javaScript, state, job)
		}
		if job.Timestamp < begun || job.ProcessedOn < begun || job.FinishedOn < job.ProcessedOn {
			r.Errorf("%s: times of %+v", p.javaScript, job)
		}
	}
	r.node.quiet()
}

func testAddInGoRunInNode(t *testing.T) { withBothMajors(t, nodeWorksOffWhatGoAdds) }

func nodeWorksOffWhatGoAdds(r *rig) {
	begun := time.Now().Truncate(time.Millisecond)
	q := r.queue("q")
	r.node.do(nil, `$.state.ran = []; await $.worker('q', async (job) => { $.state.ran.push($.plain(job)); return job.data }, { name: 'js' })`)
	opts := bullmq.JobOptions{Attempts: 3, Backoff: &bullmq.Backoff{Type: "fixed", Delay: time.Second}, Priority: 2}
	for _, p := range payloads {
		id := r.add(q, "echo", json.RawMessage(p.json), opts)
		r.reaches(q, id, bullmq.StateCompleted)
		job, err := q.Job(r.Context(), id)
		r.ok(err)
		r.same("data of "+p.json, job.Data, json.RawMessage(p.json))
		r.same("return value of "+p.json, job.ReturnValue, json.RawMessage(p.json))
		if job.AttemptsMade != 1 || job.AttemptsStarted != 1 || job.ProcessedBy != "js" || job.Name != "echo" {
			r.Errorf("%s: %+v", p.json, job)
		}
		if job.Timestamp.Before(begun) || job.ProcessedOn.Before(begun) || job.FinishedOn.Before(job.ProcessedOn) {
			r.Errorf("%s: times of %+v", p.json, job)
		}
	}
	var ran []nodeJob
	r.node.do(&ran, `return $.state.ran`)
	if len(ran) != len(payloads) {
		r.Fatalf("Node ran %d jobs, want %d", len(ran), len(payloads))
	}
	for i, p := range payloads {
		r.same("name that the processor saw", ran[i].Name, "echo")
		r.same("data that the processor saw", ran[i].Data, json.RawMessage(p.json))
		r.same("options that the processor saw", ran[i].Opts, json.RawMessage(`{"attempts":3,"backoff":{"type":"fixed","delay":1000},"priority":2}`))
	}
	r.node.quiet()
}

func testAddOptionsFromGo(t *testing.T) {
	two := 2
	made := time.UnixMilli(1_700_000_000_001).UTC()
	cases := []struct {
		name string
		opts bullmq.JobOptions
		want string // Node's options
	}{
		{"none", bullmq.JobOptions{}, `{"attempts":0}`},
		{"id and attempts", bullmq.JobOptions{ID: "mine", Attempts: 3}, `{"attempts":3,"jobId":"mine"}`},
		{"fixed backoff", bullmq.JobOptions{Attempts: 2, Backoff: &bullmq.Backoff{Type: "fixed", Delay: time.Second}}, `{"attempts":2,"backoff":{"type":"fixed","delay":1000}}`},
		{"backoff with jitter", bullmq.JobOptions{Attempts: 2, Backoff: &bullmq.Backoff{Type: "exponential", Delay: time.Second, Jitter: 0.5}}, `{"attempts":2,"backoff":{"type":"exponential","delay":1000,"jitter":0.5}}`},
		{"delay", bullmq.JobOptions{Delay: time.Hour}, `{"attempts":0,"delay":3600000}`},
		{"priority", bullmq.JobOptions{Priority: bullmq.MaxPriority}, `{"attempts":0,"priority":2097151}`},
		{"lifo", bullmq.JobOptions{LIFO: true}, `{"attempts":0,"lifo":true}`},
		{"timestamp", bullmq.JobOptions{Timestamp: made}, `{"attempts":0,"timestamp":1700000000001}`},
		{"keep logs and stacks", bullmq.JobOptions{KeepLogs: 4, StackTraceLimit: &two}, `{"attempts":0,"keepLogs":4,"stackTraceLimit":2}`},
		{"remove at once, keep some", bullmq.JobOptions{RemoveOnComplete: &bullmq.Keep{None: true}, RemoveOnFail: &bullmq.Keep{Count: 7}}, `{"attempts":0,"removeOnComplete":true,"removeOnFail":7}`},
		{"keep all", bullmq.JobOptions{RemoveOnComplete: &bullmq.Keep{}}, `{"attempts":0,"removeOnComplete":false}`},
		{"keep by age", bullmq.JobOptions{RemoveOnComplete: &bullmq.Keep{Age: time.Hour, Count: 10, Limit: 5}}, `{"attempts":0,"removeOnComplete":{"age":3600,"count":10,"limit":5}}`},
		{"unknown option", bullmq.JobOptions{Extra: map[string]json.RawMessage{"tenant": json.RawMessage(`{"id":7}`)}}, `{"attempts":0,"tenant":{"id":7}}`},
	}
	withBothMajors(t, func(r *rig) {
		q := r.queue("q")
		for _, c := range cases {
			id := r.add(q, "n", nil, c.opts)
			var job nodeJob
			r.node.do(&job, `return $.plain(await $.queue('q').getJob(args[0]))`, id)
			r.same("options: "+c.name, job.Opts, json.RawMessage(c.want))
			again, err := q.Job(r.Context(), id)
			r.ok(err)
			if g, w := again.Options, c.opts; g.ID != w.ID || g.Attempts != w.Attempts || g.Delay != w.Delay || g.Priority != w.Priority || g.LIFO != w.LIFO || !g.Timestamp.Equal(w.Timestamp) || g.KeepLogs != w.KeepLogs {
				r.Errorf("%s: Go reads back %+v, wrote %+v", c.name, g, w)
			}
		}
	})
}

func testAddOptionsFromNode(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		q := r.queue("q")
		var id string
		r.node.do(&id, `return (await $.queue('q').add('n', { n: 1 }, {
			jobId: 'mine', attempts: 4, backoff: { type: 'exponential', delay: 500, jitter: 0.25 }, delay: 60000, priority: 9,
			keepLogs: 3, stackTraceLimit: 2, removeOnComplete: { age: 60, count: 5 }, removeOnFail: true, tenant: 'north',
		})).id`)
		job, err := q.Job(r.Context(), id)
		r.ok(err)
		o := job.Options
		if o.ID != "mine" || o.Attempts != 4 || o.Delay != time.Minute || o.Priority != 9 || o.KeepLogs != 3 || o.StackTraceLimit == nil || *o.StackTraceLimit != 2 {
			r.Errorf("options %+v", o)
		}
		if b := o.Backoff; b == nil || *b != (bullmq.Backoff{Type: "exponential", Delay: 500 * time.Millisecond, Jitter: 0.25}) {
			r.Errorf("backoff %+v", b)
		}
		if k := o.RemoveOnComplete; k == nil || k.Age != time.Minute || k.Count != 5 || k.None {
			r.Errorf("remove on complete %+v", k)
		}
		if k := o.RemoveOnFail; k == nil || !k.None {
			r.Errorf("remove on fail %+v", k)
		}
		r.same("the unknown option", o.Extra["tenant"], "north")
		if job.Delay != time.Minute || job.Priority != 9 {
			r.Errorf("delay %v, priority %d", job.Delay, job.Priority)
		}
		r.node.do(&id, `return (await $.queue('q').add('n', {}, { backoff: 250, removeOnComplete: 3, removeOnFail: false })).id`)
		job, err = q.Job(r.Context(), id)
		r.ok(err)
		if b := job.Options.Backoff; b == nil || b.Type != "fixed" || b.Delay != 250*time.Millisecond {
			r.Errorf("backoff as a number: %+v", b)
		}
		if k := job.Options.RemoveOnComplete; k == nil || k.Count != 3 || k.None {
			r.Errorf("remove on complete as a number: %+v", k)
		}
		if k := job.Options.RemoveOnFail; k == nil || k.None || k.Count != 0 || k.Age != 0 {
			r.Errorf("remove on fail as false: %+v", k)
		}
	})
}

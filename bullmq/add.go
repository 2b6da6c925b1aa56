package bullmq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"schoolbell/bullmq/internal/script"
	"schoolbell/bullmq/internal/wire"
)

// Add adds a job. name is the kind of job, for the handler. data is any value that encodes to
// JSON; a json.RawMessage is stored unchanged, and nil becomes {}.
//
// A job whose id is taken is not added, and the existing job is not changed. The returned Job
// then has only its ID and Existed set. If Options.Deduplication drops the job, the ID is the
// holder's, and DeduplicationID is set too.
//
// Errors are [ErrInvalid] before anything is sent, a [*ScriptError] with
// [CodeParentNotFound] or [CodeParentConflict], or an error of Redis. If the connection
// breaks, the job may or may not have been added. A job with a caller-supplied id can safely
// be added again.
func (q *Queue) Add(ctx context.Context, name string, data any, opts JobOptions) (job *Job, err error) {
	ctx, trace, end := q.traceAdd(ctx, Span{Operation: SpanAdd, JobName: name, Jobs: 1})
	defer func() { end(addEnd(job, err)) }()
	opts.carry(trace)
	a, err := q.prepare(JobSpec{Name: name, Data: data, Options: opts})
	if err != nil {
		return nil, err
	}
	if !a.plain() {
		if a.added, err = run(ctx, q, a.script()); err != nil {
			return nil, err
		}
		return a.result()
	}
	if err := q.adds.Do(ctx, a); err != nil {
		return nil, fmt.Errorf("bullmq: add: %w", err)
	}
	if a.err != nil {
		return nil, a.err
	}
	return a.result()
}

// AddBulk adds several jobs in one pipeline: one round trip, but not one transaction. The
// returned jobs are in the order of specs. If some fail, the error joins their errors, and
// they are nil in the result. If one is invalid, nothing is sent. Of two jobs with the same ID,
// the second has Existed set, as with two calls of Add.
func (q *Queue) AddBulk(ctx context.Context, specs []JobSpec) (_ []*Job, err error) {
	if len(specs) == 0 {
		return nil, nil
	}
	ctx, trace, end := q.traceAdd(ctx, q.bulkSpan(specs))
	defer func() { end(SpanEnd{Err: err}) }()
	additions := make([]*addition, len(specs))
	for i, spec := range specs {
		spec.Options.carry(trace)
		a, err := q.prepare(spec)
		if err != nil {
			return nil, err
		}
		additions[i] = a
	}
	if err := q.askServer(ctx); err != nil {
		return nil, err
	}
	q.addAll(ctx, additions)
	jobs, errs := make([]*Job, len(specs)), make([]error, len(specs))
	for i, a := range additions {
		if errs[i] = a.err; a.err == nil {
			jobs[i], errs[i] = a.result()
		}
	}
	return jobs, errors.Join(errs...)
}

// addition is a job that is ready to be added.
type addition struct {
	job    *Job
	stored script.Job
	parent string // as the job stores it, JSON; empty for none
	added  script.Added
	err    error
}

// plain reports whether script.AddMany can add the job: it has no parent, no children and no
// deduplication id.
func (a *addition) plain() bool {
	o := &a.job.Options
	return o.Parent == nil && !o.waitForChildren && o.Deduplication == nil
}

// size returns how many bytes the longer arguments have.
func (a *addition) size() int {
	return len(a.stored.Name) + len(a.stored.Data) + len(a.stored.Options)
}

// script returns the call that adds only this job.
func (a *addition) script() script.Add {
	q := a.job.q
	return script.Add{
		Mode: q.mode, Job: a.stored, ParentKey: a.job.ParentKey, Parent: a.parent, MaxEvents: q.opts.MaxEvents,
		Dedup: a.job.Options.Deduplication.forScript(),
	}
}

// prepare checks a job and encodes it.
func (q *Queue) prepare(spec JobSpec) (*addition, error) {
	o := q.withDefaults(spec.Options)
	if err := o.validate(); err != nil {
		return nil, err
	}
	if err := checkText("name", spec.Name); err != nil {
		return nil, err
	}
	if p := o.Parent; p != nil && p.ID == o.ID && p.Queue == q.QualifiedName() {
		return nil, invalid("job %q is its own Parent", o.ID)
	}
	data := []byte("{}")
	if spec.Data != nil {
		var err error
		if data, err = encodeValue(spec.Data); err != nil {
			return nil, err
		}
	}
	if o.SizeLimit > 0 && len(data) > o.SizeLimit {
		return nil, invalid("data has %d bytes, the limit is %d", len(data), o.SizeLimit)
	}
	timestamp := o.Timestamp
	if timestamp.IsZero() {
		timestamp = q.now()
	}
	timestamp = wire.FromMillis(wire.Millis(timestamp))

	job := &Job{
		ID: o.ID, Name: spec.Name, Data: json.RawMessage(data), Options: o, Delay: o.Delay, Priority: o.Priority,
		Timestamp: timestamp, q: q,
	}
	a := &addition{job: job, stored: script.Job{
		Where: o.where(), ID: o.ID, Name: spec.Name, Data: data, Options: encodeOptions(&job.Options),
		Timestamp: wire.Millis(timestamp), Delay: o.Delay.Milliseconds(), Priority: o.Priority,
	}}
	if o.Parent != nil {
		job.ParentKey = o.Parent.Queue + ":" + o.Parent.ID
		a.parent = o.parentField()
	}
	if d := o.Deduplication; d != nil {
		job.DeduplicationID = d.ID
	}
	return a, nil
}

// result returns the job that was added, or the one that existed.
func (a *addition) result() (*Job, error) {
	if err := refusal(a.added.Refusal, "add", a.job.ID, a.job.ParentKey); err != nil {
		return nil, err
	}
	if a.added.Existed {
		j := a.job.q.newJob(a.added.ID)
		j.Existed = true
		if a.added.Dropped {
			j.DeduplicationID = a.job.DeduplicationID
		}
		return j, nil
	}
	a.job.ID = a.added.ID
	return a.job, nil
}

// withDefaults fills unset options from the queue's.
func (q *Queue) withDefaults(o JobOptions) JobOptions {
	d := &q.opts.DefaultJobOptions
	setDefault(&o.Delay, d.Delay)
	setDefault(&o.Priority, d.Priority)
	setDefault(&o.Attempts, d.Attempts)
	setDefault(&o.Backoff, d.Backoff)
	setDefault(&o.LIFO, d.LIFO)
	setDefault(&o.OnFailure, d.OnFailure)
	setDefault(&o.RemoveOnComplete, d.RemoveOnComplete)
	setDefault(&o.RemoveOnFail, d.RemoveOnFail)
	setDefault(&o.KeepLogs, d.KeepLogs)
	setDefault(&o.StackTraceLimit, d.StackTraceLimit)
	setDefault(&o.SizeLimit, d.SizeLimit)
	if o.Extra == nil {
		o.Extra = d.Extra
	}
	return o
}

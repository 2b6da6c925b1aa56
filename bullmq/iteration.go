package bullmq

import (
	"errors"
	"fmt"
	"time"

	"schoolbell/bullmq/internal/repeat"
	"schoolbell/bullmq/internal/script"
	"schoolbell/bullmq/internal/wire"
)

// scheduleNext adds the job after a scheduler's job that is about to run. It is repeated while
// Redis is unavailable, because the schedule would end without it.
func (s *session) scheduleNext(job *Job) {
	scheduler := !job.mayRepeat()
	var err error
	if !scheduler {
		var next script.NextJob
		next, err = addNext(s, job, s.nextRepeatable)
		scheduler = err == nil && next.Number == 1
	}
	if scheduler {
		_, err = addNext(s, job, s.nextIteration)
		if err == nil && job.endsRepeatable() {
			err = errors.New("BullMQ 5 makes no further job for a key of three or four parts")
		}
	}
	if err != nil && !errors.Is(err, repeat.ErrNoNext) {
		s.report(fmt.Errorf("scheduler %s: no job after %s: %w", shortID(job.SchedulerID), shortID(job.ID), err))
	}
}

// addNext calls the script that adds the next job.
func addNext[S script.Script[script.NextJob]](s *session, job *Job, prepare func(*Job) (S, error)) (next script.NextJob, err error) {
	call, err := prepare(job)
	if err != nil {
		return next, err
	}
	_, end := startSpan(s.work, s.opts.Tracer, Span{
		Operation: SpanAdd, Queue: s.q.name, JobName: job.Name, SchedulerID: job.SchedulerID, Jobs: 1,
	}, nil)
	reply, err := s.store(job, "schedule the job after", call.Call())
	next = call.Reply(reply)
	end(SpanEnd{Err: err, JobID: next.ID})
	return next, err
}

func (w *Worker) nextIteration(job *Job) (next script.NextIteration, err error) {
	it, err := repeat.Decode(job.rawOptions)
	if err != nil {
		return next, err
	}
	now := wire.FromMillis(wire.Millis(w.q.now()))
	at, err := it.Next(now, w.strategy(&it.Repetition, job.Name))
	if err != nil {
		return next, err
	}
	o, dedup := &job.Options, ""
	if o.Deduplication != nil {
		dedup = o.Deduplication.ID
	}
	return script.NextIteration{
		Mode: w.q.mode, Now: wire.Millis(now), Scheduler: job.SchedulerID, JobID: job.ID, At: at,
		Head: it.Head(job.SchedulerID, now), IDHead: repeat.JobIDHead(job.SchedulerID), Priority: o.Priority, LIFO: o.LIFO,
		DedupID: dedup, MaxEvents: w.q.opts.MaxEvents, Name: job.Name, Data: job.Data,
	}, nil
}

// strategy returns the worker's own strategy for a stored schedule, nil if it has none.
func (w *Worker) strategy(r *repeat.Repetition, name string) repeat.Strategy {
	if w.opts.Repeat == nil {
		return nil
	}
	s := Schedule{Pattern: r.Pattern, TZ: r.TZ, Limit: r.Limit, Start: wire.FromMillis(r.Start), End: wire.FromMillis(r.End)}
	return func(after time.Time) (time.Time, error) { return w.opts.Repeat.next(after, s, name) }
}

// nextRepeatable returns the call that adds the next job.
func (w *Worker) nextRepeatable(job *Job) (next script.NextRepeatable, err error) {
	r, err := repeat.DecodeRepeatable(job.rawOptions)
	if err != nil {
		return next, err
	}
	if job.Options.Parent != nil {
		return next, errors.New("a repeatable job with a parent is not continued")
	}
	now := wire.FromMillis(wire.Millis(w.q.now()))
	at, err := r.After(now, w.strategy(&r.Repetition, job.Name))
	if err != nil {
		return next, err
	}
	delay := at - wire.Millis(now)
	if r.Offset != nil {
		delay += *r.Offset
	}
	delay = max(delay, 0)
	o := job.Options
	o.Delay = time.Duration(delay) * time.Millisecond
	next = script.NextRepeatable{
		Mode: w.q.mode, Now: wire.Millis(now), Scheduler: job.SchedulerID, At: at, Delay: delay, Name: job.Name, Data: job.Data,
		Priority: o.Priority, Where: o.where(), MaxEvents: w.q.opts.MaxEvents, Dedup: o.Deduplication.forScript(),
	}
	for _, key := range r.Keys(job.Name, job.SchedulerID) {
		id := repeat.JobID(job.Name, job.Data, key, at)
		next.Keys = append(next.Keys, script.RepeatableKey{Key: key, JobID: id, Options: r.Encode(id, at, delay, now)})
	}
	return next, nil
}

package bullmq

import (
	"errors"
	"fmt"

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

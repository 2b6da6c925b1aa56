package bullmq

import (
	"context"
	"errors"
	"fmt"
	"time"

	"schoolbell/bullmq/internal/script"
	"schoolbell/bullmq/internal/wire"
)

// ending is an outcome to store. If it has a token, a job is started in its place.
type ending struct {
	job     *Job
	op      string         // for errors
	set     string         // completed or failed
	value   any            // the result (JSON) or the reason: bytes or a string
	attempt script.Attempt // that has failed
	keep    script.Keep
	token   string

	at   time.Time // when it was stored
	next *Job
	err  error
}

// size returns how many bytes the longer arguments of an ending have.
func (e *ending) size() int {
	n := len(e.attempt.Trace) + len(e.attempt.Context)
	switch value := e.value.(type) {
	case []byte:
		return n + len(value)
	case string:
		return n + len(value)
	}
	return n
}

// end stores a job's outcome and returns the next job for its slot, if there is one. Outcomes of
// several slots are sent together.
func (s *session) end(e *ending) (*Job, error) {
	if s.takesJobs() {
		e.token = s.inFlight.newToken()
	}
	_ = s.ends.Do(context.Background(), e) // flushEnds watches the session's contexts
	if e.err != nil && e.token != "" {
		s.inFlight.forget(e.token)
	}
	return e.next, e.err
}

// flushEnds stores outcomes. It repeats the call while Redis is unavailable.
func (s *session) flushEnds(_ context.Context, ends []*ending) {
	now := wire.FromMillis(wire.Millis(s.q.now()))
	for _, e := range ends {
		e.at = now
	}
	call := s.finish(now, ends).Call()
	reply, repeated, err := s.retryUntilStored(call)
	if err != nil {
		for _, e := range ends {
			e.err = err
		}
		return
	}
	s.take(ends, script.Finish{}.Reply(reply), repeated)
}

// retryUntilStored calls a script until Redis has replied or the session gives up. repeated
// reports that an earlier call may have been carried out.
func (s *session) retryUntilStored(call script.Call) (reply any, repeated bool, err error) {
	var wait retryDelay
	for {
		if reply, err = s.call(s.record, call); err == nil {
			return reply, repeated, nil
		}
		if !errors.Is(err, ErrUnavailable) || s.record.Err() != nil {
			return nil, repeated, err
		}
		repeated = true
		s.health.setOrphans(true)
		sleep(s.record, wait.next())
	}
}

// finish is the call that stores endings.
func (w *Worker) finish(now time.Time, ends []*ending) script.Finish {
	call := script.Finish{
		Mode: w.q.mode, Now: wire.Millis(now), MetricsPoints: int64(max(w.opts.MetricsPoints, 0)), Worker: w.forScript(),
		Ends: make([]script.End, len(ends)),
	}
	for i, e := range ends {
		call.Ends[i] = script.End{
			ID: e.job.ID, Token: e.job.token, Set: e.set, Value: e.value, Trace: e.attempt.Trace,
			Attempts: e.job.Options.Attempts, Keep: e.keep, Next: e.token, Context: e.attempt.Context,
		}
	}
	return call
}

// take gives each ending its part of the script's reply.
func (s *session) take(ends []*ending, reply script.Finished, repeated bool) {
	jobs := s.startedJobs(reply.Started)
	s.noFurther(reply.Later)
	idle := false
	for i, e := range ends {
		if i < len(reply.Ends) && e.read(reply.Ends[i]) {
			continue
		}
		switch {
		case e.err != nil && repeated:
			// An earlier call whose reply was lost stored the outcome, or the lock has expired
			// since. There is nothing left to do. That call may have started a job.
			s.log.Debug("outcome was already stored, or the lock had run out", "job", shortID(e.job.ID), "error", e.err)
			e.err = nil
			if e.token != "" {
				s.lostReply(e.token)
			}
			s.state.FetchNow()
		case e.err != nil || e.token == "":
		case jobs[e.token] != nil:
			e.next = jobs[e.token]
		default:
			s.inFlight.forget(e.token)
			idle = true
		}
	}
	if idle {
		s.foundNone(reply.Later)
	}
}

// read notes the reply for this job. It reports whether it is an error of Redis.
func (e *ending) read(ended script.Ended) (failed bool) {
	if ended.Failure != "" {
		e.err = fmt.Errorf("bullmq: %s job %s: %w", e.op, shortID(e.job.ID), classified(context.Background(), scriptReply(ended.Failure)))
		return true
	}
	e.err = refusal(ended.Refusal, e.op, e.job.ID, "")
	return false
}

// startedJobs are the jobs that were started, by their tokens.
func (s *session) startedJobs(started []script.Started) map[string]*Job {
	if len(started) == 0 {
		return nil
	}
	s.state.FoundJob()
	jobs := make(map[string]*Job, len(started))
	for _, job := range started {
		jobs[job.Token] = s.startedJob(job)
	}
	return jobs
}

// startedJob is a job that Redis has just started for this worker.
func (w *Worker) startedJob(s script.Started) *Job {
	job := w.q.jobFromList(s.ID, s.Hash)
	job.ProcessedOn = wire.FromMillis(wire.Millis(w.q.now()))
	job.ProcessedBy = w.opts.Name
	job.AttemptsStarted = int(s.Starts)
	job.w, job.token = w, s.Token
	return job
}

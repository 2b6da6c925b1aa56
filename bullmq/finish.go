package bullmq

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ending is an outcome that is to be stored and, if it has a token, a job to be
// started in its place.
type ending struct {
	job               *Job
	op                string // for errors
	set               string // completed or failed
	value             any    // the result (JSON) or the reason: bytes or a string
	trace             []byte
	kept              string // the trace context that the job keeps
	count, age, limit string // as keepArgs returns them
	token             string

	at   time.Time // when it was stored
	next *Job
	err  error
}

// size is how many bytes an ending sends, but for what is short.
func (e *ending) size() int {
	switch value := e.value.(type) {
	case []byte:
		return len(value) + len(e.trace)
	case string:
		return len(value) + len(e.trace) + len(e.kept)
	}
	return len(e.trace)
}

// end stores how a job ended and returns the next one for its slot, if there is
// one. Outcomes of several slots go out together.
func (s *session) end(e *ending) (*Job, error) {
	if s.takesJobs() {
		e.token = s.w.take()
	}
	_ = s.ends.Do(context.Background(), e) // flushEnds watches the session's contexts
	if e.err != nil && e.token != "" {
		s.w.drop(e.token)
	}
	return e.next, e.err
}

// flushEnds stores outcomes, again and again while Redis is away.
func (s *session) flushEnds(_ context.Context, ends []*ending) {
	now := fromMillis(millis(s.w.q.now()))
	for _, e := range ends {
		e.at = now
	}
	args := s.w.finishArgs(now, ends)
	reply, repeated, err := s.insist(scriptFinish, args)
	if err != nil {
		for _, e := range ends {
			e.err = err
		}
		return
	}
	s.take(ends, reply, repeated)
}

// insist calls a script until Redis has answered or the session gives up. repeated
// says that an earlier call may have been carried out.
func (s *session) insist(script *script, args []any) (reply any, repeated bool, err error) {
	var wait retryDelay
	for {
		if reply, err = s.w.call(s.record, script, args...); err == nil {
			return reply, repeated, nil
		}
		if !errors.Is(err, ErrUnavailable) || s.record.Err() != nil {
			return nil, repeated, err
		}
		repeated = true
		s.w.health.setOrphans(true)
		sleep(s.record, wait.next())
	}
}

func (w *Worker) finishArgs(now time.Time, ends []*ending) []any {
	maxJobs, duration := w.limiterArgs()
	args := make([]any, 0, 8+10*len(ends))
	args = append(args, w.q.mode, millis(now), w.metricsArg(), w.opts.LockDuration.Milliseconds(),
		maxJobs, duration, w.opts.Name, len(ends))
	for _, e := range ends {
		args = append(args, e.job.ID, e.job.token, e.set, e.value, e.trace, e.job.Options.Attempts,
			e.count, e.age, e.limit, e.token)
	}
	for i, e := range ends {
		if e.kept != "" {
			args = append(args, i+1, e.kept)
		}
	}
	return args
}

// take gives each ending its part of the script's answer.
func (s *session) take(ends []*ending, reply any, repeated bool) {
	list, _ := reply.([]any)
	if len(list) < 3 {
		list = make([]any, 3)
	}
	outcomes, _ := list[0].([]any)
	jobs := s.w.startedJobs(list[1])
	idle := false
	for i, e := range ends {
		var outcome any
		if i < len(outcomes) {
			outcome = outcomes[i]
		}
		if e.read(outcome) {
			continue
		}
		switch {
		case e.err != nil && repeated:
			// An earlier call, whose reply was lost, stored the outcome, or the lock ran
			// out meanwhile: either way it is not for this worker to do more. That call
			// may have started a job.
			s.w.log.Debug("outcome was already stored, or the lock had run out", "job", shortID(e.job.ID), "error", e.err)
			e.err = nil
			if e.token != "" {
				s.w.lostReply(e.token)
			}
			s.w.pace.look()
		case e.err != nil || e.token == "":
		case jobs[e.token] != nil:
			e.next = jobs[e.token]
		default:
			s.w.drop(e.token)
			idle = true
		}
	}
	if later, _ := list[2].([]any); idle && len(later) == 2 {
		s.w.foundNone(number(later[0]), number(later[1]))
	}
}

// read reads what the script answered for this job. It reports whether Redis failed at it.
func (e *ending) read(outcome any) (failed bool) {
	if text, failed := outcome.(string); failed {
		e.err = fmt.Errorf("bullmq: %s job %s: %w", e.op, shortID(e.job.ID), classified(context.Background(), scriptReply(text)))
		return true
	}
	e.err = refusal(outcome, e.op, e.job.ID, "")
	return false
}

// startedJobs reads the jobs that were started, by their tokens.
func (w *Worker) startedJobs(reply any) map[string]*Job {
	list, _ := reply.([]any)
	if len(list) == 0 {
		return nil
	}
	w.pace.busy()
	jobs := make(map[string]*Job, len(list))
	for _, entry := range list {
		f, _ := entry.([]any)
		if len(f) < 4 {
			continue
		}
		hash, _ := f[0].([]any)
		id, _ := f[1].(string)
		token, _ := f[2].(string)
		jobs[token] = w.startedJob(id, hash, token, number(f[3]))
	}
	return jobs
}

// startedJob is a job that Redis has just started for this worker.
func (w *Worker) startedJob(id string, hash []any, token string, started int64) *Job {
	job := w.q.jobFromList(id, hash)
	job.ProcessedOn = fromMillis(millis(w.q.now()))
	job.ProcessedBy = w.opts.Name
	job.AttemptsStarted = int(started)
	job.w, job.token = w, token
	return job
}

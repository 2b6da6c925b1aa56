package bullmq

import (
	// names jobs as BullMQ 5 does; it protects nothing

	"errors"
	"strings"
	"time"

	"schoolbell/bullmq/internal/repeat"
	"schoolbell/bullmq/internal/script"
	"schoolbell/bullmq/internal/wire"
)

// mayRepeat reports whether a job may belong to a repeatable job. Older versions of BullMQ did
// not store the key in the job, only its option repeat.
func (j *Job) mayRepeat() bool {
	if j.SchedulerID == "" {
		return strings.HasPrefix(j.ID, "repeat:") && strings.Contains(j.rawOptions, `"repeat"`)
	}
	return repeat.IsRepeatable(j.SchedulerID)
}

// endsRepeatable reports whether a job belongs to a repeatable job that BullMQ 5 itself does not
// continue: its first job has an MD5 in its id, and its next would be a scheduler's.
func (j *Job) endsRepeatable() bool {
	return repeat.HasSumID(j.SchedulerID) && !repeat.IsRepeatable(j.SchedulerID) && !strings.HasPrefix(j.ID, "repeat:"+j.SchedulerID+":")
}

// schedulerOfKey decodes a repeatable job from its key, if BullMQ has stored nothing else.
func schedulerOfKey(key string, at float64) *Scheduler {
	name, r := repeat.ParseKey(key)
	return &Scheduler{
		ID: key, Next: wire.FromMillis(int64(at)), Template: JobTemplate{Name: name},
		Schedule: Schedule{Every: wire.Duration(float64(r.Every)), Pattern: r.Pattern, End: wire.FromMillis(r.End), TZ: r.TZ},
	}
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

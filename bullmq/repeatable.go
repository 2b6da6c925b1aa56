package bullmq

import (
	// names jobs as BullMQ 5 does; it protects nothing

	"strings"

	"schoolbell/bullmq/internal/repeat"
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

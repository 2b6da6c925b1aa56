package script

import "schoolbell/bullmq/internal/wire"

// UpsertScheduler makes or changes a scheduler and adds the job of its next run.
type UpsertScheduler struct {
	Mode            string
	Now             int64 // ms
	ID              string
	Every           int64 // ms, 0 for a pattern
	At              int64 // next run of a pattern, ms
	Offset, Start   int64 // ms, 0 for none
	Name            string
	Data            []byte // JSON of the template, empty for none
	Template        string // options, JSON
	Head            string // options of the job without their closing brace
	IDHead          string // the job's id as JSON, up to its time
	Priority        int
	LIFO            bool
	MaxEvents       int64    // for a queue without a limit of its own
	SchedulerFields []string // further fields of the scheduler's hash, names and values in turn
}

// Call implements [Script].
func (s UpsertScheduler) Call() Call {
	args := []any{
		s.Mode, s.Now, s.ID, wire.Optional(s.Every), wire.Optional(s.At), wire.Optional(s.Offset), wire.Optional(s.Start), s.Name, s.Data, s.Template,
		s.Head, s.IDHead, s.Priority, flag(s.LIFO), s.MaxEvents,
	}
	return Call{upsertScheduler, appendTexts(args, s.SchedulerFields)}
}

// Upserted is the job of a scheduler's next run.
type Upserted struct {
	ID      string
	Delay   int64  // ms
	Options string // JSON
	Refusal int64  // negative if the scheduler was refused
}

// Reply implements [Script].
func (UpsertScheduler) Reply(reply any) Upserted {
	if list, _ := reply.([]any); len(list) == 3 {
		id, _ := list[0].(string)
		options, _ := list[2].(string)
		return Upserted{ID: id, Delay: Number(list[1]), Options: options}
	}
	return Upserted{Refusal: min(Number(reply), 0)}
}

// RemoveScheduler removes a scheduler, and its next job if that is still delayed. It returns
// 1, or 0 if there is no such scheduler.
type RemoveScheduler struct {
	numberReply
	Mode, ID string
	IDHeads  []string // up to their times, of the jobs of a repeatable job of BullMQ 5
}

// Call implements [Script].
func (s RemoveScheduler) Call() Call {
	return Call{removeScheduler, appendTexts([]any{s.Mode, s.ID}, s.IDHeads)}
}

// NextJob is the result of adding the next job.
type NextJob struct {
	ID     string // of the job, empty if none was added
	Number int64  // that was returned in its place
}

func readNextJob(reply any) NextJob {
	if id, ok := reply.(string); ok {
		return NextJob{ID: id}
	}
	return NextJob{Number: Number(reply)}
}

// NextIteration adds the job that follows a scheduler's job which is being started.
type NextIteration struct {
	Mode      string
	Now       int64 // ms
	Scheduler string
	JobID     string // of the job being started
	At        int64  // next run of a pattern, ms; 0 for a fixed interval
	Head      string // options of the job without their closing brace
	IDHead    string // the job's id as JSON, up to its time
	Priority  int
	LIFO      bool
	DedupID   string // empty for none
	MaxEvents int64  // for a queue without a limit of its own
	Name      string // of the job being started
	Data      []byte // of the job being started, JSON
}

// Call implements [Script].
func (s NextIteration) Call() Call {
	return Call{nextIteration, []any{
		s.Mode, s.Now, s.Scheduler, s.JobID, wire.Optional(s.At), s.Head, s.IDHead, s.Priority, flag(s.LIFO), s.DedupID, s.MaxEvents,
		s.Name, s.Data,
	}}
}

// Reply implements [Script].
func (NextIteration) Reply(reply any) NextJob { return readNextJob(reply) }

// NextRepeatable adds the job that follows a repeatable job of BullMQ 5 which is being
// started. Its number is 1 for a scheduler of the newer kind.
type NextRepeatable struct {
	Mode      string
	Now       int64  // ms
	Scheduler string // of the job being started, empty for none
	At        int64  // next run, ms
	Delay     int64  // ms
	Name      string
	Data      []byte // JSON
	Priority  int
	Where     string // as of [Job]
	MaxEvents int64  // for a queue without a limit of its own
	Dedup     Dedup
	Keys      []RepeatableKey
}

// RepeatableKey is a key under which a repeatable job may be stored, with the job that it
// would have next.
type RepeatableKey struct{ Key, JobID, Options string }

// Call implements [Script].
func (s NextRepeatable) Call() Call {
	args := []any{s.Mode, s.Now, s.Scheduler, s.At, s.Delay, s.Name, s.Data, s.Priority, s.Where, s.MaxEvents}
	args = append(args, s.Dedup.args()...)
	for _, k := range s.Keys {
		args = append(args, k.Key, k.JobID, k.Options)
	}
	return Call{nextRepeatable, args}
}

// Reply implements [Script].
func (NextRepeatable) Reply(reply any) NextJob { return readNextJob(reply) }

package script

import "schoolbell/bullmq/internal/wire"

// Progress stores a job's progress. It returns 0 or a refusal.
type Progress struct {
	numberReply
	ID       string
	Progress []byte // JSON
}

// Call implements [Script].
func (s Progress) Call() Call { return Call{progress, []any{s.ID, s.Progress}} }

// Log appends a line to a job's log. It returns how many lines are kept, or a refusal.
type Log struct {
	numberReply
	ID, Line string
	Keep     int64 // how many lines, 0 for all
}

// Call implements [Script].
func (s Log) Call() Call { return Call{log, []any{s.ID, s.Line, wire.Optional(s.Keep)}} }

// UpdateData replaces a job's payload. It returns 0 or a refusal.
type UpdateData struct {
	numberReply
	ID   string
	Data []byte // JSON
}

// Call implements [Script].
func (s UpdateData) Call() Call { return Call{updateData, []any{s.ID, s.Data}} }

// ChangeDelay counts a delayed job's delay from now. It returns 0 or a refusal.
type ChangeDelay struct {
	numberReply
	Mode  string
	Now   int64 // ms
	ID    string
	Delay int64 // ms
}

// Call implements [Script].
func (s ChangeDelay) Call() Call { return Call{changeDelay, []any{s.Mode, s.Now, s.ID, s.Delay}} }

// ChangePriority changes a job's priority and, if it waits, its position. It returns 0 or a
// refusal.
type ChangePriority struct {
	numberReply
	Mode, ID string
	Priority int
	Front    bool // of its priority
}

// Call implements [Script].
func (s ChangePriority) Call() Call {
	return Call{changePriority, []any{s.Mode, s.ID, s.Priority, flag(s.Front)}}
}

// Refund gives back the start that a job took from the limiter's window. It returns 1, or 0
// if there was nothing to give back.
type Refund struct {
	numberReply
	Now, Started  int64 // ms
	Max, Duration int64 // of the worker's limiter, 0 for none; the duration in ms
}

// Call implements [Script].
func (s Refund) Call() Call {
	return Call{refund, []any{s.Now, s.Started, wire.Optional(s.Max), wire.Optional(s.Duration)}}
}

// FreeDedup frees a deduplication id that a job holds. It returns 1, or 0 if the job does not
// hold it.
type FreeDedup struct {
	numberReply
	JobID, DedupID string
}

// Call implements [Script].
func (s FreeDedup) Call() Call { return Call{freeDedup, []any{s.JobID, s.DedupID}} }

// LeaveParent ends a job's tie to its parent, which no longer waits for it. It returns 0, 1 if
// the parent did not wait, or a refusal.
type LeaveParent struct {
	numberReply
	Mode, ID, ParentKey string
}

// Call implements [Script].
func (s LeaveParent) Call() Call { return Call{leaveParent, []any{s.Mode, s.ID, s.ParentKey}} }

// RemoveOpenChildren removes the children of a job that have not finished, and theirs.
type RemoveOpenChildren struct {
	numberReply
	Mode, ID string
}

// Call implements [Script].
func (s RemoveOpenChildren) Call() Call { return Call{removeOpenChildren, []any{s.Mode, s.ID}} }

package script

import (
	"cmp"
	"slices"

	"schoolbell/bullmq/internal/wire"
)

// Started is a job that was started for a worker.
type Started struct {
	ID, Token string
	Hash      []any // names and values in turn
	Starts    int64 // how often the job has been started
}

// Later is when to fetch again. A time that is not known is zero.
type Later struct {
	Rest int64 // for which a rate limit holds, ms
	Due  int64 // when the next delayed job is due, ms since 1970
	// None reports that no further job waits.
	None bool
}

// Fetched is the next job, and when to ask again.
type Fetched struct {
	Job *Started // nil for none
	Later
}

// readFetched reads the reply of a script that starts a job under a token.
func readFetched(reply any, token string) Fetched {
	list, _ := reply.([]any)
	if len(list) < 4 {
		return Fetched{}
	}
	id, ok := list[1].(string)
	if !ok {
		return Fetched{Later: Later{Rest: Number(list[2]), Due: Number(list[3]), None: true}}
	}
	hash, _ := list[0].([]any)
	job := &Started{ID: id, Token: token, Hash: hash}
	if len(list) > 4 {
		job.Starts = Number(list[4])
	}
	return Fetched{Job: job, Later: Later{Due: Number(list[3]), None: len(list) > 5 && Number(list[5]) == 1}}
}

// Fetch starts the next job.
type Fetch struct {
	Mode   string
	Now    int64 // ms
	Token  string
	Worker Worker
}

// Call implements [Script].
func (s Fetch) Call() Call {
	return Call{fetch, append([]any{s.Mode, s.Now, s.Token}, s.Worker.args()...)}
}

// Reply implements [Script].
func (s Fetch) Reply(reply any) Fetched { return readFetched(reply, s.Token) }

// Delay takes a running job back until a later time.
type Delay struct {
	Mode      string
	Now       int64 // ms
	ID, Token string
	Delay     int64    // ms
	Attempt   *Attempt // that has failed; nil if none is spent
	Next      string   // the token of the job to start in its place; empty for none
	Worker    Worker
}

// Attempt is a failed attempt of a job.
type Attempt struct {
	Reason  string
	Trace   []byte // the job's stack traces, JSON
	Context string // trace context, JSON; empty for none
}

// Call implements [Script].
func (s Delay) Call() Call {
	args := []any{s.Mode, s.Now, s.ID, s.Token, s.Delay}
	if a := s.Attempt; a != nil {
		args = append(args, cmp.Or(a.Context, "1"), a.Reason, a.Trace)
	} else {
		args = append(args, "", "", "")
	}
	args = append(args, flag(s.Next != ""), cmp.Or(s.Next, "0"))
	return Call{delay, append(args, s.Worker.args()...)}
}

// Delayed is the result of delaying a job, and the next job.
type Delayed struct {
	Refusal int64 // negative if the job was refused
	Next    Fetched
}

// Reply implements [Script].
func (s Delay) Reply(reply any) Delayed {
	return Delayed{Refusal: min(Number(reply), 0), Next: readFetched(reply, s.Next)}
}

// Requeue puts a running job whose attempt failed back to wait. It returns 0 or a refusal.
type Requeue struct {
	numberReply
	Mode      string
	Now       int64 // ms
	ID, Token string
	Attempt   Attempt
	Front     bool
}

// Call implements [Script].
func (s Requeue) Call() Call {
	args := []any{s.Mode, s.Now, s.ID, s.Token, s.Attempt.Reason, s.Attempt.Trace, flag(s.Front)}
	if s.Attempt.Context != "" {
		args = append(args, s.Attempt.Context)
	}
	return Call{requeue, args}
}

// HandBack returns a running job to the front of those that wait, or behind those of a new priority. It returns how long a rate
// limit still holds, in ms, or a refusal.
type HandBack struct {
	numberReply
	Mode, ID, Token string
	NotRun          bool  // no handler has run it: the start does not count
	Limit           int64 // rate limit to announce, ms; 0 for none
	Priority        *int  // the new priority; nil keeps the old one
}

// Call implements [Script].
func (s HandBack) Call() Call {
	var priority any = ""
	if s.Priority != nil {
		priority = *s.Priority
	}
	return Call{handBack, []any{s.Mode, s.ID, s.Token, flag(s.NotRun), wire.Optional(s.Limit), priority}}
}

// WaitChildren lets a running job wait for its children. It returns 0, 1 if there was nothing
// to wait for and the job was handed back, or a refusal.
type WaitChildren struct {
	numberReply
	Mode      string
	Now       int64 // ms
	ID, Token string
	Child     string // key of the child that is needed; empty for all
}

// Call implements [Script].
func (s WaitChildren) Call() Call {
	return Call{waitChildren, []any{s.Mode, s.Now, s.ID, s.Token, s.Child}}
}

// End is a run that has ended.
type End struct {
	ID, Token string
	Set       string // completed or failed
	Value     any    // the result (JSON) or the reason (text)
	Trace     []byte // the job's stack traces, JSON, if it failed
	Attempts  int    // that the job may have
	Keep      Keep
	Next      string // the token of the job to start in its place; empty for none
	Context   string // trace context of a failed attempt, JSON; empty for none
}

// Keep is how many finished jobs are kept, as text: empty for no limit.
type Keep struct{ Count, Age, Most string }

// Finish ends runs and starts the next jobs.
type Finish struct {
	Mode          string
	Now           int64 // ms
	MetricsPoints int64 // how many minutes of metrics are kept, 0 for none
	Worker        Worker
	Ends          []End
}

// Call implements [Script].
func (s Finish) Call() Call {
	kinds := s.kinds()
	args := make([]any, 0, 9+4*len(kinds)+5*len(s.Ends))
	args = append(args, s.Mode, s.Now, wire.Optional(s.MetricsPoints))
	args = append(args, s.Worker.args()...)
	args = append(args, len(s.Ends), len(kinds))
	for _, k := range kinds {
		args = append(args, k.set, k.keep.Count, k.keep.Age, k.keep.Most)
	}
	for i := range s.Ends {
		e := &s.Ends[i]
		args = append(args, e.ID, e.Token, slices.Index(kinds, e.kind())+1, e.Value, e.Next)
	}
	for i := range s.Ends {
		if e := &s.Ends[i]; e.Set == "failed" {
			args = append(args, i+1, e.Trace, e.Attempts, e.Context)
		}
	}
	return Call{finish, args}
}

// endKind is what the ends of most jobs of a queue have in common.
type endKind struct {
	set  string
	keep Keep
}

func (e *End) kind() endKind { return endKind{e.Set, e.Keep} }

// kinds lists the different kinds of the ends.
func (s Finish) kinds() []endKind {
	var kinds []endKind
	for i := range s.Ends {
		if k := s.Ends[i].kind(); !slices.Contains(kinds, k) {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// Ended is the result for one run.
type Ended struct {
	Refusal int64  // negative if it was refused
	Failure string // what Redis failed with, empty for nothing
}

// Finished has the results for all runs, the started jobs and when to fetch again.
type Finished struct {
	Ends    []Ended
	Started []Started
	Later   Later
}

// Reply implements [Script].
func (Finish) Reply(reply any) Finished {
	list, _ := reply.([]any)
	if len(list) < 3 {
		return Finished{}
	}
	var f Finished
	ends, _ := list[0].([]any)
	for _, e := range ends {
		failure, _ := e.(string)
		f.Ends = append(f.Ends, Ended{Refusal: min(Number(e), 0), Failure: failure})
	}
	started, _ := list[1].([]any)
	for _, entry := range started {
		job, _ := entry.([]any)
		if len(job) < 4 {
			continue
		}
		hash, _ := job[0].([]any)
		id, _ := job[1].(string)
		token, _ := job[2].(string)
		f.Started = append(f.Started, Started{ID: id, Token: token, Hash: hash, Starts: Number(job[3])})
	}
	if later, _ := list[2].([]any); len(later) == 3 {
		f.Later = Later{Rest: Number(later[0]), Due: Number(later[1]), None: Number(later[2]) == 1}
	}
	return f
}

// Lock is the lock of a running job.
type Lock struct{ JobID, Token string }

// ExtendLocks renews locks. It returns the ids whose lock is gone or another's.
type ExtendLocks struct {
	textsReply
	For   int64 // ms
	Locks []Lock
}

// Call implements [Script].
func (s ExtendLocks) Call() Call {
	args := make([]any, 0, 1+2*len(s.Locks))
	args = append(args, s.For)
	for _, l := range s.Locks {
		args = append(args, l.JobID, l.Token)
	}
	return Call{extendLocks, args}
}

// Reclaim puts back jobs that this worker started without learning of it. It returns their
// ids.
type Reclaim struct {
	textsReply
	Mode   string
	Prefix string   // of the worker's tokens
	Known  []string // tokens
}

// Call implements [Script].
func (s Reclaim) Call() Call { return Call{reclaim, appendTexts([]any{s.Mode, s.Prefix}, s.Known)} }

// Stalled puts jobs whose worker is lost back to wait. It returns their ids.
type Stalled struct {
	textsReply
	Mode     string
	Now      int64 // ms
	Most     int   // how often a job may stall
	Interval int64 // ms, in which only one check is done
}

// Call implements [Script].
func (s Stalled) Call() Call { return Call{stalled, []any{s.Mode, s.Now, s.Most, s.Interval}} }

// Nudge wakes an idle worker.
type Nudge struct {
	numberReply
	Mode string
}

// Call implements [Script].
func (s Nudge) Call() Call { return Call{nudge, []any{s.Mode}} }

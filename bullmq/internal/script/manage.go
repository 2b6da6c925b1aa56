package script

import "schoolbell/bullmq/internal/wire"

// Remove deletes a job in any state. It returns 1, 0 if it or a descendant that would be removed
// is locked, or a refusal.
type Remove struct {
	numberReply
	Mode, ID string
	Children bool // remove its children too
}

// Call implements [Script].
func (s Remove) Call() Call { return Call{remove, []any{s.Mode, s.ID, flag(s.Children)}} }

// Retry puts a finished job back into the queue. It returns 1 or a refusal.
type Retry struct {
	numberReply
	Mode, ID                string
	Set                     string // completed or failed: where the job must be
	ResetMade, ResetStarted bool
}

// Call implements [Script].
func (s Retry) Call() Call {
	return Call{retry, []any{s.Mode, s.ID, s.Set, flag(s.ResetMade), flag(s.ResetStarted)}}
}

// Promote makes a delayed job run now. It returns 0 or a refusal.
type Promote struct {
	numberReply
	Mode, ID string
}

// Call implements [Script].
func (s Promote) Call() Call { return Call{promote, []any{s.Mode, s.ID}} }

// State looks for jobs. It returns the names of their states.
type State struct {
	textsReply
	IDs []string
}

// Call implements [Script].
func (s State) Call() Call { return Call{state, appendTexts([]any{len(s.IDs)}, s.IDs)} }

// Pause pauses the queue, some jobs at a time. It returns 1 while it must be called again.
type Pause struct {
	numberReply
	Mode  string
	First bool // of the calls of one pause
}

// Call implements [Script].
func (s Pause) Call() Call { return Call{pause, []any{s.Mode, flag(s.First)}} }

// Resume ends a pause, some jobs at a time. It returns 1 while it must be called again.
type Resume struct {
	numberReply
	First bool // of the calls of one resume
}

// Call implements [Script].
func (s Resume) Call() Call { return Call{resume, []any{flag(s.First)}} }

// LimitTTL returns how long the rate limit still holds, in ms.
type LimitTTL struct {
	numberReply
	Max int64 // of the limit, 0 for the queue's own
}

// Call implements [Script].
func (s LimitTTL) Call() Call { return Call{limitTTL, []any{wire.Optional(s.Max)}} }

// Clean removes jobs of one state that are older than a time. It returns their ids.
type Clean struct {
	textsReply
	Mode, Set string
	Newest    int64 // to remove, ms
	Most      int   // at least 1
}

// Call implements [Script].
func (s Clean) Call() Call { return Call{clean, []any{s.Mode, s.Set, s.Newest, s.Most}} }

// Drain removes jobs that wait, some at a time. It returns 1 while it must be called again.
type Drain struct {
	numberReply
	Mode    string
	Delayed bool // remove delayed jobs too
	Most    int
}

// Call implements [Script].
func (s Drain) Call() Call { return Call{drain, []any{s.Mode, flag(s.Delayed), s.Most}} }

// Obliterate deletes a paused queue, some jobs at a time. It returns 1 while it must be called
// again, or a refusal.
type Obliterate struct {
	numberReply
	Mode  string
	Most  int
	Force bool // also while jobs are being run
}

// Call implements [Script].
func (s Obliterate) Call() Call { return Call{obliterate, []any{s.Mode, s.Most, flag(s.Force)}} }

// MoveAll puts jobs of a whole state back to wait, some at a time. It returns 1 while it must be
// called again.
type MoveAll struct {
	numberReply
	Mode, Set string
	MaxScore  int64
	Most      int
}

// Call implements [Script].
func (s MoveAll) Call() Call { return Call{moveAll, []any{s.Mode, s.Set, s.MaxScore, s.Most}} }

// Orphans removes those of some ids that are in no list. It returns the ids removed.
type Orphans struct {
	textsReply
	Mode string
	Most int // negative for no limit
	IDs  []string
}

// Call implements [Script].
func (s Orphans) Call() Call { return Call{orphans, appendTexts([]any{s.Mode, s.Most}, s.IDs)} }

// RenameDamaged renames keys that hold another type than the protocol's.
type RenameDamaged struct {
	Now int64 // ms
	IDs []string
}

// Call implements [Script].
func (s RenameDamaged) Call() Call { return Call{renameDamaged, appendTexts([]any{s.Now}, s.IDs)} }

// Renamed is a key that was renamed.
type Renamed struct{ Key, Was, Name string }

// Reply implements [Script].
func (RenameDamaged) Reply(reply any) []Renamed {
	list, _ := reply.([]any)
	renamed := make([]Renamed, 0, len(list))
	for _, entry := range list {
		if f := texts(entry); len(f) == 3 {
			renamed = append(renamed, Renamed{f[0], f[1], f[2]})
		}
	}
	return renamed
}

func appendTexts(args []any, texts []string) []any {
	for _, t := range texts {
		args = append(args, t)
	}
	return args
}

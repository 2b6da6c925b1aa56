package script

// Job is a job to be added.
type Job struct {
	Where     string // wait, front, delayed, prioritized or children
	ID        string // empty for a number that Redis draws
	Name      string
	Data      []byte // JSON
	Options   []byte // JSON
	Timestamp int64  // ms
	Delay     int64  // ms
	Priority  int
}

// Added is the result for one job.
type Added struct {
	ID      string
	Existed bool  // a job of that id existed, or holds the deduplication id
	Dropped bool  // the job of that id holds the deduplication id
	Refusal int64 // negative if the job was refused
}

func readAdded(reply any) Added {
	switch reply := reply.(type) {
	case string:
		return Added{ID: reply}
	case []any:
		ids := texts(reply)
		if len(ids) > 0 {
			return Added{ID: ids[0], Existed: true, Dropped: len(ids) > 1}
		}
	case int64:
		return Added{Refusal: min(reply, 0)}
	}
	return Added{}
}

// addedList decodes the results for several jobs.
type addedList struct{}

// Reply reads the list.
func (addedList) Reply(reply any) []Added {
	list, _ := reply.([]any)
	added := make([]Added, len(list))
	for i, entry := range list {
		added[i] = readAdded(entry)
	}
	return added
}

// Add adds a job.
type Add struct {
	Mode      string
	Job       Job
	ParentKey string // empty for none
	Parent    string // JSON
	MaxEvents int64  // for a queue without a limit of its own
	Dedup     Dedup
}

// Call implements [Script].
func (s Add) Call() Call {
	j := &s.Job
	args := []any{
		s.Mode, j.ID, j.Name, j.Data, j.Options, j.Timestamp, j.Delay, j.Priority, j.Where, s.ParentKey, s.Parent, s.MaxEvents,
	}
	return Call{add, append(args, s.Dedup.args()...)}
}

// Reply implements [Script].
func (Add) Reply(reply any) Added { return readAdded(reply) }

// AddMany adds jobs without parents and deduplication. It returns the result for each.
type AddMany struct {
	addedList
	Mode      string
	MaxEvents int64 // for a queue without a limit of its own
	Jobs      []*Job
}

// Call implements [Script].
func (s AddMany) Call() Call {
	args := make([]any, 0, 3+8*len(s.Jobs))
	args = append(args, s.Mode, s.MaxEvents, len(s.Jobs))
	for _, j := range s.Jobs {
		args = append(args, j.Where, j.ID, j.Name, j.Data, j.Options, j.Timestamp, j.Delay, j.Priority)
	}
	return Call{addMany, args}
}

// FlowJob is a job of a flow.
type FlowJob struct {
	Prefix    string // of its queue's keys
	Mode      string
	MaxEvents int64 // for a queue without a limit of its own
	Job       Job
	ParentKey string // empty for none
	Parent    string // JSON
	Dedup     Dedup
}

// AddFlow adds a tree of jobs, each parent before its children. It returns the result for
// each.
type AddFlow struct {
	addedList
	Now  int64 // ms
	Jobs []FlowJob
}

// Call implements [Script].
func (s AddFlow) Call() Call {
	args := make([]any, 0, 2+16*len(s.Jobs))
	args = append(args, len(s.Jobs), s.Now)
	for i := range s.Jobs {
		f := &s.Jobs[i]
		j := &f.Job
		args = append(args, f.Prefix, f.Mode, f.MaxEvents, j.ID, j.Name, j.Data, j.Options, j.Timestamp, j.Delay, j.Priority,
			j.Where, f.ParentKey, f.Parent)
		args = append(args, f.Dedup.args()...)
	}
	return Call{addFlow, args}
}

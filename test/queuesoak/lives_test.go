package queuesoak

import (
	"fmt"
	"slices"
	"strings"

	"schoolbell/bullmq"
	"schoolbell/test/queuesoak/soaker/plan"
)

// life is what a queue's events tell of a job.
type life struct {
	state    bullmq.State
	starts   int // by a worker
	returns  int // to the line from a worker, by a failed attempt or without one
	stalls   int
	waits    int  // for children it added itself
	releases int  // from waiting for children
	replaced bool // by a job that it has the deduplication id in common with
}

// stateAdded is that of a job which exists and is nowhere yet; it is left in the same script.
const (
	stateNone    bullmq.State = ""
	stateAdded   bullmq.State = "added"
	stateRemoved bullmq.State = "removed"
)

// moves are the states that an event, with what it says the job comes from, may find a
// job in, and the one it leaves it in. Anything else is a job that was in two places, or none.
var moves = map[string]struct {
	from []bullmq.State
	to   bullmq.State
}{
	"added":                    {[]bullmq.State{stateNone}, stateAdded},
	"waiting":                  {[]bullmq.State{stateAdded}, bullmq.StateWaiting},
	"waiting active":           {[]bullmq.State{bullmq.StateActive}, bullmq.StateWaiting},
	"waiting delayed":          {[]bullmq.State{bullmq.StateDelayed}, bullmq.StateWaiting},
	"waiting waiting-children": {[]bullmq.State{bullmq.StateWaitingChildren}, bullmq.StateWaiting},
	"waiting-children":         {[]bullmq.State{stateAdded}, bullmq.StateWaitingChildren},
	"waiting-children active":  {[]bullmq.State{bullmq.StateActive}, bullmq.StateWaitingChildren},
	"delayed":                  {[]bullmq.State{stateAdded, bullmq.StateActive}, bullmq.StateDelayed},
	"active waiting":           {[]bullmq.State{bullmq.StateWaiting}, bullmq.StateActive},
	"completed active":         {[]bullmq.State{bullmq.StateActive}, bullmq.StateCompleted},
	"failed active":            {[]bullmq.State{bullmq.StateActive}, bullmq.StateFailed},
	"removed delayed":          {[]bullmq.State{bullmq.StateDelayed}, stateRemoved},
	"removed wait":             {[]bullmq.State{bullmq.StateWaiting}, stateRemoved},
	"removed active":           {[]bullmq.State{bullmq.StateActive}, stateRemoved},
	"removed completed":        {[]bullmq.State{bullmq.StateCompleted}, stateRemoved},
}

// remarks are events that move nothing.
var remarks = []string{"stalled", "progress", "duplicated", "deduplicated", "retries-exhausted", "drained", "paused", "resumed"}

// lives follows all jobs of a queue through its events.
type lives struct {
	of     map[string]*life
	kept   map[string]string // by deduplication id: the job kept back while another is being run
	faults []string
}

func (l *lives) fault(format string, args ...any) {
	l.faults = append(l.faults, fmt.Sprintf(format, args...))
}

func (l *lives) take(name, prev, id string, field func(string) string) {
	job := l.of[id]
	if job == nil {
		job = &life{}
		if id != "" {
			l.of[id] = job
		}
	}
	if slices.Contains(remarks, name) {
		l.remark(name, id, job, field)
		return
	}
	move, known := moves[strings.TrimSpace(name+" "+prev)]
	if !known || !slices.Contains(move.from, job.state) {
		l.fault("job %s was %q when an event said %s, from %q", id, job.state, name, prev)
	}
	switch {
	case name == "active":
		job.starts++
	case name == "waiting" && prev == "active":
		job.returns++
	case name == "waiting" && prev != "" && prev != "delayed":
		job.releases++
	case name == "waiting-children" && prev == "active":
		job.waits++
	}
	job.state = move.to
	if d := plan.Of(id).Options.Deduplication; d != nil {
		l.deduplicated(d, name, id)
	}
}

// deduplicated makes sure that what is kept back is added when its holder ends.
func (l *lives) deduplicated(d *bullmq.Deduplication, event, id string) {
	switch event {
	case "added":
		if l.kept[d.ID] == id {
			delete(l.kept, d.ID)
		}
	case "completed", "failed":
		if kept := l.kept[d.ID]; kept != "" {
			l.fault("job %s ended before %s, which was kept back for it, was added", id, kept)
			delete(l.kept, d.ID)
		}
	}
}

func (l *lives) remark(name, id string, job *life, field func(string) string) {
	other := field("deduplicatedJobId")
	switch {
	case name == "stalled":
		job.stalls++
	case name != "deduplicated":
	case plan.Of(id).Kind == plan.Replacing && l.of[other] != nil:
		l.of[other].replaced = true
	case plan.Of(id).Kind == plan.Kept && job.state == bullmq.StateActive:
		l.kept[field("deduplicationId")] = other
	}
}

package panel

import (
	"context"
	"time"

	"schoolbell/bullmq"
	"schoolbell/internal/panel/cache"
	"schoolbell/internal/panel/queues"
	"schoolbell/internal/panel/site"
)

const (
	queuesAge  = 2 * time.Second  // of what the overview says of queues
	workersAge = 10 * time.Second // the server lists all its clients
)

// overviewStates are the states that the overview counts.
var overviewStates = []bullmq.State{bullmq.StateWaiting, bullmq.StateActive, bullmq.StateDelayed, bullmq.StateFailed}

// addQueues adds what Redis tells of queues, for those who may see them, and how many workers there are.
func (s *Server) addQueues(ctx context.Context, v overviewView, see bool) overviewView {
	v.SeeQueues = see
	if n, err := cache.Get(s.cache, "workers", workersAge, func() (int, error) { return s.queues.Workers(ctx) }); err == nil {
		v.Parts = append(v.Parts, workersPart(n))
	}
	if !see {
		return v
	}
	all, _ := cache.Get(s.cache, "queues", queuesAge, func() (queues.List, error) { return s.queues.Now(ctx), nil })
	v.Queues = queues.List{Away: all.Away}
	longest := time.Duration(0)
	for _, row := range all.Rows {
		if row.Own {
			longest = max(longest, row.FrontWait)
		}
		row.Counts = overviewCounts(row)
		v.Queues.Rows = append(v.Queues.Rows, row)
	}
	for _, state := range overviewStates {
		v.Queues.States = append(v.Queues.States, site.StatusWord(string(state)))
	}
	if longest > 0 {
		v.Oldest = site.Roughly(longest)
	}
	return v
}

// overviewCounts are the counts of a queue that the overview shows. Jobs with a priority wait too.
func overviewCounts(row queues.Row) []queues.StateCount {
	n := map[bullmq.State]int{}
	for _, c := range row.Counts {
		n[bullmq.State(c.State)] += c.N
	}
	n[bullmq.StateWaiting] += n[bullmq.StatePrioritized]
	counts := make([]queues.StateCount, len(overviewStates))
	for i, state := range overviewStates {
		counts[i] = queues.StateCount{State: string(state), Name: site.StatusWord(string(state)), N: n[state]}
	}
	return counts
}

func workersPart(n int) site.Dependency {
	d := site.Dependency{Name: "Workers", Icon: "i-server", Detail: site.Count(n, "process waits", "processes wait") + " for events", Status: "up", Word: "Works"}
	if n == 0 {
		d.Detail, d.Status, d.Word = "nothing is sent until one runs", "down", "None"
	}
	return d
}

package panel

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/bullmq"
)

var queuesPage = parse("queues.html")

// queueTimeout is how long a page waits for Redis.
const queueTimeout = 5 * time.Second

// queueStates are the states by which jobs are listed.
var queueStates = []bullmq.State{bullmq.StateWaiting, bullmq.StatePrioritized, bullmq.StateDelayed, bullmq.StateWaitingChildren, bullmq.StateActive,
	bullmq.StateCompleted, bullmq.StateFailed}

// queuesView is the list of queues.
type queuesView struct {
	Rows   []queueRow
	States []string
	Away   bool // Redis does not answer
	Prefix string
}

// queueRow is a queue and how many jobs it has.
type queueRow struct {
	Name, Path string
	Own        bool // Schoolbell's, not that of another program
	Counts     []stateCount
	Paused     bool
	Failed     int64
}

// stateCount is how many jobs of a queue are in a state.
type stateCount struct {
	State, Name string
	N           int
	Current     bool
}

func (s *Server) listQueues(c *call) error {
	return s.write(c, queuesPage, pageSpec{title: "Queues", path: "queues", live: "queues/live"}, s.queuesNow(c.ctx()))
}

// streamQueues sends the list of queues when it has changed.
func (s *Server) streamQueues(c *call) error {
	root := c.root()
	return s.follow(c, "queues", func(ctx context.Context) (parts, bool, error) {
		made, err := renderParts(queuesPage, page{Root: strings.TrimSuffix(root, "../"), View: s.queuesNow(ctx)}, "queues")
		return made, false, err
	})
}

// queuesNow reads all queues. What Redis does not tell is not known; the page says so.
func (s *Server) queuesNow(ctx context.Context) (v queuesView) {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	for _, state := range queueStates {
		v.States = append(v.States, statusWord(string(state)))
	}
	queues, err := s.cfg.Queues.All(ctx)
	if err != nil {
		s.log.WarnContext(ctx, "the queues cannot be listed", "error", err)
		return queuesView{Away: true}
	}
	for _, q := range queues {
		row, err := s.queueRow(ctx, q, "")
		if err != nil {
			s.log.WarnContext(ctx, "a queue cannot be read", "queue", q.Name(), "error", err)
			return queuesView{Away: true}
		}
		v.Rows = append(v.Rows, row)
	}
	return v
}

func (s *Server) queueRow(ctx context.Context, q *bullmq.Queue, current bullmq.State) (row queueRow, err error) {
	row = queueRow{Name: q.Name(), Path: url.PathEscape(q.Name()), Own: s.cfg.Queues.Own(q.Name())}
	counts, err := q.Counts(ctx, append(slices.Clone(queueStates), bullmq.StatePaused)...)
	if err != nil {
		return row, err
	}
	counts[bullmq.StateWaiting] += counts[bullmq.StatePaused] // BullMQ 5 moves them while a queue is paused
	for _, state := range queueStates {
		row.Counts = append(row.Counts, stateCount{string(state), statusWord(string(state)), int(counts[state]), state == current})
	}
	row.Failed = counts[bullmq.StateFailed]
	row.Paused, err = q.IsPaused(ctx)
	return row, err
}

// queueOf returns the queue that a path names; CodeNotFound if there is none.
func (s *Server) queueOf(ctx context.Context, c *call) (*bullmq.Queue, error) {
	queues, err := s.cfg.Queues.All(ctx)
	if err != nil {
		return nil, err
	}
	name := c.r.PathValue("queue")
	for _, q := range queues {
		if q.Name() == name {
			return q, nil
		}
	}
	return nil, schoolbell.NotFound("queue", name)
}

package queues

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/panel/live"
	"schoolbell/internal/panel/site"
)

var queuesPage = parse("queues.html")

// toQueues leads back to the list.
var toQueues = site.Crumb{Name: "Queues", Path: "queues"}

// queuePath is the page of a queue.
func queuePath(q *bullmq.Queue) string { return "queues/" + url.PathEscape(q.Name()) }

// toQueue leads back to a queue.
func toQueue(q *bullmq.Queue) site.Crumb { return site.Crumb{Name: q.Name(), Path: queuePath(q)} }

// queueTimeout is how long a page waits for Redis.
const queueTimeout = 5 * time.Second

// queueStates are the states by which jobs are listed.
var queueStates = []bullmq.State{bullmq.StateWaiting, bullmq.StatePrioritized, bullmq.StateDelayed, bullmq.StateWaitingChildren, bullmq.StateActive,
	bullmq.StateCompleted, bullmq.StateFailed}

// List is the list of queues.
type List struct {
	Rows   []Row
	States []string
	Away   bool // Redis does not answer
}

// Row is a queue and how many jobs it has.
type Row struct {
	Name, Path string
	Own        bool // Schoolbell's, not that of another program
	Counts     []StateCount
	Paused     bool
	Failed     int64
	Front      string        // how long the job at the front has waited; empty if none waits
	FrontWait  time.Duration // the same; 0 if none waits
}

// StateCount is how many jobs of a queue are in a state.
type StateCount struct {
	State, Name string
	N           int
	Current     bool
}

func (p *Pages) listQueues(c *site.Call) error {
	return p.site.Write(c, queuesPage, site.Spec{Title: "Queues", Path: "queues", Live: "queues/live"}, p.Now(c.Ctx()))
}

// streamQueues sends the list of queues when it has changed.
func (p *Pages) streamQueues(c *site.Call) error {
	root := c.Root()
	return p.site.Follow(c, "queues", func(ctx context.Context) (live.Parts, bool, error) {
		made, err := site.RenderParts(queuesPage, site.Page{Root: strings.TrimSuffix(root, "../"), View: p.Now(ctx)}, "queues")
		return made, false, err
	})
}

// Now reads all queues. What Redis does not tell is not known; the page says so.
func (p *Pages) Now(ctx context.Context) (v List) {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	for _, state := range queueStates {
		v.States = append(v.States, site.StatusWord(string(state)))
	}
	queues, err := p.cfg.Queues.All(ctx)
	if err != nil {
		p.site.Log.WarnContext(ctx, "the queues cannot be listed", "error", err)
		return List{Away: true}
	}
	for _, q := range queues {
		row, err := p.queueRow(ctx, q, "")
		if err != nil {
			p.site.Log.WarnContext(ctx, "a queue cannot be read", "queue", q.Name(), "error", err)
			return List{Away: true}
		}
		v.Rows = append(v.Rows, row)
	}
	return v
}

func (p *Pages) queueRow(ctx context.Context, q *bullmq.Queue, current bullmq.State) (row Row, err error) {
	row = Row{Name: q.Name(), Path: url.PathEscape(q.Name()), Own: p.cfg.Queues.Own(q.Name())}
	counts, err := q.Counts(ctx, append(slices.Clone(queueStates), bullmq.StatePaused)...)
	if err != nil {
		return row, err
	}
	counts[bullmq.StateWaiting] += counts[bullmq.StatePaused] // BullMQ 5 moves them while a queue is paused
	for _, state := range queueStates {
		row.Counts = append(row.Counts, StateCount{string(state), site.StatusWord(string(state)), int(counts[state]), state == current})
	}
	row.Failed = counts[bullmq.StateFailed]
	if row.Paused, err = q.IsPaused(ctx); err != nil {
		return row, err
	}
	if row.FrontWait, err = p.frontWait(ctx, q); row.FrontWait > 0 {
		row.Front = site.Roughly(row.FrontWait)
	}
	return row, err
}

// queueOf returns the queue that a path names; CodeNotFound if there is none.
func (p *Pages) queueOf(ctx context.Context, c *site.Call) (*bullmq.Queue, error) {
	queues, err := p.cfg.Queues.All(ctx)
	if err != nil {
		return nil, err
	}
	name := c.R.PathValue("queue")
	for _, q := range queues {
		if q.Name() == name {
			return q, nil
		}
	}
	return nil, schoolbell.NotFound("queue", name)
}

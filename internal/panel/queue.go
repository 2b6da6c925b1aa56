package panel

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/jobs"
	"schoolbell/internal/ledger"
)

var (
	queuePage     = parse("queue.html")
	removeAllPage = parse("removejobs.html")
)

// queueView is a queue and a page of its jobs in a state.
type queueView struct {
	queueRow
	State       string
	StateWord   string
	Jobs        []jobRow
	First, Next string // URLs; empty for none
	Workers     []string
	CanRemove   bool // all jobs of the state can be removed
	Total       int  // jobs of the state
}

// jobRow is a job in a list.
type jobRow struct {
	ID, Path, Name, Attempts, Error, Worker string
	When                                    moment
}

const jobRows = 25

func (s *Server) showQueue(c *call) error {
	ctx, cancel := context.WithTimeout(c.ctx(), queueTimeout)
	defer cancel()
	q, err := s.queueOf(ctx, c)
	if err != nil {
		return jobs.Error(err, "")
	}
	state, from, err := jobPage(c)
	if err != nil {
		return err
	}
	row, err := s.queueRow(ctx, q, state)
	if err != nil {
		return jobs.Error(err, "")
	}
	v := queueView{queueRow: row, State: string(state), StateWord: strings.ToLower(statusWord(string(state)))}
	for _, count := range row.Counts {
		if count.Current {
			v.Total = count.N
		}
	}
	v.CanRemove = removable(state) && v.Total > 0
	list, err := q.Jobs(ctx, bullmq.JobsOptions{States: []bullmq.State{state}, Offset: from, Limit: jobRows + 1})
	if err != nil {
		return jobs.Error(err, "")
	}
	if len(list) > jobRows {
		list, v.Next = list[:jobRows], v.Path+"?"+url.Values{"state": {v.State}, "from": {strconv.FormatInt(from+jobRows, 10)}}.Encode()
	}
	if from > 0 {
		v.First = v.Path + "?" + url.Values{"state": {v.State}}.Encode()
	}
	for _, j := range list {
		v.Jobs = append(v.Jobs, s.jobRow(j))
	}
	if workers, err := q.Workers(ctx); err == nil { // a server may not list its clients
		for _, w := range workers {
			v.Workers = append(v.Workers, firstOf(w.Name, w.Addr))
		}
	}
	return s.write(c, queuePage, pageSpec{title: q.Name(), path: "queues", crumbs: []crumb{{"Queues", "queues"}}}, v)
}

// jobPage reads the state and the position of a page of jobs from the query.
func jobPage(c *call) (state bullmq.State, from int64, err error) {
	query := c.r.URL.Query()
	state = bullmq.State(firstOf(query.Get("state"), string(bullmq.StateFailed)))
	if !listed(state) {
		return state, 0, schoolbell.NotFound("state", string(state))
	}
	if text := query.Get("from"); text != "" {
		if from, err = strconv.ParseInt(text, 10, 64); err != nil || from < 0 {
			return state, 0, schoolbell.NotFound("page", text)
		}
	}
	return state, from, nil
}

func listed(state bullmq.State) bool {
	for _, s := range queueStates {
		if s == state {
			return true
		}
	}
	return false
}

// removable reports whether all jobs of a state can be removed at once.
func removable(state bullmq.State) bool {
	return state == bullmq.StateCompleted || state == bullmq.StateFailed
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

func (s *Server) jobRow(j *bullmq.Job) jobRow {
	r := jobRow{ID: shorten(j.ID, shownLine), Path: url.PathEscape(j.ID), Name: shorten(j.Name, shownLine), Error: shorten(j.FailedReason, shownLine), Worker: shorten(j.ProcessedBy, shownLine)}
	r.Attempts = strconv.Itoa(j.AttemptsMade) + " of " + strconv.Itoa(max(1, j.Options.Attempts))
	at := j.Timestamp
	for _, later := range []time.Time{j.ProcessedOn, j.FinishedOn} {
		if !later.IsZero() {
			at = later
		}
	}
	r.When = s.foreignTime(at)
	return r
}

// foreignTime is a time of another program, which may be none.
func (s *Server) foreignTime(t time.Time) moment {
	if !schoolbell.ValidTime(t) {
		return s.when(time.Time{})
	}
	return s.when(t)
}

func (s *Server) pauseQueue(c *call) error {
	return s.changeQueue(c, func(ctx context.Context, q *bullmq.Queue) error { return q.Pause(ctx) })
}

func (s *Server) resumeQueue(c *call) error {
	return s.changeQueue(c, func(ctx context.Context, q *bullmq.Queue) error { return q.Resume(ctx) })
}

// changeQueue does something to the queue that the path names, and shows it again.
func (s *Server) changeQueue(c *call, change func(context.Context, *bullmq.Queue) error) error {
	ctx, cancel := context.WithTimeout(c.ctx(), queueTimeout)
	defer cancel()
	q, err := s.queueOf(ctx, c)
	if err == nil {
		ledger.ChangeOf(ctx).Target(q.Name())
		err = change(ctx, q)
	}
	if err != nil {
		return jobs.Error(err, "")
	}
	ledger.ChangeOf(ctx).Done()
	return c.redirect("queues/" + url.PathEscape(q.Name()))
}

// removeJobsView asks before all jobs of a state are removed.
type removeJobsView struct {
	Queue, Path, State string
	Count              int
}

func (s *Server) askRemoveJobs(c *call) error {
	v, _, err := s.jobsToRemove(c, c.r.URL.Query().Get("state"))
	if err != nil {
		return err
	}
	return s.write(c, removeAllPage, pageSpec{title: "Remove jobs", path: "queues", crumbs: []crumb{{"Queues", "queues"}, {v.Queue, "queues/" + v.Path}}}, v)
}

func (s *Server) jobsToRemove(c *call, state string) (v removeJobsView, q *bullmq.Queue, err error) {
	ctx, cancel := context.WithTimeout(c.ctx(), queueTimeout)
	defer cancel()
	if !removable(bullmq.State(state)) {
		return v, nil, schoolbell.NotFound("state", state)
	}
	if q, err = s.queueOf(ctx, c); err != nil {
		return v, nil, jobs.Error(err, "")
	}
	counts, err := q.Counts(ctx, bullmq.State(state))
	v = removeJobsView{Queue: q.Name(), Path: url.PathEscape(q.Name()), State: state, Count: int(counts[bullmq.State(state)])}
	return v, q, jobs.Error(err, "")
}

// removeJobs removes all jobs of a state, if there are as many as the person has confirmed.
func (s *Server) removeJobs(c *call) error {
	v, q, err := s.jobsToRemove(c, c.form.Get("state"))
	if err != nil {
		return err
	}
	if c.form.Get("count") != strconv.Itoa(v.Count) {
		return &schoolbell.Error{Code: schoolbell.CodeConflict, Message: "there are " + count(v.Count, "job", "jobs") + " by now: look at them again"}
	}
	ctx, cancel := context.WithTimeout(c.ctx(), cleanTimeout)
	defer cancel()
	change := ledger.ChangeOf(ctx)
	change.Target(q.Name())
	change.Set("state", v.State)
	ids, err := q.Clean(ctx, bullmq.State(v.State), 0, v.Count)
	change.Set("removed", len(ids))
	if len(ids) > 0 {
		change.Done() // even if it failed after these
	}
	if err != nil {
		return jobs.Error(err, "")
	}
	return c.redirect("queues/" + v.Path + "?state=" + v.State)
}

// cleanTimeout is how long the removal of many jobs may take.
const cleanTimeout = 30 * time.Second

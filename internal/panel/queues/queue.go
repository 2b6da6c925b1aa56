package queues

import (
	"cmp"
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/jobs"
	"schoolbell/internal/ledger"
	"schoolbell/internal/panel/chart"
	"schoolbell/internal/panel/site"
)

var queuePage = parse("queue.html")

// queueView is a queue and a page of its jobs in a state.
type queueView struct {
	Row
	State       string
	StateWord   string
	Jobs        []jobRow
	First, Next string // URLs; empty for none
	Workers     []workerRow
	Schedulers  []schedulerRow
	More        bool // there are more schedulers
	Match       matchView
	CanRemove   bool // all jobs of the state can be removed
	Total       int  // jobs of the state
	Finished    *chart.Jobs
}

// jobRow is a job in a list.
type jobRow struct {
	ID, Path, Name, Attempts, Error, Worker string
	When                                    site.Moment
}

const jobRows = 25

func (p *Pages) showQueue(c *site.Call) error {
	ctx, cancel := context.WithTimeout(c.Ctx(), queueTimeout)
	defer cancel()
	q, err := p.queueOf(ctx, c)
	if err != nil {
		return jobs.Error(err, "")
	}
	state, from, err := jobPage(c)
	if err != nil {
		return err
	}
	row, err := p.queueRow(ctx, q, state)
	if err != nil {
		return jobs.Error(err, "")
	}
	v := queueView{Row: row, State: string(state), StateWord: strings.ToLower(site.StatusWord(string(state)))}
	for _, count := range row.Counts {
		if count.Current {
			v.Total = count.N
		}
	}
	v.CanRemove = removable(state) && v.Total > 0
	if text := strings.TrimSpace(c.R.URL.Query().Get("q")); text != "" {
		err = p.filterJobs(ctx, q, state, text, &v)
	} else {
		err = p.jobsFrom(ctx, q, state, from, &v)
	}
	if err != nil {
		return jobs.Error(err, "")
	}
	if v.Schedulers, v.More, err = p.schedulers(ctx, q); err != nil {
		return jobs.Error(err, "")
	}
	v.Workers = workers(ctx, q)
	if v.Finished, err = chart.OfQueue(ctx, q, p.site.Now(), p.site.Zone(), site.Number); err != nil {
		return jobs.Error(err, "")
	}
	return p.site.Write(c, queuePage, site.Spec{Title: q.Name(), Path: "queues", Crumbs: []site.Crumb{toQueues}}, v)
}

// jobsFrom lists a page of the jobs of a state.
func (p *Pages) jobsFrom(ctx context.Context, q *bullmq.Queue, state bullmq.State, from int64, v *queueView) error {
	list, err := q.Jobs(ctx, bullmq.JobsOptions{States: []bullmq.State{state}, Offset: from, Limit: jobRows + 1})
	if err != nil {
		return err
	}
	if len(list) > jobRows {
		list, v.Next = list[:jobRows], v.Path+"?"+url.Values{"state": {v.State}, "from": {strconv.FormatInt(from+jobRows, 10)}}.Encode()
	}
	if from > 0 {
		v.First = v.Path + "?" + url.Values{"state": {v.State}}.Encode()
	}
	for _, j := range list {
		v.Jobs = append(v.Jobs, p.jobRow(j))
	}
	if v.Match.CanRetry = retriable(state) && v.Total > 0; v.Match.CanRetry {
		v.Match.Matches = min(v.Total, jobs.MostLooked)
		v.Match.RetryURL = v.Path + "/matching/retry?" + matchQuery(state, "")
	}
	return nil
}

// jobPage reads the state and the position of a page of jobs from the query.
func jobPage(c *site.Call) (state bullmq.State, from int64, err error) {
	query := c.R.URL.Query()
	state = bullmq.State(cmp.Or(query.Get("state"), string(bullmq.StateFailed)))
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

func (p *Pages) jobRow(j *bullmq.Job) jobRow {
	r := jobRow{ID: site.Shorten(j.ID, site.ShownLine), Path: url.PathEscape(j.ID), Name: site.Shorten(j.Name, site.ShownLine), Error: site.Shorten(j.FailedReason, site.ShownLine), Worker: site.Shorten(j.ProcessedBy, site.ShownLine)}
	r.Attempts = strconv.Itoa(j.AttemptsMade) + " of " + strconv.Itoa(max(1, j.Options.Attempts))
	at := j.Timestamp
	for _, later := range []time.Time{j.ProcessedOn, j.FinishedOn} {
		if !later.IsZero() {
			at = later
		}
	}
	r.When = p.foreignTime(at)
	return r
}

func (p *Pages) pauseQueue(c *site.Call) error {
	return p.changeQueue(c, func(ctx context.Context, q *bullmq.Queue) error { return q.Pause(ctx) })
}

func (p *Pages) resumeQueue(c *site.Call) error {
	return p.changeQueue(c, func(ctx context.Context, q *bullmq.Queue) error { return q.Resume(ctx) })
}

// changeQueue does something to the queue that the path names, and shows it again.
func (p *Pages) changeQueue(c *site.Call, change func(context.Context, *bullmq.Queue) error) error {
	ctx, cancel := context.WithTimeout(c.Ctx(), queueTimeout)
	defer cancel()
	q, err := p.queueOf(ctx, c)
	if err == nil {
		ledger.ChangeOf(ctx).Target(q.Name())
		err = change(ctx, q)
	}
	if err != nil {
		return jobs.Error(err, "")
	}
	ledger.ChangeOf(ctx).Done()
	return c.Redirect(queuePath(q))
}

// jobsLost says what the removal of jobs of a queue means.
func (p *Pages) jobsLost(q *bullmq.Queue) string {
	if p.cfg.Queues.Own(q.Name()) {
		return "They are gone then, with their data and errors. Messages that were not sent are not affected: the ledger has them."
	}
	return "They are gone then, with their data and errors. They are jobs of another program, and nothing brings them back."
}

// askRemoveJobs asks before all jobs of a state are removed.
func (p *Pages) askRemoveJobs(c *site.Call) error {
	state := c.R.URL.Query().Get("state")
	q, count, err := p.jobsToRemove(c, state)
	if err != nil {
		return err
	}
	return p.site.Confirm(c, "queues", []site.Crumb{toQueues, toQueue(q)}, site.Confirmation{
		Title: "Remove jobs", Question: "Remove " + site.Count(count, "job", "jobs") + "?", About: q.Name(), Code: true,
		Says:   []string{p.jobsLost(q)},
		Facts:  []site.Fact{{Name: "State", Text: site.StatusWord(state)}},
		Fields: []site.Field{{Name: "state", Value: state}, {Name: "count", Value: strconv.Itoa(count)}},
		Keep:   "Keep them", Back: queuePath(q) + "?state=" + state, Do: "Remove " + site.Number(count),
	})
}

// jobsToRemove counts the jobs of a state of the queue that the path names.
func (p *Pages) jobsToRemove(c *site.Call, state string) (q *bullmq.Queue, count int, err error) {
	ctx, cancel := context.WithTimeout(c.Ctx(), queueTimeout)
	defer cancel()
	if !removable(bullmq.State(state)) {
		return nil, 0, schoolbell.NotFound("state", state)
	}
	if q, err = p.queueOf(ctx, c); err != nil {
		return nil, 0, jobs.Error(err, "")
	}
	counts, err := q.Counts(ctx, bullmq.State(state))
	return q, int(counts[bullmq.State(state)]), jobs.Error(err, "")
}

// removeJobs removes all jobs of a state, if there are as many as the person has confirmed.
func (p *Pages) removeJobs(c *site.Call) error {
	state := c.Form.Get("state")
	q, count, err := p.jobsToRemove(c, state)
	if err != nil {
		return err
	}
	if c.Form.Get("count") != strconv.Itoa(count) {
		return &schoolbell.Error{Code: schoolbell.CodeConflict, Message: "there are " + site.Count(count, "job", "jobs") + " by now: look at them again"}
	}
	ctx, cancel := context.WithTimeout(c.Ctx(), cleanTimeout)
	defer cancel()
	change := ledger.ChangeOf(ctx)
	change.Target(q.Name())
	change.Set("state", state)
	ids, err := q.Clean(ctx, bullmq.State(state), 0, count)
	change.Set("removed", len(ids))
	if len(ids) > 0 {
		change.Done() // even if it failed after these
	}
	if err != nil {
		return jobs.Error(err, "")
	}
	return c.Redirect(queuePath(q) + "?state=" + state)
}

// cleanTimeout is how long the removal of many jobs may take.
const cleanTimeout = 30 * time.Second

// foreignTime is a time of another program, which may be none.
func (p *Pages) foreignTime(t time.Time) site.Moment {
	if !schoolbell.ValidTime(t) {
		return p.site.When(time.Time{})
	}
	return p.site.When(t)
}

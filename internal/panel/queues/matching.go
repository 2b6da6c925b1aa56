package queues

import (
	"cmp"
	"context"
	"net/url"
	"strconv"
	"strings"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/jobs"
	"schoolbell/internal/ledger"
	"schoolbell/internal/panel/site"
)

// shownMatches are how many jobs that match a filter are listed.
const shownMatches = 100

// matchView is what a filter of jobs has found.
type matchView struct {
	Query, Summary      string
	Matches             int
	CanRetry, CanRemove bool
	RetryURL, RemoveURL string // where it is asked whether to do so
}

// retriable reports whether jobs of a state can run again.
func retriable(state bullmq.State) bool {
	return state == bullmq.StateCompleted || state == bullmq.StateFailed
}

// filterJobs lists the jobs of a state that have a text, and says how many were looked through.
func (p *Pages) filterJobs(ctx context.Context, q *bullmq.Queue, state bullmq.State, text string, v *queueView) error {
	found, err := jobs.Match(ctx, q, state, text)
	if err != nil {
		return err
	}
	n := len(found.Jobs)
	m := matchView{Query: text, Matches: n, CanRetry: n > 0 && retriable(state), CanRemove: n > 0 && state != bullmq.StateActive}
	m.Summary = site.Number(n) + " of " + site.Count(found.Looked, "job", "jobs") + " match"
	if found.Looked < v.Total {
		m.Summary = site.Number(n) + " match of the newest " + site.Number(found.Looked) + "; the other " + site.Number(v.Total-found.Looked) + " were not looked through"
	}
	if n > shownMatches {
		m.Summary += ". The newest " + site.Number(shownMatches) + " are listed"
	}
	m.RetryURL, m.RemoveURL = v.Path+"/matching/retry?"+matchQuery(state, text), v.Path+"/matching/remove?"+matchQuery(state, text)
	v.Match = m
	for _, j := range found.Jobs[:min(n, shownMatches)] {
		v.Jobs = append(v.Jobs, p.jobRow(j))
	}
	return nil
}

func matchQuery(state bullmq.State, text string) string {
	return url.Values{"state": {string(state)}, "q": {text}}.Encode()
}

// matchAction is what can be done with all jobs that match.
type matchAction struct {
	verb     string
	warning  string // empty for what a removal means
	harmless bool   // nothing is lost
	allowed  func(bullmq.State) bool
	do       func(ctx context.Context, q *bullmq.Queue, id string) error
	done     string // notice
}

var (
	retryMatching = matchAction{"Retry", "They run again with all their attempts. What a job did before it failed may be done again; Schoolbell's own jobs send only what is still pending.", true,
		retriable, jobs.Retry, "jobs-retried"}
	removeMatching = matchAction{"Remove", "", false,
		func(state bullmq.State) bool { return state != bullmq.StateActive }, jobs.Remove, "jobs-removed"}
)

func (p *Pages) askRetryMatching(c *site.Call) error  { return p.askMatching(c, retryMatching) }
func (p *Pages) askRemoveMatching(c *site.Call) error { return p.askMatching(c, removeMatching) }
func (p *Pages) retryMatching(c *site.Call) error     { return p.changeMatching(c, retryMatching) }
func (p *Pages) removeMatching(c *site.Call) error    { return p.changeMatching(c, removeMatching) }

// askMatching asks before something is done with all jobs that match.
func (p *Pages) askMatching(c *site.Call, a matchAction) error {
	ctx, cancel := context.WithTimeout(c.Ctx(), queueTimeout)
	defer cancel()
	query := c.R.URL.Query()
	q, state, found, err := p.matching(ctx, c, a, query)
	if err != nil {
		return err
	}
	text, count := query.Get("q"), len(found.Jobs)
	return p.site.Confirm(c, "queues", []site.Crumb{toQueues, toQueue(q)}, site.Confirmation{
		Title: a.verb + " jobs", Question: a.verb + " " + site.Count(count, "job", "jobs") + "?", About: q.Name(), Code: true,
		Says:   []string{cmp.Or(a.warning, p.jobsLost(q))},
		Facts:  []site.Fact{{Name: "State", Text: site.StatusWord(string(state))}, {Name: "Filter", Text: text, Code: true}},
		Fields: []site.Field{{Name: "state", Value: string(state)}, {Name: "q", Value: text}, {Name: "count", Value: strconv.Itoa(count)}},
		Keep:   "Leave them", Back: queuePath(q) + "?" + matchQuery(state, text), Do: a.verb + " " + site.Number(count), Harmless: a.harmless,
	})
}

// matching finds the jobs that a form or a query names.
func (p *Pages) matching(ctx context.Context, c *site.Call, a matchAction, in url.Values) (*bullmq.Queue, bullmq.State, jobs.Found, error) {
	state := bullmq.State(in.Get("state"))
	if !listed(state) || !a.allowed(state) {
		return nil, state, jobs.Found{}, schoolbell.NotFound("state", string(state))
	}
	q, err := p.queueOf(ctx, c)
	if err != nil {
		return nil, state, jobs.Found{}, jobs.Error(err, "")
	}
	found, err := jobs.Match(ctx, q, state, strings.TrimSpace(in.Get("q")))
	return q, state, found, jobs.Error(err, "")
}

// changeMatching does something with all jobs that match, if there are as many as the person has confirmed.
func (p *Pages) changeMatching(c *site.Call, a matchAction) error {
	ctx, cancel := context.WithTimeout(c.Ctx(), cleanTimeout)
	defer cancel()
	q, state, found, err := p.matching(ctx, c, a, c.Form)
	if err != nil {
		return err
	}
	if c.Form.Get("count") != strconv.Itoa(len(found.Jobs)) {
		return &schoolbell.Error{Code: schoolbell.CodeConflict, Message: site.Count(len(found.Jobs), "job matches", "jobs match") + " by now: look at them again"}
	}
	change := ledger.ChangeOf(ctx)
	change.Target(q.Name())
	change.Set("state", string(state))
	done, err := jobs.Each(ctx, found.Jobs, a.do)
	change.Set("jobs", done)
	if done > 0 {
		change.Done() // even if it failed after these
	}
	if err != nil {
		return jobs.Error(err, "")
	}
	return c.Redirect(queuePath(q) + "?" + matchQuery(state, c.Form.Get("q")) + "&done=" + a.done)
}

package queues

import (
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

var matchPage = parse("matchjobs.html")

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
	name    string // in paths
	verb    string
	warning string
	allowed func(bullmq.State) bool
	do      func(ctx context.Context, q *bullmq.Queue, id string) error
	done    string // notice
}

var (
	retryMatching = matchAction{"retry", "Retry", "They run again with all their attempts. What a job did before it failed may be done again; Schoolbell's own jobs send only what is still pending.",
		retriable, jobs.Retry, "jobs-retried"}
	removeMatching = matchAction{"remove", "Remove", "They are gone then, with their data and errors. Messages that were not sent are not affected: the ledger has them.",
		func(state bullmq.State) bool { return state != bullmq.StateActive }, jobs.Remove, "jobs-removed"}
)

func (p *Pages) askRetryMatching(c *site.Call) error  { return p.askMatching(c, retryMatching) }
func (p *Pages) askRemoveMatching(c *site.Call) error { return p.askMatching(c, removeMatching) }
func (p *Pages) retryMatching(c *site.Call) error     { return p.changeMatching(c, retryMatching) }
func (p *Pages) removeMatching(c *site.Call) error    { return p.changeMatching(c, removeMatching) }

// askMatchView asks before something is done with all jobs that match.
type askMatchView struct {
	Queue, Path, State, Query string
	Back                      string // URL
	Verb, Warning, Name       string
	Count                     int
}

func (p *Pages) askMatching(c *site.Call, a matchAction) error {
	ctx, cancel := context.WithTimeout(c.Ctx(), queueTimeout)
	defer cancel()
	query := c.R.URL.Query()
	q, state, found, err := p.matching(ctx, c, a, query)
	if err != nil {
		return err
	}
	v := askMatchView{Queue: q.Name(), Path: url.PathEscape(q.Name()), State: string(state), Query: query.Get("q"), Verb: a.verb, Warning: a.warning, Name: a.name, Count: len(found.Jobs)}
	v.Back = v.Path + "?" + matchQuery(state, v.Query)
	return p.site.Write(c, matchPage, site.Spec{Title: a.verb + " jobs", Path: "queues", Crumbs: []site.Crumb{toQueues, {Name: v.Queue, Path: "queues/" + v.Path}}}, v)
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
	return c.Redirect("queues/" + url.PathEscape(q.Name()) + "?" + matchQuery(state, c.Form.Get("q")) + "&done=" + a.done)
}

package queues

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"schoolbell/bullmq"
	"schoolbell/internal/jobs"
	"schoolbell/internal/ledger"
	"schoolbell/internal/panel/flow"
	"schoolbell/internal/panel/site"
)

var jobPageTemplate = parse("job.html")

// What other programs put into jobs is shown up to these lengths, in bytes.
const (
	shownValue = 50_000
	shownLines = 200 // of the log
)

// jobView is a job.
type jobView struct {
	Queue, QueuePath, ID, Path, Name, State string
	Data, Options, Result, Progress         string
	Error                                   string
	Attempts                                []attemptView
	Log                                     []string
	Facts                                   []site.Fact
	Flow                                    *flow.Node
	CanRetry, CanPromote, CanRemove         bool
}

// attemptView is a failed attempt.
type attemptView struct {
	N       int
	Message string
	Frames  []frame
}

// frame is a line of a stack trace.
type frame struct {
	Text string
	Ours bool
}

func (p *Pages) showJob(c *site.Call) error {
	ctx, cancel := context.WithTimeout(c.Ctx(), queueTimeout)
	defer cancel()
	q, err := p.queueOf(ctx, c)
	if err != nil {
		return jobs.Error(err, "")
	}
	v, err := p.job(ctx, q, c.R.PathValue("job"))
	if err != nil {
		return jobs.Error(err, c.R.PathValue("job"))
	}
	return p.site.Write(c, jobPageTemplate, site.Spec{Title: v.ID, Path: "queues", Crumbs: []site.Crumb{toQueues, {Name: v.Queue, Path: "queues/" + v.QueuePath}}}, v)
}

func (p *Pages) job(ctx context.Context, q *bullmq.Queue, id string) (v jobView, err error) {
	j, err := q.Job(ctx, id)
	if err != nil {
		return v, err
	}
	state, err := q.State(ctx, id)
	if err != nil {
		return v, err
	}
	lines, _, err := q.Logs(ctx, id, bullmq.LogsOptions{Limit: shownLines})
	if err != nil {
		return v, err
	}
	options, _ := json.Marshal(map[string]any{"attempts": max(1, j.Options.Attempts), "priority": j.Priority, "delay": j.Delay.Milliseconds()})
	v = jobView{Queue: q.Name(), QueuePath: url.PathEscape(q.Name()), ID: site.Shorten(j.ID, site.ShownLine), Path: url.PathEscape(j.ID), Name: site.Shorten(j.Name, site.ShownLine), State: string(state),
		Data: indented(j.Data), Options: indented(options), Result: indented(j.ReturnValue), Progress: indented(j.Progress), Error: site.Shorten(j.FailedReason, shownValue)}
	queues, err := p.cfg.Queues.All(ctx)
	if err != nil {
		return v, err
	}
	line := func(text string) string { return site.Shorten(text, site.ShownLine) }
	if v.Flow, err = flow.Of(ctx, j, queues, line); err != nil {
		return v, err
	}
	for i := len(j.StackTrace) - 1; i >= 0 && len(v.Attempts) < 20; i-- {
		v.Attempts = append(v.Attempts, newAttempt(i+1, j.StackTrace[i]))
	}
	for _, line := range lines {
		v.Log = append(v.Log, site.Shorten(line, site.ShownLine))
	}
	v.Facts = []site.Fact{{Name: "Name", Text: v.Name}, {Name: "Attempts", Text: strconv.Itoa(j.AttemptsMade) + " of " + strconv.Itoa(max(1, j.Options.Attempts))},
		{Name: "Added", When: p.foreignTime(j.Timestamp)}, {Name: "Started", When: p.foreignTime(j.ProcessedOn)}, {Name: "Finished", When: p.foreignTime(j.FinishedOn)}}
	if j.ProcessedBy != "" {
		v.Facts = append(v.Facts, site.Fact{Name: "Worker", Text: site.Shorten(j.ProcessedBy, site.ShownLine)})
	}
	v.CanRetry = state == bullmq.StateFailed || state == bullmq.StateCompleted
	v.CanPromote = state == bullmq.StateDelayed
	v.CanRemove = state != bullmq.StateActive
	return v, nil
}

// ours reports whether a line of a stack trace is of this program or of the Node program itself, not of a library or a runtime.
func ours(line string) bool {
	script := strings.Contains(line, ".js:") || strings.Contains(line, ".ts:")
	return strings.Contains(line, "schoolbell/") || script && !strings.Contains(line, "node_modules/") && !strings.Contains(line, "node:")
}

// newAttempt splits a stack trace into its message and its lines.
func newAttempt(n int, trace string) (a attemptView) {
	a.N = n
	lines := strings.Split(site.Shorten(trace, shownValue), "\n")
	a.Message = lines[0]
	for _, line := range lines[1:] {
		if text := strings.TrimSpace(line); text != "" {
			a.Frames = append(a.Frames, frame{text, ours(text)})
		}
	}
	return a
}

// indented is a JSON value as people read it; what is none stays as it is.
func indented(raw json.RawMessage) string {
	if len(raw) == 0 {
		return ""
	}
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		b.Reset()
		b.Write(raw)
	}
	return site.Shorten(b.String(), shownValue)
}

func (p *Pages) retryJob(c *site.Call) error {
	return p.changeJob(c, func(ctx context.Context, q *bullmq.Queue, id string) error { return jobs.Retry(ctx, q, id) }, true)
}

func (p *Pages) promoteJob(c *site.Call) error {
	return p.changeJob(c, func(ctx context.Context, q *bullmq.Queue, id string) error { return q.Promote(ctx, id) }, true)
}

// askRemoveJob asks before a job is removed.
func (p *Pages) askRemoveJob(c *site.Call) error {
	ctx, cancel := context.WithTimeout(c.Ctx(), queueTimeout)
	defer cancel()
	id := c.R.PathValue("job")
	q, err := p.queueOf(ctx, c)
	if err != nil {
		return jobs.Error(err, "")
	}
	j, err := q.Job(ctx, id)
	if err != nil {
		return jobs.Error(err, id)
	}
	state, err := q.State(ctx, id)
	if err != nil {
		return jobs.Error(err, id)
	}
	shown := site.Shorten(j.ID, site.ShownLine)
	ask := site.Confirmation{Title: "Remove", Question: "Remove this job?", About: shown, Code: true, Says: []string{"It is gone then, with its data, results and log."},
		Facts: []site.Fact{{Name: "Queue", Text: q.Name(), Code: true}, {Name: "Name", Text: site.Shorten(j.Name, site.ShownLine), Code: true}, {Name: "State", Text: site.StatusWord(string(state))},
			{Name: "Added", When: p.foreignTime(j.Timestamp)}, {Name: "Error", Text: site.Shorten(j.FailedReason, site.ShownLine), Code: true}},
		Keep: "Keep the job", Back: jobPath(q, id), Do: "Remove the job"}
	switch {
	case state == bullmq.StateActive:
		ask.Says, ask.Do, ask.Keep = []string{"A worker is running it, so it cannot be removed now."}, "", "Back to the job"
	case p.cfg.Queues.Own(q.Name()):
		ask.Says = append(ask.Says, "Messages that were not sent are not affected: the ledger has them, and Schoolbell adds a job for them again.")
	default:
		ask.Says = append(ask.Says, "It is a job of another program, and nothing brings it back.")
	}
	return p.site.Confirm(c, "queues", []site.Crumb{toQueues, toQueue(q), {Name: shown, Path: ask.Back}}, ask)
}

// jobPath is the page of a job.
func jobPath(q *bullmq.Queue, id string) string {
	return queuePath(q) + "/jobs/" + url.PathEscape(id)
}

func (p *Pages) removeJob(c *site.Call) error {
	return p.changeJob(c, func(ctx context.Context, q *bullmq.Queue, id string) error { return jobs.Remove(ctx, q, id) }, false)
}

// changeJob does something to the job that the path names. Afterwards it shows the job, or the queue if the job is gone.
func (p *Pages) changeJob(c *site.Call, change func(context.Context, *bullmq.Queue, string) error, stays bool) error {
	ctx, cancel := context.WithTimeout(c.Ctx(), queueTimeout)
	defer cancel()
	id := c.R.PathValue("job")
	q, err := p.queueOf(ctx, c)
	if err == nil {
		ledger.ChangeOf(ctx).Target(q.Name() + "/" + id)
		err = change(ctx, q, id)
	}
	if err != nil {
		return jobs.Error(err, id)
	}
	ledger.ChangeOf(ctx).Done()
	if stays {
		return c.Redirect(jobPath(q, id))
	}
	return c.Redirect(queuePath(q))
}

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
	Facts                                   []fact
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

// fact is something that is known of a job.
type fact struct {
	Name, Text string
	When       site.Moment
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
	v.Facts = []fact{{"Name", v.Name, site.Moment{}}, {"Attempts", strconv.Itoa(j.AttemptsMade) + " of " + strconv.Itoa(max(1, j.Options.Attempts)), site.Moment{}},
		{"Added", "", p.foreignTime(j.Timestamp)}, {"Started", "", p.foreignTime(j.ProcessedOn)}, {"Finished", "", p.foreignTime(j.FinishedOn)}}
	if j.ProcessedBy != "" {
		v.Facts = append(v.Facts, fact{"Worker", site.Shorten(j.ProcessedBy, site.ShownLine), site.Moment{}})
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
	path := "queues/" + url.PathEscape(q.Name())
	if stays {
		path += "/jobs/" + url.PathEscape(id)
	}
	return c.Redirect(path)
}

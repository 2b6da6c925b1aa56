package panel

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
)

var jobPageTemplate = parse("job.html")

// What other programs put into jobs is shown up to these lengths, in bytes.
const (
	shownLine  = 300
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
	Parent                                  string
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
	When       moment
}

func (s *Server) showJob(c *call) error {
	ctx, cancel := context.WithTimeout(c.ctx(), queueTimeout)
	defer cancel()
	q, err := s.queueOf(ctx, c)
	if err != nil {
		return jobs.Error(err, "")
	}
	v, err := s.job(ctx, q, c.r.PathValue("job"))
	if err != nil {
		return jobs.Error(err, c.r.PathValue("job"))
	}
	return s.write(c, jobPageTemplate, pageSpec{title: v.ID, path: "queues", crumbs: []crumb{{"Queues", "queues"}, {v.Queue, "queues/" + v.QueuePath}}}, v)
}

func (s *Server) job(ctx context.Context, q *bullmq.Queue, id string) (v jobView, err error) {
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
	v = jobView{Queue: q.Name(), QueuePath: url.PathEscape(q.Name()), ID: shorten(j.ID, shownLine), Path: url.PathEscape(j.ID), Name: shorten(j.Name, shownLine), State: string(state),
		Data: indented(j.Data), Options: indented(options), Result: indented(j.ReturnValue), Progress: indented(j.Progress), Error: shorten(j.FailedReason, shownValue),
		Parent: shorten(j.ParentKey, shownLine)}
	for i := len(j.StackTrace) - 1; i >= 0 && len(v.Attempts) < 20; i-- {
		v.Attempts = append(v.Attempts, newAttempt(i+1, j.StackTrace[i]))
	}
	for _, line := range lines {
		v.Log = append(v.Log, shorten(line, shownLine))
	}
	v.Facts = []fact{{"Name", v.Name, moment{}}, {"Attempts", strconv.Itoa(j.AttemptsMade) + " of " + strconv.Itoa(max(1, j.Options.Attempts)), moment{}},
		{"Added", "", s.foreignTime(j.Timestamp)}, {"Started", "", s.foreignTime(j.ProcessedOn)}, {"Finished", "", s.foreignTime(j.FinishedOn)}}
	if j.ProcessedBy != "" {
		v.Facts = append(v.Facts, fact{"Worker", shorten(j.ProcessedBy, shownLine), moment{}})
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
	lines := strings.Split(shorten(trace, shownValue), "\n")
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
	return shorten(b.String(), shownValue)
}

// shorten cuts a text of another program and makes it valid UTF-8.
func shorten(text string, limit int) string {
	if len(text) > limit {
		text = text[:limit] + " …"
	}
	return strings.ToValidUTF8(text, "\ufffd")
}

func (s *Server) retryJob(c *call) error {
	return s.changeJob(c, func(ctx context.Context, q *bullmq.Queue, id string) error { return jobs.Retry(ctx, q, id) }, true)
}

func (s *Server) promoteJob(c *call) error {
	return s.changeJob(c, func(ctx context.Context, q *bullmq.Queue, id string) error { return q.Promote(ctx, id) }, true)
}

func (s *Server) removeJob(c *call) error {
	return s.changeJob(c, func(ctx context.Context, q *bullmq.Queue, id string) error { return jobs.Remove(ctx, q, id) }, false)
}

// changeJob does something to the job that the path names. Afterwards it shows the job, or the queue if the job is gone.
func (s *Server) changeJob(c *call, change func(context.Context, *bullmq.Queue, string) error, stays bool) error {
	ctx, cancel := context.WithTimeout(c.ctx(), queueTimeout)
	defer cancel()
	id := c.r.PathValue("job")
	q, err := s.queueOf(ctx, c)
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
	return c.redirect(path)
}

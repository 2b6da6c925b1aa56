package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"schoolbell/wire"
)

type queueCmd struct {
	List    queueListCmd    `cmd:"" help:"List the queues and count their jobs by state."`
	Counts  queueCountsCmd  `cmd:"" help:"Count a queue's jobs by state."`
	Jobs    queueJobsCmd    `cmd:"" help:"List a queue's jobs of one state, newest first."`
	Job     queueJobCmd     `cmd:"" help:"Show a job."`
	Retry   queueRetryCmd   `cmd:"" help:"Retry finished jobs."`
	Promote queuePromoteCmd `cmd:"" help:"Run delayed jobs now."`
	Remove  queueRemoveCmd  `cmd:"" help:"Remove jobs."`
	Pause   queuePauseCmd   `cmd:"" help:"Pause a queue: running jobs continue, no others start."`
	Resume  queueResumeCmd  `cmd:"" help:"Resume a paused queue."`
	Clean   queueCleanCmd   `cmd:"" help:"Remove old jobs of one state."`
}

// states are BullMQ's, in the order of a job's life.
var states = []wire.JobState{"waiting", "prioritized", "delayed", "waiting-children", "active", "completed", "failed"}

type queueListCmd struct{ remote }

// Run lists the queues.
func (c *queueListCmd) Run(ctx context.Context, a *program) error {
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	queues, err := server.Queues(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(map[string]any{"queues": queues})
	}
	header := []string{"QUEUE"}
	for _, s := range states {
		header = append(header, strings.ToUpper(string(s))+"#")
	}
	t := newTable(append(header, "")...)
	for _, q := range queues {
		row := []string{q.Name}
		for _, s := range states {
			row = append(row, number(q.Counts[s]))
		}
		paused := ""
		if q.Paused {
			paused = "paused"
		}
		t.add(append(row, paused)...)
	}
	t.print(a.Out, a.style)
	return nil
}

type queueArg struct {
	Queue string `arg:"" name:"queue" help:"Name of the queue."`
}

type queueCountsCmd struct {
	remote
	queueArg
}

// Run counts jobs.
func (c *queueCountsCmd) Run(ctx context.Context, a *program) error {
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	counts, err := server.QueueCounts(ctx, c.Queue)
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(counts)
	}
	t := newTable("STATE", "JOBS#")
	for _, s := range states {
		t.add(string(s), number(counts[s]))
	}
	for s, n := range counts { // states of other versions
		if !slices.Contains(states, s) && n > 0 {
			t.add(string(s), number(n))
		}
	}
	t.print(a.Out, a.style)
	return nil
}

type queueJobsCmd struct {
	remote
	queueArg
	State string `name:"state" default:"failed" placeholder:"STATE" help:"State: waiting, active, delayed, prioritized, waiting-children, completed or failed."`
	pageFlags
}

// Run lists jobs.
func (c *queueJobsCmd) Run(ctx context.Context, a *program) error {
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	page, err := server.Jobs(ctx, c.Queue, c.State, c.page())
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(page)
	}
	if len(page.Jobs) == 0 {
		a.say("No %s jobs.", c.State)
		return nil
	}
	t := newTable("ID", "NAME", "ATTEMPTS#", "CREATED", "FINISHED", "REASON")
	for _, j := range page.Jobs {
		t.add(j.ID, j.Name, fmt.Sprintf("%d/%d", j.AttemptsMade, j.Attempts), when(j.CreatedAt.Time), when(j.FinishedAt.Time), cut(j.FailedReason, 60))
	}
	t.print(a.Out, a.style)
	a.more(page.Next)
	return nil
}

type queueJobCmd struct {
	remote
	queueArg
	ID string `arg:"" name:"id" help:"Id of the job."`
}

// Run shows a job.
func (c *queueJobCmd) Run(ctx context.Context, a *program) error {
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	j, err := server.Job(ctx, c.Queue, c.ID)
	if err != nil {
		return err
	}
	return a.printJob(j, c.JSON)
}

func (a *program) printJob(j *wire.Job, asJSON bool) error {
	if asJSON {
		return a.printJSON(j)
	}
	a.say("%s", a.style.bold(j.ID))
	delay := ""
	if j.DelayMS > 0 {
		delay = (time.Duration(j.DelayMS) * time.Millisecond).String()
	}
	for _, l := range [][2]string{
		{"Name", j.Name}, {"State", string(j.State)}, {"Attempts", fmt.Sprintf("%d of %d", j.AttemptsMade, j.Attempts)}, {"Delay", delay},
		{"Data", string(j.Data)}, {"Progress", string(j.Progress)}, {"Result", string(j.ReturnValue)}, {"Failure", j.FailedReason},
		{"Parent", j.Parent}, {"Worker", j.Worker}, {"Created", optional(j.CreatedAt)}, {"Started", optional(j.ProcessedAt)}, {"Finished", optional(j.FinishedAt)},
	} {
		if l[1] != "" {
			a.say("  %-9s %s", l[0], l[1])
		}
	}
	for _, line := range j.Logs {
		a.say("  %s", a.style.dim("│ "+line))
	}
	return nil
}

package queues

import (
	"cmp"
	"context"
	"errors"
	"time"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/jobs"
	"schoolbell/internal/ledger"
	"schoolbell/internal/panel/site"
)

const shownSchedulers = 50

// schedulerRow is a scheduler of a queue.
type schedulerRow struct {
	ID    string // as the form sends it
	Name  string
	Every string // when it makes jobs
	Next  site.Moment
	Made  int
}

// schedulers are the schedulers of a queue, the next run first, and whether there are more.
func (p *Pages) schedulers(ctx context.Context, q *bullmq.Queue) (rows []schedulerRow, more bool, err error) {
	list, err := q.Schedulers(ctx, bullmq.SchedulersOptions{Limit: shownSchedulers + 1})
	if err != nil {
		return nil, false, err
	}
	for _, x := range list[:min(len(list), shownSchedulers)] {
		rows = append(rows, schedulerRow{ID: x.ID, Name: site.Shorten(x.ID, site.ShownLine), Every: scheduleWords(x.Schedule), Next: p.foreignTime(x.Next), Made: int(x.Iterations)})
	}
	return rows, len(list) > shownSchedulers, nil
}

// scheduleWords says when a scheduler makes jobs.
func scheduleWords(s bullmq.Schedule) string {
	if s.Pattern == "" {
		return "every " + site.Roughly(s.Every)
	}
	words := site.Shorten(s.Pattern, site.ShownLine)
	if s.TZ != "" {
		words += ", " + site.Shorten(s.TZ, site.ShownLine)
	}
	return words
}

// askRemoveScheduler asks before a scheduler is removed.
func (p *Pages) askRemoveScheduler(c *site.Call) error {
	ctx, cancel := context.WithTimeout(c.Ctx(), queueTimeout)
	defer cancel()
	id := c.R.URL.Query().Get("id")
	q, err := p.queueOf(ctx, c)
	if err != nil {
		return jobs.Error(err, "")
	}
	x, err := q.Scheduler(ctx, id)
	if errors.Is(err, bullmq.ErrSchedulerNotFound) {
		return schoolbell.NotFound("scheduler", id)
	}
	if err != nil {
		return jobs.Error(err, "")
	}
	return p.site.Confirm(c, "queues", []site.Crumb{toQueues, toQueue(q)}, site.Confirmation{
		Title: "Remove", Question: "Remove this scheduler?", About: site.Shorten(x.ID, site.ShownLine), Code: true,
		Says: []string{"Its next job is removed too, and it makes no more. Jobs that wait or run already stay."},
		Facts: []site.Fact{{Name: "Queue", Text: q.Name(), Code: true}, {Name: "When", Text: scheduleWords(x.Schedule)}, {Name: "Next run", When: p.foreignTime(x.Next)},
			{Name: "Made so far", Text: site.Count(int(x.Iterations), "job", "jobs")}},
		Fields: []site.Field{{Name: "id", Value: id}},
		Keep:   "Keep it", Back: queuePath(q), Do: "Remove the scheduler",
	})
}

// removeScheduler removes a scheduler and its next job. Jobs that wait or run already stay.
func (p *Pages) removeScheduler(c *site.Call) error {
	id := c.Form.Get("id")
	return p.changeQueue(c, func(ctx context.Context, q *bullmq.Queue) error {
		ledger.ChangeOf(ctx).Target(q.Name() + "/" + id)
		removed, err := q.RemoveScheduler(ctx, id)
		if err == nil && !removed {
			return schoolbell.NotFound("scheduler", id)
		}
		return err
	})
}

// workerRow is a worker that waits for jobs of a queue.
type workerRow struct{ Name, Address, Since string }

// workers are those of a queue; none if the server does not list its clients.
func workers(ctx context.Context, q *bullmq.Queue) (rows []workerRow) {
	list, err := q.Workers(ctx)
	if err != nil {
		return nil
	}
	for _, w := range list {
		rows = append(rows, workerRow{site.Shorten(cmp.Or(w.Name, "without a name"), site.ShownLine), site.Shorten(w.Addr, site.ShownLine), site.Roughly(w.Age)})
	}
	return rows
}

// frontWait is how long the job at the front of a queue has waited since it was added or last started, 0 if none waits. Redis does not
// know when a person retried a job.
func (p *Pages) frontWait(ctx context.Context, q *bullmq.Queue) (time.Duration, error) {
	list, err := q.Jobs(ctx, bullmq.JobsOptions{States: []bullmq.State{bullmq.StateWaiting, bullmq.StatePrioritized, bullmq.StatePaused}, Limit: 1, OldestFirst: true})
	if err != nil {
		return 0, jobs.Error(err, "")
	}
	now, longest := p.site.Now(), time.Duration(0)
	for _, j := range list {
		at := j.Timestamp.Add(j.Delay)
		if j.ProcessedOn.After(at) {
			at = j.ProcessedOn
		}
		if schoolbell.ValidTime(at) {
			longest = max(longest, now.Sub(at))
		}
	}
	return longest, nil
}

// Workers counts the processes that wait for events: each has a worker for every queue of Schoolbell.
func (p *Pages) Workers(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	queues, err := p.cfg.Queues.All(ctx)
	if err != nil || len(queues) == 0 {
		return 0, err
	}
	workers, err := queues[0].Workers(ctx)
	return len(workers), err
}

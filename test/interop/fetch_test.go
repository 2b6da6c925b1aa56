package interop

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"schoolbell/bullmq"
)

func TestFetch(t *testing.T) {
	t.Parallel()
	t.Run("both languages leave the same data in Redis", testFetchDumps)
	t.Run("a fetched job is finished in the other language", testFetchFinishedInOther)
}

func testFetchDumps(t *testing.T) {
	goldenTests(t, []goldenCase{
		{name: "each outcome", steps: []step{addByHand, runByHand, addByHand, runByHand}},
		{name: "each outcome, as the other", steps: []step{addByHand, nothing, runByHand, later(6 * time.Second), runByHand}},
		{name: "a scheduler", anyOrder: true, steps: []step{addTick, runByHand, later(time.Minute), runByHand, later(time.Minute), nothing, runByHand}},
	})
}

var addTick = step{
	`await $.queue(args[0]).upsertJobScheduler('tick', { every: 60000 }, { name: 'complete', data: { n: 1 }, opts: { attempts: 2 } })`,
	func(g *side) any {
		_, err := g.UpsertScheduler(g.Context(), "tick", bullmq.Schedule{Every: time.Minute},
			bullmq.JobTemplate{Name: "complete", Data: map[string]int{"n": 1}, Options: bullmq.JobOptions{Attempts: 2}})
		g.ok(err)
		return nil
	},
}

var addByHand = step{
	`const q = $.queue(args[0]);
	for (const name of ['complete', 'fail', 'fail for good', 'delay', 'wait', 'step']) await q.add(name, { name }, { attempts: 2 });
	await q.add('fail', {}, { attempts: 2, backoff: 1000 });
	await q.add('complete', {}, { removeOnComplete: true });`,
	func(g *side) any {
		for _, name := range []string{"complete", "fail", "fail for good", "delay", "wait", "step"} {
			g.addJob(name, map[string]string{"name": name}, bullmq.JobOptions{Attempts: 2})
		}
		g.addJob("fail", nil, bullmq.JobOptions{Attempts: 2, Backoff: &bullmq.Backoff{Type: "fixed", Delay: time.Second}})
		g.addJob("complete", nil, bullmq.JobOptions{RemoveOnComplete: &bullmq.Keep{None: true}})
		return nil
	},
}

// runByHand fetches one job after the other and ends it as its name says.
var runByHand = step{
	`const worker = new $.bull.Worker(args[0], null, { connection: $.connection, name: 'w', autorun: false });
	const ran = [];
	for (let n = 1; ; n++) {
		const token = 'token-' + n;
		const job = await worker.getNextJob(token, { block: false });
		if (!job) break;
		ran.push(job.name);
		const again = job.attemptsStarted > 1;
		if (job.name === 'fail') await job.moveToFailed(new Error('no'), token, false);
		else if (job.name === 'fail for good') await job.moveToFailed(new $.bull.UnrecoverableError('never'), token, false);
		else if (job.name === 'delay' && !again) await job.moveToDelayed(Date.now() + 5000, token);
		else if (job.name === 'wait' && !again) await job.moveToWait(token);
		else if (job.name === 'step' && !again) {
			await $.queue(args[0]).add('complete', {}, { jobId: job.id + '-child', parent: { id: job.id, queue: job.queueQualifiedName } });
			await job.moveToWaitingChildren(token);
		} else await job.moveToCompleted(job.data, token, false);
	}
	await worker.close();
	return ran;`,
	func(g *side) any {
		w, err := bullmq.NewWorker(g.rdb, g.Name(), func(context.Context, *bullmq.Job) (any, error) { return nil, nil },
			bullmq.WorkerOptions{Prefix: g.Prefix, Name: "w", Clock: g.clock})
		g.ok(err)
		ran := []string{}
		for n := 1; ; n++ {
			token := "token-" + strconv.Itoa(n)
			job, err := w.Fetch(g.Context(), token)
			g.ok(err)
			if job == nil {
				return ran
			}
			ran = append(ran, job.Name)
			result, err := g.byName(job)
			g.ok(w.Settle(g.Context(), job, token, result, err))
		}
	},
}

// byName is what becomes of a job that was fetched by hand.
func (g *side) byName(job *bullmq.Job) (any, error) {
	switch again := job.AttemptsStarted > 1; {
	case job.Name == "fail":
		return nil, errors.New("no")
	case job.Name == "fail for good":
		return nil, bullmq.Unrecoverable(errors.New("never"))
	case job.Name == "delay" && !again:
		return nil, bullmq.DelayUntil(g.now.Add(5 * time.Second))
	case job.Name == "wait" && !again:
		return nil, bullmq.Requeue()
	case job.Name == "step" && !again:
		_, err := g.Add(g.Context(), "complete", nil, bullmq.JobOptions{ID: job.ID + "-child", Parent: &bullmq.ParentRef{ID: job.ID, Queue: g.QualifiedName()}})
		return nil, cmp.Or(err, bullmq.WaitForChildren())
	}
	return job.Data, nil
}

func testFetchFinishedInOther(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		q := r.queue("q")
		w, err := bullmq.NewWorker(r.rdb, "q", func(context.Context, *bullmq.Job) (any, error) { return nil, nil }, bullmq.WorkerOptions{Prefix: r.Prefix})
		r.ok(err)
		r.node.do(nil, `$.state.worker = new $.bull.Worker('q', null, { connection: $.connection, autorun: false }); await $.state.worker.waitUntilReady()`)
		fetch := func(language, token string) (id string) {
			r.Helper()
			if language == "node" {
				r.node.do(&id, `return (await $.state.worker.getNextJob(args[0], { block: false })).id`, token)
				return id
			}
			job, err := w.Fetch(r.Context(), token)
			r.ok(err)
			return job.ID
		}
		for _, first := range languages {
			id := r.add(q, "n", nil, bullmq.JobOptions{Attempts: 2})
			fetched := fetch(first, "one")
			if first == "node" {
				job, err := q.Job(r.Context(), fetched)
				r.ok(err)
				r.ok(w.Settle(r.Context(), job, "one", nil, errors.New("not yet")))
			} else {
				r.node.do(nil, `await (await $.queue('q').getJob(args[0])).moveToFailed(new Error('not yet'), 'one', false)`, fetched)
			}
			r.reaches(q, id, bullmq.StateWaiting)
			fetched = fetch(other(first), "two")
			if first == "node" {
				r.node.do(nil, `const job = await $.queue('q').getJob(args[0]);
					await job.moveToCompleted('done', 'one', false).then(() => { throw new Error('another token will do') }, () => {});
					await job.moveToCompleted('done', 'two', false)`, fetched)
			} else {
				job, err := q.Job(r.Context(), fetched)
				r.ok(err)
				if err := w.Settle(r.Context(), job, "one", "done", nil); !errors.Is(err, bullmq.ErrLockLost) {
					r.Errorf("settled with another token: %v", err)
				}
				r.ok(w.Settle(r.Context(), job, "two", "done", nil))
			}
			r.reaches(q, id, bullmq.StateCompleted)
			job, err := q.Job(r.Context(), id)
			r.ok(err)
			if fetched != id || job.AttemptsMade != 2 || string(job.ReturnValue) != `"done"` {
				r.Errorf("first in %s: fetched %s, then it was %+v", first, fetched, job)
			}
		}
		r.node.do(nil, `await $.state.worker.close()`)
		r.node.quiet()
	})
}

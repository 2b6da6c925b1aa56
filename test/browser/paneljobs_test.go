package browser

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"schoolbell/internal/testenv"
)

// moreJobs fails three jobs of the queue letters, and leaves a flow over two queues and a scheduler there.
const moreJobs = `
const { Queue, Worker, FlowProducer } = require('bullmq');
const [host, port] = process.argv[1].split(':');
const connection = { host, port: Number(port) };
(async () => {
  const queue = new Queue('letters', { connection });
  const worker = new Worker('letters', async (job) => { throw new Error(job.data.why); }, { connection });
  let left = 3;
  const failed = new Promise((resolve) => worker.on('failed', () => { if (--left === 0) resolve(); }));
  await queue.add('print', { class: '5b', why: 'no paper' }, { jobId: 'first' });
  await queue.add('print', { class: '6a', why: 'no paper' }, { jobId: 'second' });
  await queue.add('fold', { class: '6a', why: 'no hands' }, { jobId: 'third' });
  await failed;
  await worker.close();
  const flows = new FlowProducer({ connection });
  await flows.add({ name: 'collect', queueName: 'binders', data: {}, opts: { jobId: 'binder' }, children: [
    { name: 'sheet', queueName: 'letters', data: {}, opts: { jobId: 'sheet-a' } },
    { name: 'sheet', queueName: 'letters', data: {}, opts: { jobId: 'sheet-b' } },
  ] });
  await queue.upsertJobScheduler('nightly', { pattern: '0 3 * * *', tz: 'Europe/London' }, { name: 'sweep' });
  await flows.close();
  await queue.close();
})();`

// addMoreJobs runs moreJobs.
func addMoreJobs(t *testing.T, redis string) {
	t.Helper()
	folder := filepath.Join(testenv.Root(t), "test", "interop")
	cmd := exec.Command(testenv.Node(t, folder), "-e", moreJobs, redis)
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func (s *site) testFilterJobs(t *testing.T, admin string) {
	p := s.signsIn(t, device{width: 1440}, admin, "queues/letters?state=failed")
	for text, want := range map[string]string{"NO PAPER": "2 of 3 jobs match", "third": "1 of 3 jobs match", `"6a"`: "2 of 3 jobs match", "fold": "1 of 3 jobs match", "glue": "0 of 3 jobs match"} {
		p.visit(s.URL + "/panel/queues/letters?state=failed")
		p.fill(map[string]string{"q": text})
		p.goes(func() { p.submit("form[role=search]") })
		if got := p.text(); !strings.Contains(got, want) {
			t.Errorf("filtered by %s:\n%s", text, got)
		}
	}
	p.visit(s.URL + "/panel/queues/letters?state=failed&q=no+paper")
	p.picture("panel-queue-filtered-1440")
	p.goes(func() { p.eval("document.querySelector('a[href*=\"matching/retry\"]').click()", nil) })
	if got := p.text(); !strings.Contains(got, "Retry 2 jobs?") || !strings.Contains(got, "no paper") {
		t.Fatalf("before two are retried:\n%s", got)
	}
	p.eval("document.querySelector('[name=count]').value = 3", nil)
	p.goes(func() { p.submit("main form") })
	if got := p.text(); !strings.Contains(got, "2 jobs match by now") {
		t.Errorf("another number was retried:\n%s", got)
	}
	p.visit(s.URL + "/panel/queues/letters/matching/retry?state=failed&q=no+paper")
	p.goes(func() { p.submit("main form") })
	if got := p.text(); !strings.Contains(got, "The jobs wait to run again.") || !strings.Contains(got, "0 of 1 job match") {
		t.Errorf("after two were retried:\n%s", got)
	}
	p.visit(s.URL + "/panel/queues/letters/matching/remove?state=waiting&q=second")
	p.goes(func() { p.submit("main form") })
	if got := p.text(); !strings.Contains(got, "The jobs are removed.") {
		t.Errorf("after one was removed:\n%s", got)
	}
	p.visit(s.URL + "/panel/queues/letters?state=waiting")
	var waiting string
	p.eval("[...document.querySelectorAll('main tbody')].map((rows) => rows.innerText).join()", &waiting)
	if strings.Contains(waiting, "second") || !strings.Contains(waiting, "first") {
		t.Errorf("the jobs that wait:\n%s", waiting)
	}
	p.visit(s.URL + "/panel/audit?action=queue.retry")
	if got := p.text(); !strings.Contains(got, "letters") {
		t.Errorf("the audit log:\n%s", got)
	}
}

func (s *site) testSchedulers(t *testing.T, admin string) {
	p := s.signsIn(t, device{width: 1440}, admin, "queues/letters")
	if got := p.text(); !strings.Contains(got, "nightly") || !strings.Contains(got, "0 3 * * *, Europe/London") {
		t.Fatalf("the schedulers:\n%s", got)
	}
	if got := p.confirms("a[href*='schedulers/remove']", "Remove this scheduler?", "nightly", "0 3 * * *, Europe/London"); strings.Contains(got, "nightly") || !strings.Contains(got, "No scheduler makes jobs") {
		t.Errorf("after it was removed:\n%s", got)
	}
}

func (s *site) testRemoveJob(t *testing.T, admin string) {
	p := s.signsIn(t, device{width: 1440}, admin, "queues/letters/jobs/third")
	contains(t, p.confirms("a[href$='third/remove']", "Remove this job?", "third", "fold", "Failed", "no hands", "It is a job of another program"), "letters")
	p.visit(s.URL + "/panel/queues/letters/jobs/third/remove")
	contains(t, p.text(), "There is no such page")
	p.visit(s.URL + "/panel/queues/letters/schedulers/remove?id=weekly")
	contains(t, p.text(), "There is no such page")
}

func (s *site) testFlow(t *testing.T, admin string) {
	p := s.signsIn(t, device{width: 1440}, admin, "queues/binders/jobs/binder")
	if got := p.text(); !strings.Contains(got, "sheet-a") || !strings.Contains(got, "sheet-b") || !strings.Contains(got, "this job") {
		t.Fatalf("the parent:\n%s", got)
	}
	p.picture("panel-job-flow-1440")
	p.goes(func() { p.eval("document.querySelector('.tree ul a.node').click()", nil) })
	if got := p.text(); !strings.Contains(got, "binder") || !strings.Contains(got, "this job") {
		t.Errorf("a child:\n%s", got)
	}
	p.visit(s.URL + "/panel/queues")
	if got := p.text(); !strings.Contains(got, "Next has waited") || !strings.Contains(got, "second") && !strings.Contains(got, "minute") {
		t.Errorf("the queues:\n%s", got)
	}
	p.picture("panel-queues-waited-1440")
}

func (s *site) testJobsAccessible(t *testing.T, admin string) {
	pages := map[string]string{"queue-filter": "queues/letters?state=failed&q=no", "jobs-retry": "queues/letters/matching/retry?state=failed&q=no", "job-flow": "queues/binders/jobs/binder",
		"job-remove": "queues/letters/jobs/third/remove", "scheduler-remove": "queues/letters/schedulers/remove?id=nightly"}
	for _, d := range devices {
		p := s.signsIn(t, d, admin, "")
		for name, page := range pages {
			p.visit(s.URL + "/panel/" + page)
			s.axeFindsNothing(t, p, "panel-"+name+"-"+d.String())
		}
	}
}

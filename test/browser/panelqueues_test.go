package browser

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
)

// failingJob adds a job to the queue report-cards and has a worker fail it, as a Node program does.
const failingJob = `
const { Queue, Worker } = require('bullmq');
const [host, port] = process.argv[1].split(':');
const connection = { host, port: Number(port) };
(async () => {
  const queue = new Queue('report-cards', { connection });
  const worker = new Worker('report-cards', async () => { throw new Error('no paper <b>left</b>'); }, { connection, metrics: { maxDataPoints: 60 } });
  const failed = new Promise((resolve) => worker.on('failed', resolve));
  await queue.add('print', { class: '5b' });
  await failed;
  await worker.close();
  await queue.close();
})();`

func TestPanelQueues(t *testing.T) {
	t.Parallel()
	addr := testenv.Redis(t)
	s := newSiteOn(t, system.Parts{Redis: addr})
	folder := filepath.Join(testenv.Root(t), "test", "interop")
	node := testenv.Node(t, folder)
	cmd := exec.Command(node, "-e", failingJob, addr)
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	addMoreJobs(t, addr)
	admin := s.account(t, "head@hollowbrook.example", "Oswin Hale", schoolbell.RoleAdmin)
	t.Run("a failed job of a Node program is retried", func(t *testing.T) { s.testRetryNodeJob(t, admin) })
	t.Run("a queue is paused and resumed", func(t *testing.T) { s.testPauseQueue(t, admin) })
	t.Run("axe-core finds nothing on any page", func(t *testing.T) { s.testQueuesAccessible(t, admin) })
	t.Run("all failed jobs are removed once confirmed", func(t *testing.T) { s.testRemoveJobs(t, admin) })
	t.Run("a flow leads from a job to its children", func(t *testing.T) { s.testFlow(t, admin) })
	t.Run("axe-core finds nothing on filters and flows", func(t *testing.T) { s.testJobsAccessible(t, admin) })
	t.Run("jobs are filtered, and those that match retried", func(t *testing.T) { s.testFilterJobs(t, admin) })
	t.Run("a job is removed", func(t *testing.T) { s.testRemoveJob(t, admin) })
	t.Run("a scheduler is removed", func(t *testing.T) { s.testSchedulers(t, admin) })
	t.Run("senders see no queues", s.testQueuesForSenders)
}

func (s *site) testRetryNodeJob(t *testing.T, admin string) {
	p := s.signsIn(t, device{width: 1440}, admin, "queues")
	if text := p.text(); !strings.Contains(text, "report-cards") || !strings.Contains(text, "of another program") || !strings.Contains(text, "event-notifications") {
		t.Fatalf("the list of queues:\n%s", text)
	}
	p.visit(s.URL + "/panel/queues/event-notifications")
	contains(t, p.text(), "No worker of this queue has counted jobs yet.")
	p.visit(s.URL + "/panel/queues/report-cards")
	var counted string
	p.eval("document.querySelector('svg.plot').getAttribute('aria-label')", &counted)
	if want := "Jobs a minute in the last hour: 0 completed, 1 failed, at most 1 in a minute."; counted != want {
		t.Errorf("the chart says %q, want %q", counted, want)
	}
	p.goes(func() { p.eval("document.querySelector('tbody a.lead').click()", nil) })
	if text := p.text(); !strings.Contains(text, "no paper <b>left</b>") || !strings.Contains(text, `"class": "5b"`) || !strings.Contains(text, "1 of 1") {
		t.Fatalf("the job:\n%s", text)
	}
	p.picture("panel-job-1440")
	p.goes(func() { p.submit("form[action$=retry]") })
	if text := p.text(); !strings.Contains(text, "Waiting") {
		t.Errorf("the job after it was retried:\n%s", text)
	}
}

func (s *site) testPauseQueue(t *testing.T, admin string) {
	p := s.signsIn(t, device{width: 1440}, admin, "queues/report-cards")
	p.goes(func() { p.submit("form[action$=pause]") })
	if text := p.text(); !strings.Contains(text, "Paused") {
		t.Errorf("paused:\n%s", text)
	}
	p.goes(func() { p.submit("form[action$=resume]") })
	if text := p.text(); !strings.Contains(text, "Running") {
		t.Errorf("resumed:\n%s", text)
	}
}

func (s *site) testQueuesAccessible(t *testing.T, admin string) {
	for _, d := range devices {
		p := s.signsIn(t, d, admin, "queues")
		s.axeFindsNothing(t, p, "panel-queues-"+d.String())
		p.visit(s.URL + "/panel/queues/report-cards?state=waiting")
		s.axeFindsNothing(t, p, "panel-queue-"+d.String())
		p.goes(func() { p.eval("document.querySelector('tbody a.lead').click()", nil) })
		s.axeFindsNothing(t, p, "panel-job-"+d.String())
	}
}

func (s *site) testRemoveJobs(t *testing.T, admin string) {
	p := s.signsIn(t, device{width: 1440}, admin, "queues/report-cards?state=waiting")
	if text := p.text(); strings.Contains(text, "Remove all") {
		t.Errorf("jobs that wait can be removed at once:\n%s", text)
	}
	p.visit(s.URL + "/panel/queues/report-cards/remove?state=failed")
	p.eval("document.querySelector('[name=count]').value = 7", nil)
	p.goes(func() { p.submit("form") })
	if text := p.text(); !strings.Contains(text, "This is not possible now") {
		t.Errorf("another number of jobs was removed:\n%s", text)
	}
}

func (s *site) testQueuesForSenders(t *testing.T) {
	sender := s.account(t, "office@hollowbrook.example", "Mara Tennick", schoolbell.RoleSender)
	p := s.signsIn(t, device{width: 1440}, sender, "queues")
	if text := p.text(); !strings.Contains(text, "Your role does not allow this") || strings.Contains(text, "report-cards") {
		t.Errorf("a sender sees\n%s", text)
	}
	p.visit(s.URL + "/panel/")
	if text := p.text(); strings.Contains(text, "Queues") {
		t.Errorf("a sender is offered\n%s", text)
	}
}

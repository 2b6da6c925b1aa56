package interop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"schoolbell/internal/testenv"
)

const (
	apiKey     = "a-key-for-tests-only"
	eventQueue = "event-notifications"
	mailQueue  = "event-notifications-email"
)

// program is Schoolbell as it is shipped: serve and worker, on servers of its own.
type program struct {
	*rig
	bin     string
	url     string // of the server
	env     []string
	running []*testenv.Program
}

// startProgram runs it beside BullMQ 6. Extra are settings; the ledger is SQLite
// unless they name another.
func startProgram(t *testing.T, sink *testenv.Sink, extra ...string) *program {
	t.Helper()
	return startProgramBeside(t, 6, sink, extra...)
}

// startProgramBeside is startProgram with another major of BullMQ.
func startProgramBeside(t *testing.T, major int, sink *testenv.Sink, extra ...string) *program {
	t.Helper()
	r := newRig(t, major)
	host, port, _ := strings.Cut(r.addr, ":")
	addr := "127.0.0.1:" + strconv.Itoa(testenv.FreePort(t))
	s := &program{rig: r, bin: testenv.Binary(t), url: "http://" + addr, env: append([]string{
		"REDIS_HOST=" + host, "REDIS_PORT=" + port, "HTTP_ADDR=" + addr, "SCHOOLBELL_URL=http://" + addr, "SCHOOLBELL_API_KEY=" + apiKey,
		"DATA_DIR=" + t.TempDir(), "SMTP_HOST=" + sink.Host, "SMTP_PORT=" + strconv.Itoa(sink.Port), "SMTP_TLS=none",
		"EMAIL_FROM=office@hill.example", "WORKER_NAME=worker-1", "BATCH_SIZE=10", "JOB_RETRIES=1", "JOB_BACKOFF=50ms",
	}, extra...)}
	s.run()
	return s
}

// run starts the server and a worker.
func (s *program) run() {
	s.Helper()
	server, worker := s.process("serve"), s.process("worker")
	server.Await(" serves http")
	worker.Await("waits for jobs")
	s.running = []*testenv.Program{worker, server}
}

// stop stops what run has started.
func (s *program) stop() {
	s.Helper()
	for _, p := range s.running {
		p.Stop()
	}
}

func (s *program) process(command string) *testenv.Program {
	s.Helper()
	return testenv.StartProgram(s.T, testenv.ProgramOptions{Dir: s.TempDir(), Env: s.env}, s.bin, command)
}

// cli runs a command and decodes what it prints into out, which may be nil.
func (s *program) cli(out any, stdin string, args ...string) {
	s.Helper()
	cmd := exec.CommandContext(s.Context(), s.bin, args...)
	cmd.Dir, cmd.Env, cmd.Stdin = s.TempDir(), append(cmd.Environ(), s.env...), strings.NewReader(stdin)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	text, err := cmd.Output()
	if err == nil && out != nil {
		err = json.Unmarshal(text, out)
	}
	if err != nil {
		s.Fatalf("schoolbell %s: %v\n%s%s", strings.Join(args, " "), err, text, &complaint)
	}
}

// people imports that many parents.
func (s *program) people(n int) {
	s.Helper()
	var file strings.Builder
	for i := range n {
		fmt.Fprintf(&file, `{"id":"p%d","name":"Parent %d","email":"p%d@people.hill.example","roles":["parent"]}`+"\n", i, i, i)
	}
	s.cli(nil, file.String(), "user", "import", "--json", "--format", "ndjson", "-")
}

// event creates an event for all parents and returns its id.
func (s *program) event(channels ...string) string {
	s.Helper()
	args := []string{"event", "create", "--json", "--title", "Sports day", "--body", "On Friday.", "--role", "parent"}
	for _, ch := range channels {
		args = append(args, "--channel", ch)
	}
	var made struct{ ID string }
	s.cli(&made, "", args...)
	return made.ID
}

// cliJob is a job as schoolbell prints it.
type cliJob struct {
	ID, Name, State string
	Data, Progress  json.RawMessage
	ReturnValue     json.RawMessage `json:"return_value"`
	FailedReason    string          `json:"failed_reason"`
	StackTrace      []string
	AttemptsMade    int `json:"attempts_made"`
	Attempts        int
	Stalled         int
	Priority        int64
	DelayMS         int64 `json:"delay_ms"`
	Parent, Worker  string
	CreatedAt       time.Time `json:"created_at"`
	ProcessedAt     time.Time `json:"processed_at"`
	FinishedAt      time.Time `json:"finished_at"`
	Logs            []string
}

// agrees compares all that Node and the command line say of a queue, and returns
// the counts.
func (s *program) agrees(queue string) map[string]int64 {
	s.Helper()
	var ours, theirs map[string]int64
	s.cli(&ours, "", "queue", "counts", queue, "--json")
	s.node.do(&theirs, `return $.queue(args[0]).getJobCounts()`, queue)
	if ours["paused"] == 0 {
		delete(ours, "paused") // a place that BullMQ 6 does not have, and does not count
	}
	s.same("counts of "+queue, ours, theirs)
	for _, state := range nodeStates {
		var page struct{ Jobs []cliJob }
		s.cli(&page, "", "queue", "jobs", queue, "--state", state, "--limit", "100", "--json")
		var jobs []nodeJob
		s.node.do(&jobs, `return (await $.queue(args[0]).getJobs([args[1]])).map($.plain)`, queue, state)
		if len(page.Jobs) != len(jobs) || len(jobs) != int(theirs[state]) {
			s.Errorf("%s jobs of %s: the command line lists %d, Node %d, the count is %d", state, queue, len(page.Jobs), len(jobs), theirs[state])
			continue
		}
		for i, job := range jobs {
			s.sameAsNode(page.Jobs[i], job, state)
		}
		if len(jobs) > 0 {
			s.sameSingle(queue, jobs[0].ID, state)
		}
	}
	return theirs
}

// sameSingle compares one job as both show it by its id.
func (s *program) sameSingle(queue, id, state string) {
	s.Helper()
	var ours cliJob
	s.cli(&ours, "", "queue", "job", queue, id, "--json")
	var theirs struct {
		Job   nodeJob
		State string
		Logs  []string
	}
	s.node.do(&theirs, `const job = await $.queue(args[0]).getJob(args[1]);
		return { job: $.plain(job), state: await job.getState(), logs: (await $.queue(args[0]).getJobLogs(args[1])).logs }`, queue, id)
	if theirs.State != state {
		s.Errorf("Node says job %s is %s, it was listed as %s", id, theirs.State, state)
	}
	s.sameAsNode(ours, theirs.Job, state)
	if !slices.Equal(ours.Logs, theirs.Logs) {
		s.Errorf("log of job %s: %q, Node reads %q", id, ours.Logs, theirs.Logs)
	}
}

func (s *program) sameAsNode(ours cliJob, theirs nodeJob, state string) {
	s.Helper()
	date := func(ms int64) time.Time {
		if ms == 0 {
			return time.Time{}
		}
		return time.UnixMilli(ms).UTC()
	}
	attempts, _ := theirs.Opts["attempts"].(float64)
	want := cliJob{
		ID: theirs.ID, Name: theirs.Name, State: state, Data: theirs.Data, Progress: theirs.Progress, ReturnValue: theirs.ReturnValue,
		FailedReason: theirs.FailedReason, StackTrace: theirs.StackTrace, AttemptsMade: theirs.AttemptsMade, Attempts: max(1, int(attempts)),
		Stalled: theirs.StalledCounter, Priority: theirs.Priority, DelayMS: theirs.Delay, Parent: theirs.ParentKey, Worker: theirs.ProcessedBy,
		CreatedAt: date(theirs.Timestamp), ProcessedAt: date(theirs.ProcessedOn), FinishedAt: date(theirs.FinishedOn),
	}
	if ours.Progress == nil {
		ours.Progress = json.RawMessage(`0`) // as Node shows a job without any
	}
	if ours.StackTrace == nil {
		ours.StackTrace = []string{}
	}
	ours.Logs = nil // compared on their own
	s.same("job "+theirs.ID, ours, want)
}

// settles waits until a queue's jobs are counted so, by Node.
func (s *program) settles(queue string, want map[string]int64) {
	s.Helper()
	testenv.Eventually(s.T, patience, func() error {
		var counts map[string]int64
		s.node.do(&counts, `return $.queue(args[0]).getJobCounts()`, queue)
		for state, n := range want {
			if counts[state] != n {
				return fmt.Errorf("counts are %v", counts)
			}
		}
		return nil
	}, "%s has %v", queue, want)
}

func TestSchoolbellQueues(t *testing.T) {
	t.Parallel()
	for _, ledger := range []struct {
		name string
		env  func(t *testing.T) []string
	}{
		{"SQLite", func(*testing.T) []string { return nil }},
		{"PostgreSQL", func(t *testing.T) []string { return []string{"DATABASE_URL=" + testenv.Postgres(t)} }},
	} {
		t.Run(ledger.name, func(t *testing.T) {
			t.Parallel()
			// The mail server puts everybody off, so that jobs fail in the end.
			sink := testenv.SMTPSinkServer(t, testenv.SinkOptions{Args: []string{"-r", "RCPT"}})
			s := startProgram(t, sink, ledger.env(t)...)
			s.people(95) // ten batches
			inApp := s.event("in_app")
			s.settles(eventQueue, map[string]int64{"completed": 1})

			s.cli(nil, "", "queue", "pause", mailQueue)
			var paused bool
			s.node.do(&paused, `return $.queue(args[0]).isPaused()`, mailQueue)
			if !paused {
				t.Error("Node does not see the pause")
			}
			mailed := s.event("in_app", "email")
			s.settles(eventQueue, map[string]int64{"completed": 1, "waiting-children": 1})
			s.agrees(eventQueue)
			if counts := s.agrees(mailQueue); counts["prioritized"] != 10 {
				t.Errorf("batches that wait: %v", counts)
			}
			s.sameProgress(inApp, 100)
			s.seesChildren(mailed, 10)

			s.node.do(nil, `await $.queue(args[0]).resume()`, mailQueue) // from the other side
			s.settles(mailQueue, map[string]int64{"waiting": 0, "prioritized": 0, "active": 0, "delayed": 0})
			s.settles(eventQueue, map[string]int64{"waiting": 0, "prioritized": 0, "active": 0, "waiting-children": 0})
			s.agrees(eventQueue)
			if counts := s.agrees(mailQueue); counts["failed"] == 0 {
				t.Errorf("no batch has failed: %v", counts)
			}
			s.failedAgree()

			s.cli(nil, "", "queue", "pause", mailQueue+".urgent")
			s.cli(nil, "", "event", "create", "--json", "--title", "Fire", "--body", "Leave.", "--role", "parent", "--category", "urgent")
			s.settles(eventQueue+".urgent", map[string]int64{"waiting-children": 1})
			if counts := s.agrees(mailQueue + ".urgent"); counts["prioritized"] != 10 {
				t.Errorf("urgent batches that wait: %v", counts)
			}
			s.node.quiet()
		})
	}
}

// sameProgress compares the progress of an event's job with the event's own.
func (s *program) sameProgress(event string, want float64) {
	s.Helper()
	var job nodeJob
	s.node.do(&job, `return $.plain(await $.queue(args[0]).getJob(args[1]))`, eventQueue, event)
	var shown struct{ Progress struct{ Percent float64 } }
	s.cli(&shown, "", "event", "show", event, "--json")
	if shown.Progress.Percent != want {
		s.Errorf("event %s is %v %% done, want %v", event, shown.Progress.Percent, want)
	}
	if !strings.Contains(string(job.Progress), fmt.Sprint(want)) {
		s.Errorf("Node reads progress %s of job %s, the event is %v %% done", job.Progress, event, want)
	}
}

// seesChildren has Node follow the event's job to those of its batches.
func (s *program) seesChildren(event string, want int) {
	s.Helper()
	var children []struct{ Name, Parent string }
	s.node.do(&children, `const job = await $.queue(args[0]).getJob(args[1]);
		const { unprocessed } = await job.getDependencies();
		const mails = $.queue(args[2]);
		return Promise.all(unprocessed.map(async (key) => { const child = await mails.getJob(key.split(':').pop()); return { name: child.name, parent: child.parent.id } }))`,
		eventQueue, event, mailQueue)
	for _, c := range children {
		if c.Parent != event {
			s.Errorf("child %+v has another parent than %s", c, event)
		}
	}
	if len(children) != want {
		s.Errorf("job %s has %d children, want %d", event, len(children), want)
	}
}

// failedAgree compares getFailed with the command line's default list.
func (s *program) failedAgree() {
	s.Helper()
	var theirs []nodeJob
	s.node.do(&theirs, `return (await $.queue(args[0]).getFailed()).map($.plain)`, mailQueue)
	var page struct{ Jobs []cliJob }
	s.cli(&page, "", "queue", "jobs", mailQueue, "--json")
	if len(page.Jobs) != len(theirs) {
		s.Fatalf("failed jobs: the command line lists %d, Node %d", len(page.Jobs), len(theirs))
	}
	for i, job := range theirs {
		s.sameAsNode(page.Jobs[i], job, "failed")
		if job.FailedReason == "" || job.AttemptsMade < 1 || len(job.StackTrace) != job.AttemptsMade {
			s.Errorf("job %s failed for %q after %d attempts with %d traces", job.ID, job.FailedReason, job.AttemptsMade, len(job.StackTrace))
		}
	}
}

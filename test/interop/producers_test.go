package interop

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/testenv"
	"schoolbell/wire"
)

// TestProducers has Node's BullMQ ask for events by adding jobs, as producers of the old system do.
func TestProducers(t *testing.T) {
	inBothMajors(t, func(t *testing.T, major int) {
		s := startProducers(t, major)
		t.Run("a job becomes its event", s.testBecomes)
		t.Run("the same job id twice is one event", s.testSameID)
		t.Run("a number is no key", s.testNumbers)
		t.Run("bad data fail the job with their fields", s.testBadData)
		t.Run("a delay becomes send_at", s.testDelay)
		t.Run("delayed events outlive Redis", s.testDelayOutlives)
		t.Run("an urgent event goes to its lane", s.testUrgent)
		t.Run("the same id in both lanes is one event", s.testBothLanes)
		t.Run("Redis emptied before the insert loses the job only", s.testEmptiedBefore)
		t.Run("Redis emptied after the insert loses nothing", s.testEmptiedAfter)
		t.Run("both kinds of producers at once", s.testBothKinds)
		t.Run("killed workers lose and repeat no event", s.testKilled)
		s.node.quiet()
	})
}

// producers is the program with people, for tests one after the other.
type producers struct {
	*program
	sink   *testenv.Sink
	client *client.Client
}

const parents = 3

func startProducers(t *testing.T, major int, extra ...string) *producers {
	t.Helper()
	sink := testenv.SMTPSink(t)
	s := &producers{program: startProgramBeside(t, major, sink, append([]string{"RATE_LIMIT_MAX=0", "API_RATE_PER_KEY=0"}, extra...)...), sink: sink}
	s.people(parents)
	var err error
	s.client, err = client.New(client.Config{URL: s.url, Key: apiKey})
	s.ok(err)
	return s
}

// within is the same for a subtest.
func (s *producers) within(t *testing.T) *producers {
	sub := *s.program
	sub.rig = s.rig.within(t)
	return &producers{&sub, s.sink, s.client}
}

// asked is the data of a job that asks for an event.
func asked(change ...any) map[string]any {
	data := map[string]any{"title": "Sports day", "body": "On Friday.", "audience": map[string]any{"roles": []string{"parent"}}, "channels": []string{"in_app"}}
	for i := 0; i < len(change); i += 2 {
		data[change[i].(string)] = change[i+1]
	}
	return data
}

// producedJob is a job after its end, as Node sees it.
type producedJob struct {
	ID, State string
	Data      struct {
		EventID string `json:"event_id"`
		Title   string
	}
	Progress struct{ Percent float64 }
	Value    struct {
		EventID string `json:"event_id"`
		Status  string
	}
	FailedReason string
	AttemptsMade int
}

// produce adds a job and waits for its end, as the page of the old system shows it.
func (s *producers) produce(queue string, data, opts any) (job producedJob) {
	s.Helper()
	s.node.do(&job, `const queue = $.queue(args[0]);
		const events = await $.events(args[0]);
		const added = await queue.add('event', args[1], args[2]);
		const value = await added.waitUntilFinished(events, 30000).catch(() => null);
		const job = await queue.getJob(added.id);
		return { id: job.id, state: await job.getState(), data: Array.isArray(job.data) ? {} : job.data, progress: { percent: job.progress.percent ?? 0 }, value: job.returnvalue ?? value ?? {},
			failedReason: job.failedReason ?? '', attemptsMade: job.attemptsMade };`, queue, data, opts)
	return job
}

// add adds a job and returns its id.
func (s *producers) add(queue string, data, opts any) (id string) {
	s.Helper()
	s.node.do(&id, `return (await $.queue(args[0]).add('event', args[1], args[2])).id`, queue, data, opts)
	return id
}

func (s *producers) events() (list []wire.Event) {
	s.Helper()
	for at := (client.Page{Limit: 100}); ; {
		page, err := s.client.Events(s.Context(), "", at)
		s.ok(err)
		for _, e := range page.Events {
			list = append(list, *e)
		}
		if at.Cursor = page.Next; at.Cursor == "" {
			return list
		}
	}
}

// named are the events with a title.
func (s *producers) named(title string) []wire.Event {
	s.Helper()
	return slices.DeleteFunc(s.events(), func(e wire.Event) bool { return e.Title != title })
}

// completes waits until n events of a title are completed, each with one message for each person on a channel.
func (s *producers) completes(title string, n int) (list []wire.Event) {
	s.Helper()
	testenv.Eventually(s.T, 2*patience, func() error {
		list = s.named(title)
		for _, e := range list {
			if e.Status != "completed" {
				return fmt.Errorf("event %s is %s", e.ID, e.Status)
			}
		}
		if len(list) != n {
			return fmt.Errorf("there are %d events", len(list))
		}
		return nil
	}, "%d events %q are completed", n, title)
	return list
}

func (s *producers) testBecomes(t *testing.T) {
	s = s.within(t)
	job := s.produce(eventQueue, asked("title", "Becomes"), map[string]any{"jobId": "größe-1", "attempts": 3})
	if job.State != "completed" || job.ID != "größe-1" || job.Data.Title != "" || job.Progress.Percent != 100 || job.Value.Status != "completed" {
		t.Fatalf("the job ended as %+v", job)
	}
	e := s.completes("Becomes", 1)[0]
	if e.ID != job.Data.EventID || e.ID != job.Value.EventID || e.ID == job.ID || e.JobID != job.ID || e.CreatedBy.Kind != "queue" || e.CreatedBy.ID != eventQueue {
		t.Errorf("job %+v has event %+v", job, e)
	}
	if !e.SendAt.IsZero() {
		t.Errorf("an event without a delay is sent at %v", e.SendAt)
	}
}

func (s *producers) testSameID(t *testing.T) {
	s = s.within(t)
	first := s.produce(eventQueue, asked("title", "Same"), map[string]any{"jobId": "same"})
	s.produce(eventQueue, asked("title", "Same"), map[string]any{"jobId": "same"}) // BullMQ adds no second job
	remove := func() { s.node.do(nil, `await (await $.queue(args[0]).getJob('same')).remove()`, eventQueue) }
	remove()
	again := s.produce(eventQueue, asked("title", "Same"), map[string]any{"jobId": "same"})
	if again.State != "completed" || again.Data.EventID != first.Data.EventID {
		t.Errorf("the job became %+v, first it was %+v", again, first)
	}
	remove()
	other := s.produce(eventQueue, asked("title", "Same, but different"), map[string]any{"jobId": "same"})
	if other.State != "failed" || other.FailedReason != "jobId: was used before for a different event" {
		t.Errorf("with other data it became %+v", other)
	}
	s.completes("Same", 1)
	if list := s.named("Same, but different"); len(list) > 0 {
		t.Errorf("stored: %+v", list)
	}
}

func (s *producers) testNumbers(t *testing.T) {
	s = s.within(t)
	one, two := s.produce(eventQueue, asked("title", "Numbers"), nil), s.produce(eventQueue, asked("title", "Numbers"), nil)
	if one.ID == two.ID || one.Data.EventID == two.Data.EventID {
		t.Errorf("jobs %+v and %+v", one, two)
	}
	for _, e := range s.completes("Numbers", 2) {
		if e.JobID != one.ID && e.JobID != two.ID {
			t.Errorf("event has job %q", e.JobID)
		}
	}
}

func (s *producers) testBadData(t *testing.T) {
	s = s.within(t)
	before := len(s.events())
	for _, c := range []struct {
		data any
		opts map[string]any
		want []string
	}{
		{map[string]any{}, nil, []string{"title: is required", "body: is required", "audience: is required"}},
		{asked("title", "", "colour", "red"), nil, []string{"colour: "}},
		{asked("title", " "), nil, []string{"title: "}},
		{asked("audience", map[string]any{"users": []string{"nobody"}}), nil, []string{"audience.users[0]: "}},
		{asked("audience", map[string]any{"roles": []string{"pirate"}}), nil, []string{"audience.roles[0]: "}},
		{asked("send_at", "tomorrow"), nil, []string{"send_at: "}},
		{asked(), map[string]any{"jobId": strings.Repeat("x", 256)}, []string{"jobId: must be at most 255 bytes"}},
		{[]string{"a"}, nil, []string{"job data names no event"}},
		{map[string]any{"event_id": "nobody"}, nil, []string{"event"}},
	} {
		opts := map[string]any{"attempts": 3, "backoff": map[string]any{"type": "exponential", "delay": 5000}}
		for k, v := range c.opts {
			opts[k] = v
		}
		job := s.produce(eventQueue, c.data, opts)
		if job.State != "failed" || job.AttemptsMade != 1 {
			t.Errorf("%v is %s after %d attempts", c.data, job.State, job.AttemptsMade)
		}
		for _, part := range c.want {
			if !strings.Contains(job.FailedReason, part) {
				t.Errorf("%v failed with %q, want %q in it", c.data, job.FailedReason, part)
			}
		}
	}
	if after := len(s.events()); after != before {
		t.Errorf("%d events were stored", after-before)
	}
}

func (s *producers) testDelay(t *testing.T) {
	s = s.within(t)
	const delay = time.Hour
	s.add(eventQueue, asked("title", "Delayed"), map[string]any{"jobId": "later-1", "delay": delay.Milliseconds()})
	var list []wire.Event
	testenv.Eventually(t, patience, func() error {
		if list = s.named("Delayed"); len(list) != 1 {
			return fmt.Errorf("%d events", len(list))
		}
		return nil
	}, "the event is stored before the job is due")
	e := list[0]
	if wait := time.Until(e.SendAt.Time); e.Status != "scheduled" || e.JobID != "later-1" || wait > delay || wait < delay/2 {
		t.Errorf("event %+v", e)
	}
	testenv.Eventually(t, patience, func() error {
		job := s.job("later-1")
		if job.State != "delayed" || job.Data.EventID != e.ID || job.Data.Title != "" {
			return fmt.Errorf("job is %+v", job)
		}
		return nil
	}, "the job names the event")
	s.cli(nil, "", "event", "cancel", e.ID, "--json")
	testenv.Eventually(t, patience, func() error {
		var there bool
		s.node.do(&there, `return Boolean(await $.queue(args[0]).getJob('later-1'))`, eventQueue)
		if there {
			return fmt.Errorf("it is there")
		}
		return nil
	}, "the job of the cancelled event is removed")
}

// job is a job of the event queue.
func (s *producers) job(id string) (job producedJob) {
	s.Helper()
	s.node.do(&job, `const job = await $.queue(args[0]).getJob(args[1]); return { id: job?.id, state: await job?.getState(), data: job?.data ?? {} }`, eventQueue, id)
	return job
}

func (s *producers) testDelayOutlives(t *testing.T) {
	s = s.within(t)
	delay := map[string]any{"delay": 15_000}
	number := s.add(eventQueue, asked("title", "Soon by number"), delay)
	delay["jobId"] = "soon"
	s.add(eventQueue, asked("title", "Soon by id"), delay)
	testenv.Eventually(t, patience, func() error {
		if one, two := s.named("Soon by number"), s.named("Soon by id"); len(one) != 1 || len(two) != 1 || one[0].JobID != number {
			return fmt.Errorf("%+v and %+v", one, two)
		}
		return nil
	}, "the events are stored before they are due")
	s.empty()
	s.completes("Soon by number", 1)
	e := s.completes("Soon by id", 1)[0]
	testenv.Eventually(t, patience, func() error {
		if job := s.job("soon"); job.State != "completed" || job.Data.EventID != e.ID {
			return fmt.Errorf("job is %+v", job)
		}
		return nil
	}, "the job is rebuilt under its id")
}

// empty removes all keys of Redis.
func (s *producers) empty() {
	s.Helper()
	s.ok(s.rdb.FlushAll(s.Context()).Err())
}

func (s *producers) testUrgent(t *testing.T) {
	s = s.within(t)
	for _, queue := range []string{eventQueue, eventQueue + ".urgent"} {
		title := "Fire in " + queue
		job := s.produce(queue, asked("title", title, "category", "urgent"), map[string]any{"jobId": "fire in " + queue})
		if job.State != "completed" || job.Progress.Percent != 100 || job.Value.Status != "completed" {
			t.Errorf("the job in %s ended as %+v", queue, job)
		}
		e := s.completes(title, 1)[0]
		if own := queue != eventQueue; e.Lane != "urgent" || (e.JobID == job.ID) != own || e.ID != job.Data.EventID {
			t.Errorf("job %+v in %s has event %+v", job, queue, e)
		}
	}
}

func (s *producers) testBothLanes(t *testing.T) {
	s = s.within(t)
	var ids []string
	for _, queue := range []string{eventQueue, eventQueue + ".urgent"} {
		job := s.produce(queue, asked("title", "Fire in both", "category", "urgent"), map[string]any{"jobId": "both lanes"})
		if job.Value.Status != "completed" {
			t.Errorf("the job in %s ended as %+v", queue, job)
		}
		ids = append(ids, job.Value.EventID)
	}
	e := s.completes("Fire in both", 1)[0]
	if !slices.Equal(ids, []string{e.ID, e.ID}) {
		t.Errorf("jobs have events %v, the event is %s", ids, e.ID)
	}
}

func (s *producers) testEmptiedBefore(t *testing.T) {
	s = s.within(t)
	s.node.do(nil, `await $.queue(args[0]).pause()`, eventQueue)
	data, opts := asked("title", "Emptied before"), map[string]any{"jobId": "emptied before"}
	s.add(eventQueue, data, opts)
	s.empty()
	if job := s.produce(eventQueue, data, opts); job.State != "completed" {
		t.Errorf("the job that was added again ended as %+v", job)
	}
	s.completes("Emptied before", 1)
}

func (s *producers) testEmptiedAfter(t *testing.T) {
	s = s.within(t)
	before := s.sink.Count()
	s.node.do(nil, `await $.queue(args[0]).pause()`, mailQueue)
	data, opts := asked("title", "Emptied after", "channels", []string{"in_app", "email"}), map[string]any{"jobId": "emptied after"}
	s.add(eventQueue, data, opts)
	testenv.Eventually(t, patience, func() error {
		var state string
		s.node.do(&state, `return (await $.queue(args[0]).getJob('emptied after')).getState()`, eventQueue)
		if state != "waiting-children" {
			return fmt.Errorf("it is %s", state)
		}
		return nil
	}, "the job waits for its batches")
	s.empty()
	s.completes("Emptied after", 1)
	s.add(eventQueue, data, opts)
	var job producedJob
	testenv.Eventually(t, patience, func() error {
		s.node.do(&job, `const job = await $.queue(args[0]).getJob('emptied after'); return { id: job.id, state: await job.getState(), data: job.data }`, eventQueue)
		if job.State != "completed" || job.Data.EventID != s.named("Emptied after")[0].ID {
			return fmt.Errorf("it is %+v", job)
		}
		return nil
	}, "the job of the event is completed")
	if n := s.sink.Count() - before; n != parents {
		t.Errorf("%d emails, want %d", n, parents)
	}
}

func (s *producers) testBothKinds(t *testing.T) {
	s = s.within(t)
	const each = 20
	adding := s.node.start(`await Promise.all(Array.from({ length: args[2] }, (_, i) => $.queue(args[0]).add('event', args[1], { jobId: 'both-' + i % (args[2] / 2) })))`,
		eventQueue, asked("title", "Both"), 2*each)
	for i := range each {
		_, _, err := s.client.CreateEventOnce(t.Context(), wire.NewEvent{Title: "Both", Body: "On Friday.", Channels: []schoolbell.Channel{schoolbell.ChannelInApp},
			Audience: schoolbell.Audience{Selector: schoolbell.Selector{Roles: []schoolbell.Role{schoolbell.RoleParent}}}}, fmt.Sprint("both-", i))
		s.ok(err)
	}
	adding.wait(nil)
	byJob, byKey := 0, 0
	for _, e := range s.completes("Both", 2*each) {
		if e.JobID != "" {
			byJob++
		} else {
			byKey++
		}
	}
	if byJob != each || byKey != each {
		t.Errorf("%d events of jobs and %d of requests, want %d of each", byJob, byKey, each)
	}
}

func (s *producers) testKilled(t *testing.T) {
	s = s.within(t)
	const jobs = 120
	adding := s.node.start(`for (let i = 0; i < args[2]; i++) await $.queue(args[0]).add('event', args[1], i % 2 ? { jobId: 'killed-' + i } : {})`,
		eventQueue, asked("title", "Killed"), jobs)
	for _, some := range []int{10, 40, 70} {
		testenv.Eventually(t, patience, func() error {
			if n := len(s.named("Killed")); n < some {
				return fmt.Errorf("%d events", n)
			}
			return nil
		}, "%d events are stored", some)
		s.running[0].Kill()
		worker := s.process("worker")
		worker.Await("waits for jobs")
		s.running[0] = worker
	}
	adding.wait(nil)
	s.completes("Killed", jobs)
}

func TestProducersOff(t *testing.T) {
	t.Parallel()
	s := startProducers(t, 6, "QUEUE_PRODUCERS=false")
	job := s.produce(eventQueue, asked(), map[string]any{"attempts": 3})
	if job.State != "failed" || job.AttemptsMade != 1 || !strings.Contains(job.FailedReason, "QUEUE_PRODUCERS") {
		t.Errorf("the job ended as %+v", job)
	}
	if n := len(s.events()); n > 0 {
		t.Errorf("%d events were stored", n)
	}
	s.node.quiet()
}

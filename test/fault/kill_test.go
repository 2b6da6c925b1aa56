package fault

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
	"schoolbell/wire"
)

func TestKill(t *testing.T) {
	t.Parallel()
	t.Run("another worker takes over from a killed one", testKillOneWorker)
	t.Run("another worker takes over an urgent event", testKillUrgent)
	t.Run("the only worker continues after a restart", testKillOnlyWorker)
	t.Run("a cancelled event ends after its worker and Redis are lost", testKillCancelled)
	t.Run("jobs survive the loss of two workers", testKillTwoWorkers)
	t.Run("an event is sent when serve dies before queueing it", testKillServeBeforeQueueing)
	t.Run("a bulk request is sent when serve dies before queueing", testKillServeBulk)
	t.Run("a restarted serve with an embedded queue continues", testKillServeWithQueue)
}

func testKillOneWorker(t *testing.T) {
	t.Parallel()
	mail := system.NewMail(t)
	s := system.New(t, system.Parts{Database: testenv.Postgres(t), Redis: testenv.Redis(t), SMTP: mail.Addr()})
	api, victim, other := s.Serve(), s.Worker("victim"), s.Worker("other")
	s.Import(everyone)
	mail.HoldAfter(before)
	id := s.Create().ID
	claimed, held := s.AwaitStuck(mail, "victim", "other")
	victim.Kill()
	crash := time.Now()
	mail.Release()

	f := s.Reached(mail, id, everyone)
	first, last := inDoubt(t, f, claimed, held, crash)
	report(t, f, everyone)
	t.Logf("claimed rows were sent again %.1f s to %.1f s after the crash", first.Seconds(), last.Seconds())
	other.Stop()
	api.Stop()
}

// The urgent lane has its own queues. Its jobs are taken over while a normal event waits.
func testKillUrgent(t *testing.T) {
	t.Parallel()
	const people, urgentEmail = 1000, "event-notifications-email.urgent"
	mail := system.NewMail(t)
	// The urgent lane uses all slots: as many as the normal one has by default.
	s := system.New(t, system.Parts{Database: testenv.Postgres(t), Redis: testenv.Redis(t), SMTP: mail.Addr(), Settings: []string{"WORKER_CONCURRENCY=4"}})
	api, victim, other := s.Serve(), s.Worker("victim"), s.Worker("other")
	s.Import(people)
	announcement := schoolbell.BuiltInCategories()[0]
	announcement.Lane = schoolbell.LaneUrgent
	if _, _, err := s.Client.PutCategory(t.Context(), announcement); err != nil {
		t.Fatal(err)
	}
	mail.HoldAfter(50)
	id := s.Create().ID
	claimed, held := s.AwaitStuck(mail, "victim", "other")
	victim.Kill()
	crash := time.Now()
	mail.Release()

	f := s.Reached(mail, id, people)
	inDoubt(t, f, claimed, held, crash)
	report(t, f, people)
	counts, err := s.Client.QueueCounts(t.Context(), urgentEmail)
	if err != nil || counts["failed"] != 0 || counts["completed"] != 10 {
		t.Errorf("jobs of %s: %v (%v), want 10 completed", urgentEmail, counts, err)
	}
	other.Stop()
	api.Stop()
}

// No job is left that knows of the rows which the killed worker had claimed.
func testKillCancelled(t *testing.T) {
	t.Parallel()
	for engine, database := range map[string]string{"SQLite": "", "PostgreSQL": testenv.Postgres(t)} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			const people = 1000
			mail, redis := system.NewMail(t), testenv.Redis(t)
			s := system.New(t, system.Parts{Database: database, Redis: redis, SMTP: mail.Addr()})
			api, victim := s.Serve(), s.Worker("victim")
			s.Import(people)
			mail.HoldAfter(100)
			id := s.Create().ID
			claimed, _ := s.AwaitStuck(mail, "victim")
			if _, err := s.Client.CancelEvent(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			victim.Kill()
			emptyRedis(t, redis)
			mail.Release()
			testenv.Eventually(t, promise, func() error {
				ev, err := s.Client.Event(t.Context(), id)
				if err == nil && (ev.Progress.Done != ev.Progress.Total || ev.Progress.Channels[schoolbell.ChannelEmail].Uncertain != len(claimed)) {
					err = fmt.Errorf("%d rows were claimed, the event is at %+v", len(claimed), ev.Progress)
				}
				return err
			}, "the rows that the worker had claimed become uncertain")
			api.Stop()
		})
	}
}

func testKillOnlyWorker(t *testing.T) {
	t.Parallel()
	mail := system.NewMail(t)
	s := system.New(t, system.Parts{Redis: testenv.Redis(t), SMTP: mail.Addr()})
	api, victim := s.Serve(), s.Worker("victim")
	s.Import(everyone)
	mail.HoldAfter(before)
	id := s.Create().ID
	claimed, held := s.AwaitStuck(mail, "victim")
	victim.Kill()
	mail.Release()
	restart := time.Now()
	next := s.Worker("next")

	f := s.Reached(mail, id, everyone)
	first, last := inDoubt(t, f, claimed, held, restart)
	report(t, f, everyone)
	t.Logf("claimed rows were sent again %.1f s to %.1f s after the restart", first.Seconds(), last.Seconds())
	next.Stop()
	api.Stop()
}

// The same four jobs are in the hands of each worker that dies. A queue that
// counts crashes against a job would give them up here.
func testKillTwoWorkers(t *testing.T) {
	t.Parallel()
	const people = 500
	mail := system.NewMail(t)
	s := system.New(t, system.Parts{Database: testenv.Postgres(t), Redis: testenv.Redis(t), SMTP: mail.Addr()})
	api, first := s.Serve(), s.Worker("first")
	s.Import(people)
	mail.HoldAfter(50)
	id := s.Create().ID
	inFirst, held := s.AwaitStuck(mail, "first")
	first.Kill()
	second := s.Worker("second")
	inSecond, heldToo := s.AwaitStuck(mail, "second") // what the first one left is still held
	second.Kill()
	crash := time.Now()
	mail.Release()
	third := s.Worker("third")

	f := s.Reached(mail, id, people)
	report(t, f, people)
	// A job that came back before the first one's lease had ended went on with other rows.
	inHands := append(system.Without(inFirst, inSecond), inSecond...)
	slices.Sort(inHands)
	inDoubt(t, f, inHands, append(held, heldToo...), crash)
	failed, err := s.Client.QueueCounts(t.Context(), "event-notifications-email")
	if err != nil || failed["failed"] != 0 || failed["completed"] != 5 {
		t.Errorf("jobs of the mail queue: %v (%v), want 5 completed", failed, err)
	}
	third.Stop()
	api.Stop()
}

func testKillServeBeforeQueueing(t *testing.T) {
	t.Parallel()
	const people = 100
	mail, redis := system.NewMail(t), testenv.RedisServer(t, testenv.RedisOptions{})
	s := system.New(t, system.Parts{Redis: redis.Addr, SMTP: mail.Addr()})
	api := s.Serve()
	s.Import(people)
	redis.Stop()
	id := s.Create().ID
	api.Kill()
	redis.Restart()
	worker := s.Worker("worker")
	testenv.Eventually(t, promise, func() bool { return mail.Accepted() == people }, "the worker alone sends the event")
	api = s.Serve()
	s.ReachedOnce(mail, id, people)
	worker.Stop()
	api.Stop()
}

// Each event of an accepted bulk request reaches its person once, whatever happens to serve afterwards.
func testKillServeBulk(t *testing.T) {
	t.Parallel()
	for engine, database := range map[string]string{"SQLite": "", "PostgreSQL": testenv.Postgres(t)} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			const people = 200
			mail, redis := system.NewMail(t), testenv.RedisServer(t, testenv.RedisOptions{})
			s := system.New(t, system.Parts{Database: database, Redis: redis.Addr, SMTP: mail.Addr()})
			api := s.Serve()
			s.Import(people)
			redis.Stop()
			events := make([]wire.BulkEvent, people)
			for i := range events {
				events[i] = wire.BulkEvent{NewEvent: wire.NewEvent{Title: "Bus", Body: "It is late.",
					Audience: schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{system.Person(i)}}}}}
			}
			results, err := s.Client.CreateEvents(t.Context(), events)
			if err != nil || len(results) != people {
				t.Fatalf("%d results, %v", len(results), err)
			}
			api.Kill()
			redis.Restart()
			worker := s.Worker("worker")
			testenv.Eventually(t, promise, func() bool { return mail.Accepted() == people }, "the worker alone sends all events")
			api = s.Serve()
			for i, r := range results {
				if r.Event == nil {
					t.Fatalf("event %d is refused: %+v", i, r.Problem)
				}
				ev := s.AwaitStatus(r.Event.ID, schoolbell.EventCompleted)
				if letters := mail.Letters(r.Event.ID); ev.Progress.Done != 2 || len(letters) != 1 || letters[0].User != system.Person(i) {
					t.Errorf("event %d is at %+v, with emails %+v", i, ev.Progress, letters)
				}
			}
			worker.Stop()
			api.Stop()
		})
	}
}

// All in one process: with it the queue and everything in it is gone.
func testKillServeWithQueue(t *testing.T) {
	t.Parallel()
	mail := system.NewMail(t)
	s := system.New(t, system.Parts{SMTP: mail.Addr(), Settings: []string{"WORKER_NAME=first"}})
	first := s.Serve()
	s.Import(everyone)
	mail.HoldAfter(before)
	id := s.Create().ID
	claimed, held := s.AwaitStuck(mail, "serve")
	first.Kill()
	mail.Release()
	restart := time.Now()
	second := s.Serve()
	s.AwaitReady()
	if ev := s.AwaitStatus(id, schoolbell.EventProcessing); ev.Progress.Done >= ev.Progress.Total {
		t.Errorf("right after the restart the event is at %+v", ev.Progress)
	}
	f := s.Reached(mail, id, everyone)
	again, last := inDoubt(t, f, claimed, held, restart)
	report(t, f, everyone)
	t.Logf("claimed rows were sent again %.1f s to %.1f s after the restart", again.Seconds(), last.Seconds())
	second.Stop()
}

package fault

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"schoolbell/internal/testenv"
	"schoolbell/test/system"
)

func TestQueueDamage(t *testing.T) {
	t.Parallel()
	t.Run("emails are sent after the waiting list is deleted", testDamageDeletedList)
	t.Run("an overwritten key is renamed and logged", testDamageOverwrittenKey)
}

// A queue's list of waiting jobs is deleted while the queue is paused, so that its
// jobs exist and are in no list. internal/notify tries every other key.
func testDamageDeletedList(t *testing.T) {
	t.Parallel()
	const people = 500
	for name, queue := range map[string]string{"events": "event-notifications", "email batches": "event-notifications-email"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mail, addr := system.NewMail(t), testenv.Redis(t)
			s := system.New(t, system.Parts{Database: testenv.Postgres(t), Redis: addr, SMTP: mail.Addr()})
			api, worker := s.Serve(), s.Worker("one")
			s.AwaitReady()
			s.Import(people)
			s.Does("queue", "pause", queue)
			id := s.Create().ID
			rdb := redis.NewClient(&redis.Options{Addr: addr})
			defer rdb.Close()
			wait := "bull:" + queue + ":prioritized"
			testenv.Eventually(t, promise, func() bool { return rdb.ZCard(t.Context(), wait).Val() > 0 }, "jobs wait in %s", wait)
			if err := rdb.Del(t.Context(), wait).Err(); err != nil {
				t.Fatal(err)
			}
			s.Does("queue", "resume", queue)
			s.ReachedOnce(mail, id, people)
			worker.Stop()
			api.Stop()
		})
	}
}

// Another program overwrites a key of a paused queue: the key is renamed and the
// log names it, and says that the pause has ended with the queue's settings.
func testDamageOverwrittenKey(t *testing.T) {
	t.Parallel()
	const people = 100
	mail, addr := system.NewMail(t), testenv.Redis(t)
	s := system.New(t, system.Parts{Redis: addr, SMTP: mail.Addr()})
	api, worker := s.Serve(), s.Worker("one")
	s.AwaitReady()
	s.Import(people)
	s.Does("queue", "pause", "event-notifications-email")
	id := s.Create().ID
	rdb := redis.NewClient(&redis.Options{Addr: addr})
	defer rdb.Close()
	ctx, meta := t.Context(), "bull:event-notifications-email:meta"
	testenv.Eventually(t, promise, func() bool {
		return rdb.ZCard(ctx, "bull:event-notifications-email:prioritized").Val() > 0
	}, "batches wait")
	if err := rdb.Set(ctx, meta, "overwritten", 0).Err(); err != nil {
		t.Fatal(err)
	}
	// Each process looks for damage; the one whose turn it is repairs and logs it.
	testenv.Eventually(t, promise, func() bool {
		return strings.Contains(api.Output()+worker.Output(), "damaged queue key renamed")
	}, "the repair is logged")
	s.ReachedOnce(mail, id, people)
	kept, err := rdb.Keys(ctx, meta+":wrong-type:*").Result()
	if err != nil || len(kept) != 1 || rdb.Get(ctx, kept[0]).Val() != "overwritten" {
		t.Errorf("kept under %v (%v)", kept, err)
	}
	worker.Stop()
	api.Stop()
}

package notify_test

import (
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/testenv"
)

// A list that is lost leaves its jobs in Redis for ever. Those that are done with are
// removed; those of open events are added again.
func TestOrphans(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 30)
	s.work()
	ctx := t.Context()
	done := s.create()
	s.await(done.ID, schoolbell.EventCompleted)
	events, email := s.pipeline.Queues()[0], s.pipeline.Queues()[1]
	completed := func() bool {
		return s.redis.ZCard(ctx, events.QualifiedName()+":completed").Val() == 1 && s.redis.ZCard(ctx, email.QualifiedName()+":completed").Val() == 1
	}
	testenv.Eventually(t, 5*time.Second, completed, "both jobs complete")
	if err := events.Pause(ctx); err != nil {
		t.Fatal(err)
	}
	open := s.create()
	testenv.Eventually(t, 5*time.Second, func() bool { return s.redis.Exists(ctx, events.QualifiedName()+":"+open.ID).Val() == 1 }, "the job is there")
	if n, err := s.pipeline.RemoveOrphans(ctx); n != 0 || err != nil {
		t.Fatalf("removed %d of a sound queue, %v", n, err)
	}
	for _, key := range []string{events.QualifiedName() + ":completed", email.QualifiedName() + ":completed", events.QualifiedName() + ":wait", events.QualifiedName() + ":prioritized", events.QualifiedName() + ":paused"} {
		if err := s.redis.Del(ctx, key).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.pipeline.RemoveOrphans(ctx); n < 2 || err != nil {
		t.Errorf("removed %d, %v", n, err)
	}
	for _, key := range []string{events.QualifiedName() + ":" + done.ID, email.QualifiedName() + ":" + done.ID + ".email.1"} {
		if s.redis.Exists(ctx, key).Val() != 0 {
			t.Errorf("%s is still there", key)
		}
	}
	if err := events.Resume(ctx); err != nil {
		t.Fatal(err)
	}
	s.await(open.ID, schoolbell.EventCompleted)
}

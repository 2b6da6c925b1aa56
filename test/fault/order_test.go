package fault

import (
	"slices"
	"testing"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
	"schoolbell/wire"
)

// Inboxes fill in the order of positions. An event that cannot end its transaction holds its position: events after it
// are delivered meanwhile, but readers see them behind it.
func TestInboxOrder(t *testing.T) {
	t.Parallel()
	mail, database := system.NewMail(t), testenv.Postgres(t)
	redis := testenv.RedisServer(t, testenv.RedisOptions{})
	s := system.New(t, system.Parts{Database: database, Redis: redis.Addr, SMTP: mail.Addr()})
	api := s.Serve()
	s.Import(2)
	first, second := system.Person(0), system.Person(1)
	locks := &locks{t: t, database: database}
	locks.take("INSERT INTO inbox (user_seq, position) SELECT seq, 1 FROM users WHERE id = '" + first + "'")
	worker := s.Worker("one")

	a := eventFor(s, "a", first)
	testenv.Eventually(t, promise, locks.waitedFor, "the worker waits for the lock")
	b := eventFor(s, "b", second)
	s.AwaitStatus(b, schoolbell.EventCompleted)
	c := eventFor(s, "c", first, second)
	s.AwaitStatus(c, schoolbell.EventCompleted)
	for _, person := range []string{first, second} {
		if ids := inboxOf(t, s, person); len(ids) > 0 {
			t.Errorf("the inbox of %s has %v before event %s", person, ids, a)
		}
	}

	locks.release()
	s.AwaitStatus(a, schoolbell.EventCompleted)
	for person, want := range map[string][]string{first: {a, c}, second: {b, c}} {
		var streamed []string
		for item, err := range s.Client.WatchInbox(t.Context(), person, 0) {
			if err != nil {
				t.Fatal(err)
			}
			if streamed = append(streamed, item.EventID); len(streamed) == len(want) {
				break
			}
		}
		if listed := inboxOf(t, s, person); !slices.Equal(streamed, want) || !slices.Equal(listed, want) {
			t.Errorf("the inbox of %s has %v as a stream and %v as a list, want %v", person, streamed, listed, want)
		}
	}
	worker.Stop()
	api.Stop()
}

// eventFor creates an event for people and returns its id.
func eventFor(s *system.School, key string, people ...string) string {
	return s.CreateSurelyWith(wire.NewEvent{Audience: schoolbell.Audience{Selector: schoolbell.Selector{Users: people}}}, key)
}

// inboxOf returns the events in the inbox of a person, oldest first.
func inboxOf(t *testing.T, s *system.School, person string) (ids []string) {
	t.Helper()
	page, err := s.Client.Inbox(t.Context(), person, client.Page{})
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range slices.Backward(page.Items) {
		ids = append(ids, item.EventID)
	}
	return ids
}

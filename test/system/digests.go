package system

import (
	"fmt"

	"github.com/redis/go-redis/v9"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/testenv"
	"schoolbell/wire"
)

// CloseDigests makes the items of digests, and the digests that were made, two days older, so that the windows of everybody
// with open items have closed since. No process of the school may run meanwhile: the next one looks as soon as it starts.
func (s *School) CloseDigests() {
	s.t.Helper()
	older := " - 172800000"
	if s.Ledger.driver == "pgx" {
		older = " - interval '2 days'"
	}
	s.Ledger.Change("UPDATE digest_items SET added_at = added_at"+older, "UPDATE events SET created_at = created_at"+older+" WHERE digest")
	s.ForgetDuty()
}

// ForgetDuty lets the next process look for windows that have closed as soon as it starts, although another one has done so in
// this minute. A Redis inside serve forgets it anyway.
func (s *School) ForgetDuty() {
	s.t.Helper()
	if s.Redis == "" {
		return
	}
	rdb := redis.NewClient(&redis.Options{Addr: s.Redis})
	defer rdb.Close()
	if err := rdb.Del(s.t.Context(), "bull:event-notifications.digest").Err(); err != nil {
		s.t.Fatal(err)
	}
}

// AwaitDigests waits until n digests were made and all are completed, and returns them, the newest first.
func (s *School) AwaitDigests(n int) (made []*wire.Event) {
	s.t.Helper()
	testenv.Eventually(s.t, patience, func() error {
		page, err := s.Client.Events(s.t.Context(), "", client.Page{Limit: 200})
		if err != nil {
			return err
		}
		made = nil
		for _, ev := range page.Events {
			if ev.Digest && ev.Status != schoolbell.EventCompleted {
				return fmt.Errorf("digest %s is %s", ev.ID, ev.Status)
			}
			if ev.Digest {
				made = append(made, ev)
			}
		}
		if len(made) != n {
			return fmt.Errorf("%d digests were made", len(made))
		}
		return nil
	}, "%d digests are completed", n)
	return made
}

// WantDigest lets a person get messages of categories in a digest.
func (s *School) WantDigest(user string, categories ...schoolbell.Category) {
	s.t.Helper()
	chosen := make([]schoolbell.Preference, len(categories))
	for i, c := range categories {
		chosen[i] = schoolbell.Preference{Category: c, Channel: schoolbell.ChannelEmail, Mode: schoolbell.ModeDigest}
	}
	if _, err := s.Client.PutPreferences(s.t.Context(), user, chosen...); err != nil {
		s.t.Fatal(err)
	}
}

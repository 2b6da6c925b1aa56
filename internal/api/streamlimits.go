package api

import (
	"sync"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// StreamLimits say how many live streams may be open at a time in this process. A
// limit of 0 is none.
type StreamLimits struct {
	PerUser int // opened by tokens of one user
	PerKey  int // opened by one key, or by tokens that it made
	Total   int
}

// streamCounter counts open streams. It is safe for concurrent use.
type streamCounter struct {
	limits StreamLimits

	mu    sync.Mutex
	total int
	users map[ledger.UserRef]int
	keys  map[string]int
}

func newStreamCounter(limits StreamLimits) *streamCounter {
	return &streamCounter{limits: limits, users: map[ledger.UserRef]int{}, keys: map[string]int{}}
}

// open counts a stream of c, or returns CodeLimited. The caller calls the function it
// returns once, when the stream has ended.
func (s *streamCounter) open(c caller) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, user := c.keyID(), c.token.Ref
	byUser := user != ledger.UserRef{}
	full := func(n, limit int) bool { return limit > 0 && n >= limit }
	switch {
	case byUser && full(s.users[user], s.limits.PerUser):
		return nil, tooManyStreams("this user has %d live streams open; close one first", s.limits.PerUser)
	case full(s.keys[key], s.limits.PerKey):
		return nil, tooManyStreams("this API key has %d live streams open; close one first", s.limits.PerKey)
	case full(s.total, s.limits.Total):
		return nil, tooManyStreams("the server has %d live streams open, its limit", s.limits.Total)
	}
	s.total++
	s.keys[key]++
	if byUser {
		s.users[user]++
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.total--
		decrease(s.keys, key)
		if byUser {
			decrease(s.users, user)
		}
	}, nil
}

func decrease[K comparable](counts map[K]int, key K) {
	if counts[key]--; counts[key] == 0 {
		delete(counts, key)
	}
}

func tooManyStreams(format string, limit int) error {
	return schoolbell.Limited(format, limit)
}

package system

import (
	"errors"
	"fmt"

	"schoolbell/internal/testenv"
)

// jobs is how many jobs of a normal queue a worker runs at a time by default: WORKER_CONCURRENCY without
// URGENT_SHARE.
const jobs = 4

// AwaitStuck waits until the mail server, which was told to hold what comes, has
// brought the workers of these names to a stand: none of them can get further
// before [Mail.Release]. It returns the people whose mail the first worker has claimed
// and not recorded, in order, and those of them whose mail is held.
func (s *School) AwaitStuck(m *Mail, workers ...string) (claimed, held []string) {
	s.t.Helper()
	for i, w := range workers {
		var people, waiting []string
		testenv.Eventually(s.t, patience, func() (err error) {
			people, waiting, err = s.stuck(m, w)
			return err
		}, "worker %s has claimed all it can and gets no further", w)
		if i == 0 {
			claimed, held = people, waiting
		}
	}
	return claimed, held
}

// stuck looks whether a worker is: each of its jobs has claimed a row whose email cannot
// have been taken yet.
func (s *School) stuck(m *Mail, worker string) (claimed, held []string, err error) {
	if !m.holds() {
		return nil, nil, errors.New("emails still pass")
	}
	claimed, batches := s.Ledger.claimed(worker)
	waiting := map[int]bool{} // batches
	for _, id := range claimed {
		if !m.hasReached(id) {
			waiting[batches[id]] = true
		}
	}
	if len(waiting) != jobs {
		return nil, nil, fmt.Errorf("%d of its jobs wait, with %d rows claimed", len(waiting), len(claimed))
	}
	if held = m.heldOf(claimed); len(held) == 0 {
		return nil, nil, errors.New("none of its emails is held")
	}
	return claimed, held, nil
}

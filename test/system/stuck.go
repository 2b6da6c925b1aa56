package system

import (
	"errors"
	"fmt"
	"slices"

	"schoolbell/internal/testenv"
)

// What a worker claims by default.
const (
	jobs      = 4  // of a normal queue at a time: WORKER_CONCURRENCY without URGENT_SHARE
	claimSize = 25 // rows of a job
)

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

// stuck looks whether a worker is: each of its jobs has claimed all that it takes
// at a time, and among these rows is one whose mail cannot have been taken yet.
func (s *School) stuck(m *Mail, worker string) (claimed, held []string, err error) {
	if !m.holds() {
		return nil, nil, errors.New("emails still pass")
	}
	claimed = s.Ledger.claimed(worker) // those of one job are neighbours
	if len(claimed) != jobs*claimSize {
		return nil, nil, fmt.Errorf("it has claimed %d rows", len(claimed))
	}
	m.Note()
	for group := range slices.Chunk(claimed, claimSize) {
		if !slices.ContainsFunc(group, func(id string) bool { return !m.reached[id] }) {
			return nil, nil, errors.New("it is about to record what it has sent")
		}
	}
	if held = m.heldOf(claimed); len(held) == 0 {
		return nil, nil, errors.New("none of its emails is held")
	}
	return claimed, held, nil
}

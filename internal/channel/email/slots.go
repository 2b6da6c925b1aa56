package email

import (
	"context"
	"slices"
	"sync"

	"schoolbell"
)

// slots counts the connections in use. Normal messages use at most a part of them; urgent ones
// may use all, and get the next free one.
type slots struct {
	mu     sync.Mutex
	free   int // of all connections
	normal int // of those that normal messages may use

	waitingUrgent, waitingNormal []chan struct{} // closed when the slot is theirs, oldest first
}

func newSlots(n, urgentShare int) *slots {
	return &slots{free: n, normal: schoolbell.NormalSlots(n, urgentShare)}
}

// take waits for a slot until ctx ends or nothing needs it any more, and reports whether it
// got one.
func (s *slots) take(ctx context.Context, lane schoolbell.Lane, needless <-chan struct{}) bool {
	mine := make(chan struct{})
	s.mu.Lock()
	waiting := s.waiting(lane)
	*waiting = append(*waiting, mine)
	s.grant()
	s.mu.Unlock()
	select {
	case <-mine:
		return true
	case <-needless:
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(*waiting, mine); i >= 0 {
		*waiting = slices.Delete(*waiting, i, i+1)
		return false
	}
	return true // granted meanwhile
}

// tryTake takes a slot if there is a free one.
func (s *slots) tryTake(lane schoolbell.Lane) bool {
	ended, end := context.WithCancel(context.Background())
	end()
	return s.take(ended, lane, nil)
}

func (s *slots) put(lane schoolbell.Lane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free++
	if lane != schoolbell.LaneUrgent {
		s.normal++
	}
	s.grant()
}

// grant gives free slots to those that wait.
func (s *slots) grant() {
	for s.free > 0 && len(s.waitingUrgent) > 0 {
		s.free--
		close(s.waitingUrgent[0])
		s.waitingUrgent = s.waitingUrgent[1:]
	}
	for s.free > 0 && s.normal > 0 && len(s.waitingNormal) > 0 {
		s.free--
		s.normal--
		close(s.waitingNormal[0])
		s.waitingNormal = s.waitingNormal[1:]
	}
}

func (s *slots) waiting(lane schoolbell.Lane) *[]chan struct{} {
	if lane == schoolbell.LaneUrgent {
		return &s.waitingUrgent
	}
	return &s.waitingNormal
}

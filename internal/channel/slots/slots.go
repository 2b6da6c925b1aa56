// Package slots shares what a provider has a limited number of, such as connections, between the lanes of a channel.
package slots

import (
	"context"
	"slices"
	"sync"

	"schoolbell"
)

// Slots counts the slots in use. Normal messages use at most a part of them. Urgent ones
// may use all, and get the next free one. It is safe for concurrent use.
type Slots struct {
	mu     sync.Mutex
	free   int // of all slots
	normal int // of those that normal messages may use

	waitingUrgent, waitingNormal []chan struct{} // closed when the slot is theirs, oldest first
}

// New returns n slots, of which urgentShare percent are left to urgent messages.
func New(n, urgentShare int) *Slots {
	return &Slots{free: n, normal: schoolbell.NormalSlots(n, urgentShare)}
}

// Take waits for a slot until ctx ends or nothing needs it any more, and reports whether it
// got one.
func (s *Slots) Take(ctx context.Context, lane schoolbell.Lane, needless <-chan struct{}) bool {
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

// TryTake takes a slot if there is a free one.
func (s *Slots) TryTake(lane schoolbell.Lane) bool {
	ended, end := context.WithCancel(context.Background())
	end()
	return s.Take(ended, lane, nil)
}

// Put returns a slot of the lane.
func (s *Slots) Put(lane schoolbell.Lane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free++
	if lane != schoolbell.LaneUrgent {
		s.normal++
	}
	s.grant()
}

// grant gives free slots to those that wait.
func (s *Slots) grant() {
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

func (s *Slots) waiting(lane schoolbell.Lane) *[]chan struct{} {
	if lane == schoolbell.LaneUrgent {
		return &s.waitingUrgent
	}
	return &s.waitingNormal
}

package row

import (
	"schoolbell"
	"schoolbell/internal/ledger"
)

// EventCount is how many deliveries of an event are of one kind.
type EventCount struct {
	ID     string // of the event
	Walked bool   // each of its started waves is walked
	Count
}

// EventCounts are the counts of several events.
type EventCounts struct {
	counts map[string][]Count
	walked map[string]bool
}

// NewEventCounts returns counts of nothing.
func NewEventCounts() *EventCounts {
	return &EventCounts{counts: map[string][]Count{}, walked: map[string]bool{}}
}

// Add adds the deliveries of one kind.
func (e *EventCounts) Add(c EventCount) {
	e.counts[c.ID] = append(e.counts[c.ID], c.Count)
	e.walked[c.ID] = c.Walked
}

// Counted returns the events with their counts.
func (e *EventCounts) Counted(events []*schoolbell.Event) []ledger.CountedEvent {
	all := make([]ledger.CountedEvent, len(events))
	for i, ev := range events {
		all[i] = ledger.CountedEvent{Event: ev, Progress: Progress(e.counts[ev.ID], e.walked[ev.ID] || ev.Status.Terminal())}
	}
	return all
}

package ledger

import (
	"context"
	"time"

	"schoolbell"
)

// CountedEvent is an event with the counts of its deliveries.
type CountedEvent struct {
	*schoolbell.Event
	Progress schoolbell.Progress
}

// Overviews tell about many events at once. Every method is one transaction.
type Overviews interface {
	// CountedEvents returns up to limit events, newest first, those created before the event with the given id
	// ("" for the newest), with their counts.
	CountedEvents(ctx context.Context, f schoolbell.EventFilter, before string, limit int) ([]CountedEvent, error)

	// OpenEvents returns up to limit events that are processing or queued, with their counts: first those that are
	// processing, each newest first. The status of the filter is not used.
	OpenEvents(ctx context.Context, f schoolbell.EventFilter, limit int) ([]CountedEvent, error)

	// Traffic returns the traffic since a time in steps of whole minutes that begin at multiples of the step since
	// 1970, in order of time and channel. There is nothing of steps without traffic.
	Traffic(ctx context.Context, since time.Time, step time.Duration) ([]TrafficStep, error)
}

// TrafficStep is what happened on a channel from a time on, for as long as a step is.
type TrafficStep struct {
	From time.Time
	ChannelTraffic
}

// ChannelTraffic counts messages on a channel: the deliveries that were sent, and the attempts that failed for good.
type ChannelTraffic struct {
	Channel      schoolbell.Channel
	Sent, Failed int
}

// Traffic counts messages by minute, for charts. It is no proof: a process that is killed loses the counts of its last seconds.
type Traffic interface {
	// AddTraffic adds counts to the present minute. Those of channels that the ledger does not know are left out.
	AddTraffic(ctx context.Context, counts []ChannelTraffic) error
}

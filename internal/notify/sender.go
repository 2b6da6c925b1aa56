package notify

import (
	"context"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// Sender sends messages over one channel through one provider. It is safe for
// concurrent use by several batches.
type Sender interface {
	// Send tries each message at most once and calls done exactly once for each,
	// perhaps from several goroutines at once, always before it returns. When ctx
	// ends, messages not yet offered to the provider are VerdictUntried. So are they
	// once a message was told VerdictSlowDown, as one is when the provider wants
	// fewer or cannot be used at all.
	Send(ctx context.Context, msgs []schoolbell.Message, done func(i int, r schoolbell.Result))
}

// Senders are the two senders of a channel, one for each lane, over the same provider: what
// the provider has a limited number of, such as connections, it shares between them.
type Senders struct{ Normal, Urgent Sender }

// ForBothLanes returns senders of a provider that makes no difference between the lanes.
func ForBothLanes(s Sender) Senders { return Senders{Normal: s, Urgent: s} }

// of returns the sender of a lane.
func (s Senders) of(lane schoolbell.Lane) Sender {
	if lane == schoolbell.LaneUrgent {
		return s.Urgent
	}
	return s.Normal
}

// Renderer writes an event as one recipient is to read it on one channel. An
// error means that this message can never be written. It is safe for concurrent use.
type Renderer interface {
	Render(ev *schoolbell.Event, ch schoolbell.Channel, r ledger.Recipient) (schoolbell.Message, error)
}

package ledger

import (
	"context"

	"schoolbell"
)

// Previews tell what would become of events that are not stored, or not fanned out yet. They write nothing.
type Previews interface {
	// Preview walks the audience of ev as FanOuts.FanOut would now, and decides about each person and channel
	// with the same code. The visitor gets ev as CreateEvent would store it, with its channels and its lane, and then
	// one chunk after the other of at least one and up to users people, in the order of the users. Each chunk is one moment of
	// the ledger. The visitor is called outside of transactions; its error ends the walk and is returned.
	// Names in ev that CreateEvent would refuse are the same CodeInvalid faults.
	Preview(ctx context.Context, ev *schoolbell.Event, setUp []schoolbell.Channel, users int, visitor PreviewVisitor) error

	// Personal is Deliveries.Personal also for users to whom a stored event was not fanned out yet. Of those it tells the students
	// whom the event would concern now.
	Personal(ctx context.Context, ev *schoolbell.Event, users []int64) (map[int64]*schoolbell.PersonalText, error)

	// PersonalData returns the data that a stored event has of people, without those who were erased.
	PersonalData(ctx context.Context, eventID string) ([]schoolbell.PersonData, error)

	// Waiting returns about how many deliveries of a lane wait to be sent on each channel: those of events of which jobs are in the
	// queue. It looks at the oldest 10,000 waves that are open. Held events do not count.
	Waiting(ctx context.Context, lane schoolbell.Lane) (map[schoolbell.Channel]int, error)
}

// PreviewVisitor looks at what a preview finds.
type PreviewVisitor interface {
	// Begin gets the event as it would be stored. It must not change it.
	Begin(ev *schoolbell.Event) error

	// Visit gets the next people of the audience. They are the visitor's.
	Visit(chunk PreviewChunk) error
}

// PreviewChunk are some people of an audience, and the deliveries that they would get.
type PreviewChunk struct {
	People []Recipient // in order of Seq, without addresses
	Groups []PreviewGroup
	Shared []PreviewShared // of the pending deliveries by email and sms
}

// PreviewGroup are deliveries that begin alike. Each channel of the event has each person of the chunk in one group.
type PreviewGroup struct {
	Channel schoolbell.Channel
	Status  schoolbell.DeliveryStatus // with which FanOut would insert them
	Reason  string                    // why they would be suppressed; empty for others
	People  []int                     // indexes of PreviewChunk.People, in order
}

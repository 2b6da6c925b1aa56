package ledger

import "schoolbell"

// Batch names a range of the deliveries of one event, wave and channel: the unit that a job works.
type Batch struct {
	EventID string
	Wave    int // 0 for the event itself
	Channel schoolbell.Channel
	Seq     int // 1, 2, 3 … within (EventID, Wave, Channel)
	Size    int // deliveries in it that were pending when it was made
}

// FanOutStep is what one chunk of a fan-out did. It was committed as a whole.
type FanOutStep struct {
	Batches []Batch // made by this chunk
	Users   int     // picked by this chunk
	InApp   int     // messages that this chunk put into inboxes or noted as sent in the app
	Done    bool    // the wave is walked to its end
	Grants  []Grant // of Batches, in their order; nil unless FanOutSmall claimed
}

// SmallClaim says what FanOutSmall claims.
type SmallClaim struct {
	Lease    Lease
	Channels []schoolbell.Channel // whose deliveries are claimed; batches of others get a zero Grant
	Most     int                  // deliveries of a channel; if one has more, nothing is claimed
	Revision int                  // of the event that the caller will send; of another one nothing is claimed
	Shared   bool                 // as in Step
}

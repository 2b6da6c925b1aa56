package schoolbell

import "time"

// DeliveryStatus says what became of one delivery.
type DeliveryStatus string

const (
	DeliveryPending    DeliveryStatus = "pending"    // not tried yet, or to be tried again
	DeliverySending    DeliveryStatus = "sending"    // claimed by a worker this moment
	DeliverySent       DeliveryStatus = "sent"       // accepted by the provider
	DeliveryDelivered  DeliveryStatus = "delivered"  // known to have arrived; in-app: it is in the inbox
	DeliveryFailed     DeliveryStatus = "failed"     // refused for good, or every attempt used up
	DeliverySuppressed DeliveryStatus = "suppressed" // not to be sent: no address, opted out
	DeliveryUncertain  DeliveryStatus = "uncertain"  // sent, but a crash or a lost reply hid whether once or twice, or at all
	DeliveryCancelled  DeliveryStatus = "cancelled"  // its event was cancelled first
	DeliveryExpired    DeliveryStatus = "expired"    // its event expired first
)

// DeliveryStatuses lists every status in the order of a delivery's life.
func DeliveryStatuses() []DeliveryStatus {
	return []DeliveryStatus{DeliveryPending, DeliverySending, DeliverySent, DeliveryDelivered, DeliveryFailed,
		DeliverySuppressed, DeliveryUncertain, DeliveryCancelled, DeliveryExpired}
}

// Valid reports whether s is a known status.
func (s DeliveryStatus) Valid() bool {
	switch s {
	case DeliveryPending, DeliverySending, DeliverySent, DeliveryDelivered, DeliveryFailed,
		DeliverySuppressed, DeliveryUncertain, DeliveryCancelled, DeliveryExpired:
		return true
	}
	return false
}

// Terminal reports whether the pipeline is done with the delivery.
func (s DeliveryStatus) Terminal() bool { return s != DeliveryPending && s != DeliverySending }

// Delivery is one (event, user, channel): the row that says what became of it.
type Delivery struct {
	EventID    string         `json:"event_id"`
	UserID     string         `json:"user_id"`
	Channel    Channel        `json:"channel"`
	Status     DeliveryStatus `json:"status"`
	Attempts   int            `json:"attempts"`              // tries that were spent
	Reason     string         `json:"reason,omitempty"`      // why it failed, was suppressed or is uncertain
	ProviderID string         `json:"provider_id,omitempty"` // the provider's own id for the message, where it gives one
	ReadAt     *time.Time     `json:"read_at,omitempty"`     // in-app: when the user read it
	UpdatedAt  time.Time      `json:"updated_at"`
}

// Reasons for which deliveries are suppressed.
const (
	ReasonNoAddress = "no_address"
	ReasonOptedOut  = "opted_out"
)

// ChannelProgress counts the deliveries of one event on one channel, from the rows themselves.
type ChannelProgress struct {
	Total      int `json:"total"`
	Pending    int `json:"pending"` // pending and sending
	Sent       int `json:"sent"`    // sent and delivered
	Failed     int `json:"failed"`
	Suppressed int `json:"suppressed"`
	Uncertain  int `json:"uncertain"`
	Cancelled  int `json:"cancelled"`
	Expired    int `json:"expired"`
}

// Add counts n deliveries of status s.
func (p *ChannelProgress) Add(s DeliveryStatus, n int) {
	p.Total += n
	switch s {
	case DeliveryPending, DeliverySending:
		p.Pending += n
	case DeliverySent, DeliveryDelivered:
		p.Sent += n
	case DeliveryFailed:
		p.Failed += n
	case DeliverySuppressed:
		p.Suppressed += n
	case DeliveryUncertain:
		p.Uncertain += n
	case DeliveryCancelled:
		p.Cancelled += n
	case DeliveryExpired:
		p.Expired += n
	}
}

// Progress says how far an event is.
type Progress struct {
	Percent  int                         `json:"percent"` // 0 to 100; 100 only when every delivery is terminal and the audience is walked
	Total    int                         `json:"total"`   // deliveries that exist so far
	Done     int                         `json:"done"`    // of these, terminal ones
	Channels map[Channel]ChannelProgress `json:"channels"`
}

// NewProgress sums channels up. walked says whether the whole audience has its
// deliveries; until then the percentage stays below 100.
func NewProgress(channels map[Channel]ChannelProgress, walked bool) Progress {
	p := Progress{Channels: channels}
	for _, c := range channels {
		p.Total += c.Total
		p.Done += c.Total - c.Pending
	}
	switch {
	case p.Total > 0:
		p.Percent = p.Done * 100 / p.Total
	case walked:
		p.Percent = 100
	}
	if !walked && p.Percent > 99 {
		p.Percent = 99
	}
	return p
}

// Message is one delivery ready to be sent over one channel.
type Message struct {
	ID       string // the same for every try of this delivery: event id, then the user's number
	EventID  string
	UserID   string
	Channel  Channel
	To       string // e-mail address, or E.164 phone number, or push endpoint
	ToName   string // the reader's name
	Subject  string
	Text     string
	HTML     string
	Category Category
	Locale   string
}

// Verdict is how one try to send a message ended.
type Verdict string

const (
	VerdictSent      Verdict = "sent"      // the provider accepted it
	VerdictRetry     Verdict = "retry"     // refused for now; try later
	VerdictSlowDown  Verdict = "slow_down" // the provider wants fewer, or takes none at all; costs no attempt, rests the channel
	VerdictGiveUp    Verdict = "give_up"   // refused for good
	VerdictUncertain Verdict = "uncertain" // the reply was lost after the message was handed over
	VerdictDropped   Verdict = "dropped"   // the provider hung up without a word about it, before it was handed over; costs no attempt
	VerdictUntried   Verdict = "untried"   // not offered to the provider at all; costs no attempt
)

// Result is what became of one try to send a message.
type Result struct {
	Verdict    Verdict
	ProviderID string        // the provider's id for the message, if it gave one
	Reason     string        // the provider's words or the failure, one line; shown to staff, never to recipients
	After      time.Duration // VerdictSlowDown: how long the provider wants to be left alone; zero for unsaid
}

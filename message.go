package schoolbell

import "time"

// Message is one delivery ready to be sent over one channel.
type Message struct {
	ID      string // the same for every try of this delivery: a MessageKey as text
	EventID string
	UserID  string
	Channel Channel
	To      string // email address, or E.164 phone number, or push subscription as JSON
	ToName  string // the reader's name
	Subject string
	Text    Content
	HTML    Content // email only
	Link    string  // page of the message for this recipient; empty for none

	// Unsubscribe is the URL at which the recipient ends messages of the category on the channel, with one click where it is
	// https (RFC 8058). Email only; empty for messages that cannot be ended.
	Unsubscribe string

	// Calendar is the event as an iCalendar object (RFC 5545), which the messages in one language share, and CalendarMethod its
	// METHOD. Email only; empty for events without a time.
	Calendar       Content
	CalendarMethod string

	Category  Category
	Lane      Lane
	Locale    string
	CreatedAt time.Time // when its event was created
	ExpiresAt time.Time // after this it is of no use to the recipient; zero for never
	Resend    bool      // an earlier attempt may have reached the recipient
}

// Verdict is how one try to send a message ended.
type Verdict string

const (
	VerdictSent      Verdict = "sent"      // the provider accepted it
	VerdictRetry     Verdict = "retry"     // refused for now; try later
	VerdictSlowDown  Verdict = "slow_down" // the provider wants fewer, or takes none at all; costs no attempt, rests the channel
	VerdictGiveUp    Verdict = "give_up"   // refused for good
	VerdictUncertain Verdict = "uncertain" // the reply was lost after the message was handed over
	VerdictDropped   Verdict = "dropped"   // not taken for a reason that is not the message: the provider closed the connection without a reply, or its part for this address rests; costs no attempt
	VerdictUntried   Verdict = "untried"   // not offered to the provider at all; costs no attempt
)

// Result is the result of one attempt to send a message.
type Result struct {
	Verdict    Verdict
	ProviderID string        // the provider's id for the message, if it gave one
	Reason     string        // the provider's words or the failure, one line; shown to staff, never to recipients
	Address    AddressState  // VerdictGiveUp: what it says about the address; empty for nothing
	After      time.Duration // VerdictSlowDown: how long the provider wants to be left alone; zero for unsaid
	Down       bool          // VerdictSlowDown: the provider takes no messages at all, so another one may take over
	Units      int           // in which the provider counts the message, such as segments; 0 means 1
	Resolved   bool          // VerdictSent: the provider has the message exactly once, also where an earlier attempt was uncertain
}

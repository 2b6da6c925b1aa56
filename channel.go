package schoolbell

import "regexp"

// Channel names a way of reaching a user, such as "email".
type Channel string

// The channels of the ledger's schema. A ledger may have more.
const (
	ChannelInApp Channel = "in_app"
	ChannelEmail Channel = "email"
	ChannelSMS   Channel = "sms"
	ChannelPush  Channel = "push"
)

// Channels lists the channels of the ledger's schema in the order in which they are shown.
func Channels() []Channel {
	return []Channel{ChannelInApp, ChannelEmail, ChannelSMS, ChannelPush}
}

var channelPattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)

// Valid reports whether c may be the name of a channel. Whether there is such a channel,
// the ledger knows.
func (c Channel) Valid() bool { return channelPattern.MatchString(string(c)) }

const channelFault = "must be 1 to 32 lower-case letters, digits or _ and begin with a letter"

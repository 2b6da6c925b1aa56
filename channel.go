package schoolbell

// Channel is a way of reaching a user.
type Channel string

const (
	ChannelInApp Channel = "in_app"
	ChannelEmail Channel = "email"
	ChannelSMS   Channel = "sms"
	ChannelPush  Channel = "push"
)

// Channels lists every channel in the order in which they are shown.
func Channels() []Channel {
	return []Channel{ChannelInApp, ChannelEmail, ChannelSMS, ChannelPush}
}

// Valid reports whether c is a known channel.
func (c Channel) Valid() bool {
	switch c {
	case ChannelInApp, ChannelEmail, ChannelSMS, ChannelPush:
		return true
	}
	return false
}

package ledger

import "schoolbell"

// ChannelInfo is what the ledger must know of a channel to decide who is reached on it.
type ChannelInfo struct {
	Name         schoolbell.Channel
	Addressed    bool // a delivery needs an address of the user
	EveryAddress bool // a delivery goes to every usable address, not to the first alone
}

// BuiltInChannels are the channels of a new ledger.
func BuiltInChannels() []ChannelInfo {
	return []ChannelInfo{
		{Name: schoolbell.ChannelInApp},
		{Name: schoolbell.ChannelEmail, Addressed: true},
		{Name: schoolbell.ChannelSMS, Addressed: true},
		{Name: schoolbell.ChannelPush, Addressed: true, EveryAddress: true},
	}
}

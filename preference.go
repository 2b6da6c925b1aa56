package schoolbell

import "slices"

// Mode says how a user wants the messages of a category on a channel.
type Mode string

// The modes. Without a preference, messages come instantly.
const (
	ModeInstant Mode = "instant" // each message as it comes
	ModeOff     Mode = "off"     // none
)

// Modes lists every mode.
func Modes() []Mode { return []Mode{ModeInstant, ModeOff} }

// Preference is a user's choice for one category on one channel.
type Preference struct {
	Category Category `json:"category"`
	Channel  Channel  `json:"channel"`
	Mode     Mode     `json:"mode"`
}

// Validate reports what is wrong with p, a preference for the category info. Switching
// off a mandatory category, or the in-app inbox, is refused rather than stored and ignored.
func (p Preference) Validate(info CategoryInfo) error {
	var f Faults
	switch {
	case !slices.Contains(Modes(), p.Mode):
		f.Add("mode", "must be one of %s", join(Modes()))
	case p.Mode == ModeOff && info.Mandatory:
		f.Add("category", "%s messages cannot be opted out of", p.Category)
	}
	switch {
	case !p.Channel.Valid():
		f.Add("channel", channelFault)
	case p.Mode == ModeOff && p.Channel == ChannelInApp:
		f.Add("channel", "the inbox cannot be opted out of")
	}
	return f.Err()
}

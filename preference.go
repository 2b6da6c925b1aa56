package schoolbell

import "slices"

// Mode says how a user wants the messages of a category on a channel.
type Mode string

// The modes. Without a preference, messages come instantly.
const (
	ModeInstant Mode = "instant" // each message as it comes
	ModeDigest  Mode = "digest"  // several messages in one, at the time of the user's schedule
	ModeOff     Mode = "off"     // none
)

// Modes lists every mode.
func Modes() []Mode { return []Mode{ModeInstant, ModeDigest, ModeOff} }

// Preference is a user's choice for one category on one channel.
type Preference struct {
	Category Category `json:"category"`
	Channel  Channel  `json:"channel"`
	Mode     Mode     `json:"mode"`
}

// Validate reports what is wrong with p, a preference for the category info. Messages of mandatory categories,
// and those in the in-app inbox, are always instant: another mode is refused rather than stored and ignored. Only
// emails come in digests, and a digest is not part of another.
func (p Preference) Validate(info CategoryInfo) error {
	var f Faults
	switch {
	case !slices.Contains(Modes(), p.Mode):
		f.Add("mode", "must be one of %s", join(Modes()))
	case p.Mode == ModeOff && info.Mandatory:
		f.Add("category", "%s messages cannot be opted out of", p.Category)
	case p.Mode == ModeDigest && info.Mandatory:
		f.Add("category", "%s messages are always sent at once", p.Category)
	case p.Mode == ModeDigest && p.Category == CategoryDigest:
		f.Add("category", "a digest cannot be part of a digest")
	}
	switch {
	case !p.Channel.Valid():
		f.Add("channel", channelFault)
	case p.Mode == ModeOff && p.Channel == ChannelInApp:
		f.Add("channel", "the inbox cannot be opted out of")
	case p.Mode == ModeDigest && p.Channel != ChannelEmail:
		f.Add("channel", "only email has digests")
	}
	return f.Err()
}

// ModesFor lists the modes among which users can choose for the category info on a channel; none for digests on other channels
// than email, which there are not.
func ModesFor(info CategoryInfo, channel Channel) (modes []Mode) {
	if info.ID == CategoryDigest && channel != ChannelEmail {
		return nil
	}
	for _, m := range Modes() {
		if (Preference{Category: info.ID, Channel: channel, Mode: m}).Validate(info) == nil {
			modes = append(modes, m)
		}
	}
	return modes
}

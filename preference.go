package schoolbell

// Preference is a user's wish about one category on one channel. Without one, people are opted in.
type Preference struct {
	Category Category `json:"category"`
	Channel  Channel  `json:"channel"`
	OptedOut bool     `json:"opted_out"`
}

// Validate reports what is wrong with p. Opting out of a mandatory category,
// or of the in-app inbox, is refused rather than stored and ignored.
func (p Preference) Validate() error {
	var f Faults
	switch {
	case !p.Category.Valid():
		f.Add("category", "unknown category %q", p.Category)
	case p.OptedOut && p.Category.Mandatory():
		f.Add("category", "%s messages cannot be opted out of", p.Category)
	}
	switch {
	case !p.Channel.Valid():
		f.Add("channel", "unknown channel %q", p.Channel)
	case p.OptedOut && p.Channel == ChannelInApp:
		f.Add("channel", "the inbox cannot be opted out of")
	}
	return f.Err()
}

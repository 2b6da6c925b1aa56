package wire

import "schoolbell"

// PreferenceRequest is a choice of a user for one category on one channel.
type PreferenceRequest struct {
	Category schoolbell.Category `json:"category"`
	Channel  schoolbell.Channel  `json:"channel"`
	Mode     schoolbell.Mode     `json:"mode,omitempty" doc:"instant: each message as it comes. digest: several messages in one email, at the time of the user's schedule. off: none. Either mode or opted_out must be there."`
	OptedOut *bool               `json:"opted_out,omitempty" deprecated:"true" doc:"true is mode off, false is mode instant."`
}

// Preference returns the choice; ok is false if mode and opted_out are both missing or
// say different things.
func (in PreferenceRequest) Preference() (p schoolbell.Preference, ok bool) {
	p = schoolbell.Preference{Category: in.Category, Channel: in.Channel, Mode: in.Mode}
	if in.OptedOut == nil {
		return p, in.Mode != ""
	}
	said := schoolbell.ModeInstant
	if *in.OptedOut {
		said = schoolbell.ModeOff
	}
	p.Mode = said
	return p, in.Mode == "" || in.Mode == said
}

// PreferencesRequest are choices to be put.
type PreferencesRequest struct {
	Preferences []PreferenceRequest `json:"preferences" maxItems:"1000"`
}

// Preferences are the choices of a user.
type Preferences struct {
	Preferences []schoolbell.Preference `json:"preferences"`
}

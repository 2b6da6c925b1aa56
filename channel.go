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

// Category is the kind of an event. It says whether people may opt out of it.
type Category string

const (
	CategoryAnnouncement Category = "announcement"
	CategoryEvent        Category = "event"
	CategoryAttendance   Category = "attendance"
	CategoryUrgent       Category = "urgent"
	CategoryDigest       Category = "digest"
)

// Categories lists every category in the order in which they are shown.
func Categories() []Category {
	return []Category{CategoryAnnouncement, CategoryEvent, CategoryAttendance, CategoryUrgent, CategoryDigest}
}

// Valid reports whether c is a known category.
func (c Category) Valid() bool {
	switch c {
	case CategoryAnnouncement, CategoryEvent, CategoryAttendance, CategoryUrgent, CategoryDigest:
		return true
	}
	return false
}

// Mandatory reports whether events of this category reach people whatever they
// opted out of: school is closed, a child is missing from class.
func (c Category) Mandatory() bool {
	return c == CategoryUrgent || c == CategoryAttendance
}

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

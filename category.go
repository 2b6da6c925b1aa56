package schoolbell

import (
	"fmt"
	"regexp"
	"slices"
)

// Category is the id of a kind of event, such as "attendance". See [CategoryInfo].
type Category string

// The built-in categories.
const (
	CategoryAnnouncement Category = "announcement"
	CategoryEvent        Category = "event"
	CategoryReminder     Category = "reminder"
	CategoryAttendance   Category = "attendance"
	CategoryUrgent       Category = "urgent"
	CategoryDigest       Category = "digest"
)

// Lane is the way that events of a category take through the queues. An event keeps the lane
// that its category had when it was created.
type Lane string

// The lanes. Urgent events overtake normal ones.
const (
	LaneNormal Lane = "normal"
	LaneUrgent Lane = "urgent"
)

// Lanes lists every lane.
func Lanes() []Lane { return []Lane{LaneNormal, LaneUrgent} }

// MaxUrgentShare is the largest share of slots, in percent, that urgent work can have to itself.
const MaxUrgentShare = 90

// NormalSlots returns how many of n slots normal work may use when share percent of them,
// rounded up to a whole slot, are left to urgent work. It is at least 1 of 1 or more slots.
func NormalSlots(n, share int) int { return max(n-(n*share+99)/100, min(n, 1)) }

// CategoryInfo is what a school says about one kind of event.
type CategoryInfo struct {
	ID        Category  `json:"id"`
	Name      string    `json:"name"`
	Mandatory bool      `json:"mandatory"` // reaches people whatever they opted out of
	Lane      Lane      `json:"lane"`
	Channels  []Channel `json:"channels"` // of events that name none
	Position  int       `json:"position"` // where lists show it, lowest first
	BuiltIn   bool      `json:"built_in"` // cannot be deleted
}

// CategoryUse is what belongs to a category.
type CategoryUse struct {
	Events    int // a category that has any cannot be deleted
	Templates int // by channel and language, whether or not they are in use
	People    int // who have chosen something about it
}

// Limits on categories.
const (
	MaxCategories       = 100
	MaxCategoryPosition = 10_000
)

// BuiltInCategories are the categories of a new ledger, in the order in which lists show
// them. None uses SMS by default, because it costs money.
func BuiltInCategories() []CategoryInfo {
	def := func(position int, id Category, name string, mandatory bool, lane Lane) CategoryInfo {
		return CategoryInfo{ID: id, Name: name, Mandatory: mandatory, Lane: lane, Channels: DefaultChannels(), Position: position, BuiltIn: true}
	}
	return []CategoryInfo{
		def(10, CategoryAnnouncement, "Announcement", false, LaneNormal),
		def(20, CategoryEvent, "Event", false, LaneNormal),
		def(30, CategoryReminder, "Reminder", false, LaneNormal),
		def(40, CategoryAttendance, "Attendance", true, LaneNormal),
		def(50, CategoryUrgent, "Urgent", true, LaneUrgent),
		def(60, CategoryDigest, "Digest", false, LaneNormal),
	}
}

// DefaultChannels are the channels of a category that names none.
func DefaultChannels() []Channel { return []Channel{ChannelInApp, ChannelEmail} }

var categoryPattern = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`)

// Valid reports whether c may be the id of a category. Whether there is such a category,
// the ledger knows.
func (c Category) Valid() bool { return categoryPattern.MatchString(string(c)) }

const categoryFault = "must be 1 to 64 lower-case letters, digits, _ or - and begin with a letter"

// Normalize fills in the defaults. Call it before Validate.
func (c *CategoryInfo) Normalize() {
	if c.Lane == "" {
		c.Lane = LaneNormal
	}
	if c.Channels == nil {
		c.Channels = DefaultChannels()
	}
	c.Channels = unique(c.Channels)
}

// Validate reports everything that is wrong with c as [Faults]. Whether its channels
// exist, the ledger knows.
func (c *CategoryInfo) Validate() error {
	var f Faults
	if !c.ID.Valid() {
		f.Add("id", categoryFault)
	}
	checkLine(&f, "name", c.Name, MaxNameLength, true)
	if !slices.Contains(Lanes(), c.Lane) {
		f.Add("lane", "must be one of %s", join(Lanes()))
	}
	checkChannels(&f, "channels", c.Channels)
	if c.Position < 0 || c.Position > MaxCategoryPosition {
		f.Add("position", "must be between 0 and %d", MaxCategoryPosition)
	}
	return f.Err()
}

// checkChannels checks a list of channels that must name one.
func checkChannels(f *Faults, field string, channels []Channel) {
	if len(channels) == 0 {
		f.Add(field, "must name at least one channel, such as %s", ChannelEmail)
	}
	if len(channels) > MaxChannels {
		f.Add(field, "must name at most %d", MaxChannels)
		return
	}
	for i, c := range channels {
		if !c.Valid() {
			f.Add(fmt.Sprintf("%s[%d]", field, i), channelFault)
		}
	}
}

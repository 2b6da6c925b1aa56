package schoolbell

import (
	"encoding/json"
	"slices"
	"time"
)

// EventChange is what a change of an event changes: nil fields stay as they are. Zero times and empty optional
// values remove what was there.
type EventChange struct {
	Title     *string
	Body      *string
	Location  *string
	Texts     *map[string]EventText // all of them
	Data      *json.RawMessage
	StartsAt  *time.Time
	EndsAt    *time.Time
	ExpiresAt *time.Time

	// Only before anything was sent.
	SendAt   *time.Time
	Audience *Audience
	Channels []Channel // nil: as they are
}

// Fields returns the JSON names of the fields that c has, in the order of an event's fields.
func (c EventChange) Fields() (names []string) {
	for _, f := range []struct {
		name  string
		given bool
	}{
		{"title", c.Title != nil}, {"body", c.Body != nil}, {"audience", c.Audience != nil}, {"channels", c.Channels != nil},
		{"data", c.Data != nil}, {"location", c.Location != nil}, {"texts", c.Texts != nil}, {"starts_at", c.StartsAt != nil},
		{"ends_at", c.EndsAt != nil}, {"send_at", c.SendAt != nil}, {"expires_at", c.ExpiresAt != nil},
	} {
		if f.given {
			names = append(names, f.name)
		}
	}
	return names
}

// unsentOnly are the fields that cannot change once messages were sent.
var unsentOnly = []string{"audience", "channels", "send_at"}

// Check reports a change of nothing, as [Faults].
func (c EventChange) Check() error {
	var f Faults
	if len(c.Fields()) == 0 {
		f.Add("", "names nothing to change")
	}
	return f.Err()
}

// CheckSent does the same, and reports the fields of c that cannot change once messages were sent.
func (c EventChange) CheckSent() error {
	if err := c.Check(); err != nil {
		return err
	}
	var f Faults
	for _, name := range c.Fields() {
		if slices.Contains(unsentOnly, name) {
			f.Add(name, "cannot be changed once messages were sent")
		}
	}
	return f.Err()
}

// Apply returns ev with the change. Normalize and Validate it before it is stored.
func (c EventChange) Apply(ev *Event) *Event {
	changed := *ev
	set(&changed.Title, c.Title)
	set(&changed.Body, c.Body)
	set(&changed.Location, c.Location)
	set(&changed.Texts, c.Texts)
	set(&changed.Data, c.Data)
	set(&changed.StartsAt, c.StartsAt)
	set(&changed.EndsAt, c.EndsAt)
	set(&changed.ExpiresAt, c.ExpiresAt)
	set(&changed.SendAt, c.SendAt)
	set(&changed.Audience, c.Audience)
	if c.Channels != nil {
		changed.Channels = c.Channels
	}
	changed.Revision++
	return &changed
}

func set[T any](to *T, value *T) {
	if value != nil {
		*to = *value
	}
}

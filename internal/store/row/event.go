package row

import (
	"encoding/json"
	"fmt"
	"slices"

	"schoolbell"
)

// NewEvent returns the text of a new event's audience, and the event as it is read from
// its row: the caller adds its channels and its lane.
func NewEvent(ev *schoolbell.Event) (audience string, stored *schoolbell.Event, err error) {
	text, err := json.Marshal(ev.Audience)
	if err != nil {
		return "", nil, fmt.Errorf("encode event %s: %w", ev.ID, err)
	}
	e := *ev
	e.Audience = schoolbell.Audience{}
	if err := json.Unmarshal(text, &e.Audience); err != nil {
		return "", nil, fmt.Errorf("encode event %s: %w", ev.ID, err)
	}
	e.StartsAt, e.EndsAt = schoolbell.Time(e.StartsAt), schoolbell.Time(e.EndsAt)
	e.SendAt, e.ExpiresAt = schoolbell.Time(e.SendAt), schoolbell.Time(e.ExpiresAt)
	e.CreatedAt = schoolbell.Time(e.CreatedAt)
	return string(text), &e, nil
}

// JobID returns the id of the job of a new event whose lane is now known. The job that asked for the event is
// its own if it is in the queue of that lane.
func JobID(ev *schoolbell.Event, lane schoolbell.Lane) string {
	if ev.Lane != lane {
		return ""
	}
	return ev.JobID
}

// ChannelsOf returns the channels of a new event that names none: those of its category
// that are set up. It is a fault if none is.
func ChannelsOf(c schoolbell.CategoryInfo, setUp []schoolbell.Channel) (channels []schoolbell.Channel, err error) {
	for _, ch := range c.Channels {
		if slices.Contains(setUp, ch) {
			channels = append(channels, ch)
		}
	}
	if channels == nil {
		err = NoChannelSetUp(c)
	}
	return channels, err
}

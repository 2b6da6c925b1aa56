package row

import (
	"encoding/json"
	"fmt"
	"slices"

	"schoolbell"
)

// EventText are the parts of an event that its row has as JSON.
type EventText struct {
	Audience string
	Texts    string // empty for none
	Area     string // key of the groups within which it is created, empty for none
}

// NewEvent returns the JSON of a new event's row, and the event as it is read from
// its row: the caller adds its channels and its lane.
func NewEvent(ev *schoolbell.Event) (text EventText, stored *schoolbell.Event, err error) {
	audience, err := json.Marshal(ev.Audience)
	if err != nil {
		return text, nil, fmt.Errorf("encode event %s: %w", ev.ID, err)
	}
	text.Audience = string(audience)
	if text.Texts, err = texts(ev); err != nil {
		return text, nil, err
	}
	text.Area, _ = Area(ev.CreatedWithin)
	e := *ev
	e.Audience, e.Texts = schoolbell.Audience{}, nil
	e.Personal, e.PersonalCount, e.CreatedWithin = nil, len(ev.Personal), nil
	if err := text.Read(&e); err != nil {
		return text, nil, err
	}
	e.StartsAt, e.EndsAt = schoolbell.Time(e.StartsAt), schoolbell.Time(e.EndsAt)
	e.SendAt, e.ExpiresAt = schoolbell.Time(e.SendAt), schoolbell.Time(e.ExpiresAt)
	e.CreatedAt = schoolbell.Time(e.CreatedAt)
	return text, &e, nil
}

// Read writes what t says into the event of its row.
func (t EventText) Read(ev *schoolbell.Event) error {
	err := json.Unmarshal([]byte(t.Audience), &ev.Audience)
	if err == nil && t.Texts != "" {
		err = json.Unmarshal([]byte(t.Texts), &ev.Texts)
	}
	if err != nil {
		return fmt.Errorf("decode event %s: %w", ev.ID, err)
	}
	return nil
}

// texts writes the texts of an event for its row.
func texts(ev *schoolbell.Event) (string, error) {
	if len(ev.Texts) == 0 {
		return "", nil
	}
	text, err := json.Marshal(ev.Texts)
	if err != nil {
		return "", fmt.Errorf("encode event %s: %w", ev.ID, err)
	}
	return string(text), nil
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

package wire

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"schoolbell"
)

// EventChange says what to change of an event. What is left out stays.
type EventChange struct {
	Title     *string                         `json:"title,omitempty"`
	Body      *string                         `json:"body,omitempty"`
	Location  *string                         `json:"location,omitempty" nullable:"true"`
	Texts     map[string]schoolbell.EventText `json:"texts,omitempty" nullable:"true" doc:"All texts in other languages. They replace those of the event."`
	Data      json.RawMessage                 `json:"data,omitempty" nullable:"true"`
	StartsAt  Time                            `json:"starts_at,omitzero" nullable:"true"`
	EndsAt    Time                            `json:"ends_at,omitzero" nullable:"true"`
	ExpiresAt Time                            `json:"expires_at,omitzero" nullable:"true"`
	SendAt    Time                            `json:"send_at,omitzero" nullable:"true" doc:"Only before messages are sent."`
	Audience  *schoolbell.Audience            `json:"audience,omitempty" doc:"Only before messages are sent."`
	Channels  []schoolbell.Channel            `json:"channels,omitempty" maxItems:"20" doc:"Only before messages are sent."`

	// Remove names optional fields that the event shall not have any more. In JSON they are null.
	Remove []string `json:"-"`
}

// removable are the fields that an event need not have.
var removable = []string{"location", "texts", "data", "starts_at", "ends_at", "expires_at", "send_at"}

// UnmarshalJSON reads the change. Removable fields that are null are those to remove. An unknown field is an error.
func (c *EventChange) UnmarshalJSON(text []byte) error {
	type plain EventChange
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode((*plain)(c)); err != nil {
		return err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return err
	}
	c.Remove = nil
	for _, name := range removable {
		if string(fields[name]) == "null" {
			c.Remove = append(c.Remove, name)
		}
	}
	return nil
}

// MarshalJSON writes the change.
func (c EventChange) MarshalJSON() ([]byte, error) {
	type plain EventChange
	text, err := json.Marshal(plain(c))
	if err != nil || len(c.Remove) == 0 {
		return text, err
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	for _, name := range c.Remove {
		fields[name] = json.RawMessage("null")
	}
	return json.Marshal(fields)
}

// Change returns the change that c stands for.
func (c *EventChange) Change() schoolbell.EventChange {
	out := schoolbell.EventChange{Title: c.Title, Body: c.Body, Audience: c.Audience, Channels: c.Channels}
	removed := func(name string) bool { return slices.Contains(c.Remove, name) }
	if out.Location = c.Location; removed("location") {
		out.Location = new(string)
	}
	if c.Texts != nil || removed("texts") {
		texts := maps.Clone(c.Texts)
		out.Texts = &texts
	}
	if isNull := string(c.Data) == "null"; c.Data != nil && !isNull || removed("data") {
		var data json.RawMessage
		if !isNull {
			data = c.Data
		}
		out.Data = &data
	}
	for _, f := range []struct {
		name string
		from Time
		to   **time.Time
	}{{"starts_at", c.StartsAt, &out.StartsAt}, {"ends_at", c.EndsAt, &out.EndsAt}, {"expires_at", c.ExpiresAt, &out.ExpiresAt}, {"send_at", c.SendAt, &out.SendAt}} {
		if at := f.from.Time; !at.IsZero() || removed(f.name) {
			*f.to = &at
		}
	}
	return out
}

// CancelEvent says how an event is cancelled.
type CancelEvent struct {
	Notify bool `json:"notify,omitempty" doc:"Tell those whom the event has reached. A completed event can be cancelled too then."`
}

package panel

import (
	"net/url"
	"strings"
	"time"

	"schoolbell"
)

// composeForm is the form of a new event as it was filled in.
type composeForm struct {
	Key                                string // of one event, however often the form is sent
	Title, Body, Category, Place       string
	Starts, Ends, SendAt               string // as fields of dates and times have them, in the zone of the school
	Roles, Groups, Guardians, Channels []string
	Confirm                            string
}

func readComposeForm(form url.Values) composeForm {
	line := func(name string) string { return strings.TrimSpace(form.Get(name)) }
	return composeForm{Key: form.Get("key"), Title: line("title"), Body: schoolbell.NormalizeText(line("body")), Category: line("category"), Place: line("location"),
		Starts: line("starts_at"), Ends: line("ends_at"), SendAt: line("send_at"), Confirm: line("confirm"),
		Roles: form["roles"], Groups: form["groups"], Guardians: form["guardians"], Channels: form["channels"]}
}

// typed converts texts from one type to another. It returns a list, not nil, also of none.
func typed[To, From ~string](from []From) []To {
	to := make([]To, 0, len(from))
	for _, f := range from {
		to = append(to, To(f))
	}
	return to
}

// event is the event that a form describes, and which of its fields cannot be read. Times are in a zone.
func (f composeForm) event(zone *time.Location) (ev *schoolbell.Event, faults schoolbell.Faults) {
	ev = &schoolbell.Event{Title: f.Title, Body: f.Body, Category: schoolbell.Category(f.Category), Location: f.Place, Channels: typed[schoolbell.Channel](f.Channels)}
	ev.Audience.Roles, ev.Audience.Groups = typed[schoolbell.Role](f.Roles), f.Groups
	if len(f.Guardians) > 0 {
		ev.Audience.GuardiansOf = &schoolbell.Selector{Groups: f.Guardians}
	}
	for _, field := range []struct {
		name, text string
		to         *time.Time
	}{{"starts_at", f.Starts, &ev.StartsAt}, {"ends_at", f.Ends, &ev.EndsAt}, {"send_at", f.SendAt, &ev.SendAt}} {
		at, err := parseLocal(field.text, zone)
		if err != nil {
			faults.Add(field.name, "must be a date and a time, such as 2027-01-31T09:30")
		}
		*field.to = at
	}
	return ev, faults
}

// parseLocal reads what browsers send of a field of a date and a time; the zero time of nothing.
func parseLocal(text string, zone *time.Location) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.ParseInLocation("2006-01-02T15:04:05", text, zone); err == nil {
		return at, nil
	}
	return time.ParseInLocation("2006-01-02T15:04", text, zone)
}

// fieldFault is what is wrong with a field.
type fieldFault struct{ Field, Label, Text string }

// composeFields are the fields of the form, in its order.
var composeFields = []fieldFault{{Field: "title", Label: "Title"}, {Field: "body", Label: "Text"}, {Field: "category", Label: "Category"}, {Field: "location", Label: "Place"},
	{Field: "starts_at", Label: "Starts"}, {Field: "ends_at", Label: "Ends"}, {Field: "audience", Label: "Who"}, {Field: "channels", Label: "Channels"},
	{Field: "send_at", Label: "Send at"}, {Field: "confirm", Label: "Confirmation"}, {Field: keyFault}}

// keyFault is the field of what is wrong with the form as a whole.
const keyFault = "form"

// fieldWords are the fields of events as the form calls them.
var fieldWords = strings.NewReplacer("a starts_at", "a start", "starts_at", "the start", "send_at", "the time of sending")

// composeFaults returns what is wrong with a form, as sentences by its fields.
func composeFaults(err error) map[string]string {
	faults := map[string]string{}
	for _, f := range schoolbell.FaultsOf(err) {
		field, text := f.Field, fieldWords.Replace(f.Message)
		switch {
		case field == "audience":
			text = "choose at least one role or group"
		case field == "channels":
			text = "choose at least one channel"
		case field == "Idempotency-Key":
			text = "an event was created from this form before it was changed. Look at the list of events; to create another one, send the form again"
		}
		field = formField(field)
		if faults[field] == "" {
			faults[field] = sentence(text)
		}
	}
	return faults
}

// formField is the field of the form that a field of an event is in.
func formField(name string) string {
	if end := strings.IndexAny(name, ".["); end >= 0 {
		name = name[:end]
	}
	for _, f := range composeFields {
		if f.Field == name {
			return name
		}
	}
	return keyFault
}

// summaryOf lists what is wrong in the order of the form.
func summaryOf(faults map[string]string) (list []fieldFault) {
	for _, f := range composeFields {
		if text := faults[f.Field]; text != "" {
			list = append(list, fieldFault{f.Field, f.Label, text})
		}
	}
	return list
}

// At is what is wrong with a field; without a text if nothing is.
func (v composeView) At(field string) fieldFault {
	return fieldFault{Field: field, Text: v.Faults[field]}
}

package panel

import (
	"net/url"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/internal/panel/datatable"
	"schoolbell/internal/panel/site"
)

// composeForm is the form of a new event as it was filled in.
type composeForm struct {
	Key                                string // of one event, however often the form is sent
	Title, Body, Category, Place       string
	Starts, Ends, SendAt, Expires      string // as fields of dates and times have them, in the zone of the school
	Roles, Groups, Guardians, Channels []string
	Confirm                            string
	ForEach                            string        `json:",omitempty"` // whom messages are about
	Texts                              []composeText `json:",omitempty"`
	Users                              []string      `json:",omitempty"` // named people
	Students                           []string      `json:",omitempty"` // named people whose guardians get it
	WithoutRoles                       []string      `json:",omitempty"`
	WithoutGroups                      []string      `json:",omitempty"`
	WithoutUsers                       []string      `json:",omitempty"`
	Personal                           string        `json:",omitempty"` // a table of what the event says of single people
	Ready                              string        `json:"-"`          // the ready text that the form was filled with
	Was                                composeText   `json:"-"`          // what it has replaced
	Find                               string        `json:"-"`          // what the search of the form looks for
}

// composeText is the text of an event in another language.
type composeText struct{ Language, Title, Body string }

func readComposeForm(form url.Values) composeForm {
	line := func(name string) string { return strings.TrimSpace(form.Get(name)) }
	f := composeForm{Key: form.Get("key"), Texts: readTexts(form), ForEach: line("for_each"), Title: line("title"), Body: schoolbell.NormalizeText(line("body")), Category: line("category"), Place: line("location"),
		Starts: line("starts_at"), Ends: line("ends_at"), SendAt: line("send_at"), Expires: line("expires_at"), Confirm: line("confirm"),
		Roles: form["roles"], Channels: form["channels"], Personal: strings.TrimSpace(form.Get("personal"))}
	f.Ready, f.Was = line("ready_text"), composeText{Title: line("was_title"), Body: schoolbell.NormalizeText(line("was_body"))}
	f.readPicks(form)
	return f
}

// readTexts reads the texts in other languages, each of which has three fields.
func readTexts(form url.Values) (texts []composeText) {
	titles, bodies := form["text_title"], form["text_body"]
	for i, language := range form["text_language"] {
		if i < len(titles) && i < len(bodies) {
			texts = append(texts, composeText{strings.TrimSpace(language), strings.TrimSpace(titles[i]), schoolbell.NormalizeText(strings.TrimSpace(bodies[i]))})
		}
	}
	return texts
}

// event is the event that a form describes, and which of its fields cannot be read. Times are in a zone.
func (f composeForm) event(zone *time.Location) (ev *schoolbell.Event, faults schoolbell.Faults) {
	ev = &schoolbell.Event{Title: f.Title, Body: f.Body, Category: schoolbell.Category(f.Category), Location: f.Place, Channels: site.Typed[schoolbell.Channel](f.Channels)}
	ev.ForEach = schoolbell.ForEach(f.ForEach)
	ev.Personal, _, faults = datatable.Read(f.Personal)
	for _, t := range f.Texts {
		if ev.Texts == nil {
			ev.Texts = map[string]schoolbell.EventText{}
		}
		ev.Texts[t.Language] = schoolbell.EventText{Title: t.Title, Body: t.Body}
	}
	ev.Audience = f.audience()
	for _, field := range []struct {
		name, text string
		to         *time.Time
	}{{"starts_at", f.Starts, &ev.StartsAt}, {"ends_at", f.Ends, &ev.EndsAt}, {"send_at", f.SendAt, &ev.SendAt}, {"expires_at", f.Expires, &ev.ExpiresAt}} {
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

// composeFields are the fields of the form, in its order.
var composeFields = []site.FieldFault{{Field: "title", Label: "Title"}, {Field: "body", Label: "Text"}, {Field: "texts", Label: "Translations"}, {Field: "category", Label: "Category"}, {Field: "location", Label: "Place"},
	{Field: "starts_at", Label: "Starts"}, {Field: "ends_at", Label: "Ends"}, {Field: "audience", Label: "Who"}, {Field: "for_each", Label: "Name the students"}, {Field: datatable.Field, Label: "Data of single people"}, {Field: "channels", Label: "Channels"},
	{Field: "send_at", Label: "Send at"}, {Field: "expires_at", Label: "Not after"}, {Field: "confirm", Label: "Confirmation"}, {Field: countFault, Label: "Number of people"}, {Field: site.WholeForm}}

// countFault is the field of what is wrong with the number of people that the page has shown.
const countFault = "count"

// fieldWords are the fields of events as the form calls them.
var fieldWords = strings.NewReplacer("a starts_at", "a start", "starts_at", "the start", "send_at", "the time of sending")

// composeFaults returns what is wrong with a form, as sentences by its fields.
func composeFaults(err error) map[string]string {
	faults := map[string]string{}
	for _, f := range schoolbell.FaultsOf(err) {
		field, text := f.Field, fieldWords.Replace(f.Message)
		row, inRow := datatable.Place(field)
		switch {
		case inRow:
			text = row + ": " + text
		case field == "audience":
			text = "choose who gets it"
		case field == "channels":
			text = "choose at least one channel"
		case field == "for_each":
			text = "choose the guardians of a group or a student: their students are named"
		case strings.HasPrefix(field, "texts."):
			text = strings.Replace(strings.TrimPrefix(field, "texts."), ".", ", ", 1) + ": " + text
		case field == "Idempotency-Key":
			text = "an event was created from this form before it was changed. Look at the list of events; to create another one, send the form again"
		}
		field = formField(field)
		if faults[field] == "" {
			faults[field] = site.Sentence(text)
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
	return site.WholeForm
}

// summaryOf lists what is wrong in the order of the form.
func summaryOf(faults map[string]string) (list []site.FieldFault) {
	for _, f := range composeFields {
		if text := faults[f.Field]; text != "" {
			list = append(list, site.FieldFault{Field: f.Field, Label: f.Label, Text: text})
		}
	}
	return list
}

// At is what is wrong with a field; without a text if nothing is.
func (v composeView) At(field string) site.FieldFault {
	return site.FieldFault{Field: field, Text: v.Faults[field]}
}

package render

import (
	"slices"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/locale"
)

// Languages returns the languages that have standard templates, BCP 47, English first.
func (r *Renderer) Languages() (tags []string) {
	for _, l := range locale.Languages() {
		tags = append(tags, l.Tag)
	}
	return tags
}

// Standard returns the standard template of a name: in English if there is none in its language.
func (r *Renderer) Standard(key schoolbell.TemplateKey) schoolbell.Template {
	return schoolbell.Template{TemplateKey: key, TemplateText: Standard(key.Category, key.Channel, locale.For(key.Locale))}
}

// Check reports everything that is wrong with a template, by field, as [schoolbell.Faults].
func (r *Renderer) Check(t schoolbell.Template) error {
	c, err := newCompiler(locale.For(t.Locale), brandOf(r.settings()))
	if err != nil {
		return err
	}
	_, err = c.compile(t.Channel, t.TemplateText)
	return err
}

// Preview makes a message from a template that need not be stored, in its language: of a sample event if ev is nil, and
// for a sample recipient if to is nil. The text is what a personalized event says of to; about its students, a sample event
// has sample data. The links of the message lead nowhere.
func (r *Renderer) Preview(t schoolbell.Template, ev *schoolbell.Event, to *schoolbell.User, text *schoolbell.PersonalText) (schoolbell.Message, error) {
	if ev == nil {
		ev, text = sampleEvent(t.Category, time.Now()), withSampleData(text)
	}
	recipient := ledger.Recipient{UserID: "sample", Name: "Yara Mossfield", Personal: samplePersonal()}
	var items []*schoolbell.Event
	if ev.Digest {
		items = sampleItems(ev.CreatedAt)
	}
	if to != nil {
		recipient = ledger.Recipient{UserID: to.ID, Name: to.Name, Locale: to.Locale, Timezone: to.Timezone, Personal: text}
	}
	recipient.Items = items
	one := &Renderer{settings: r.settings, choices: r.choices, optional: r.optional, compiled: map[compiledKey]*compiled{},
		prepared: map[preparedKey]*prepared{}, digested: map[itemKey]*item{}}
	one.own = func(schoolbell.TemplateKey, time.Time) *schoolbell.Template { return &t }
	if r.link != nil {
		one.link = func(_ string, to ledger.Recipient) string { return r.link("preview", to) }
	}
	return one.render(ev, t.Channel, recipient, schoolOf(r.settings()), t.Locale)
}

// sampleEvent is an event to show a template with.
func sampleEvent(category schoolbell.Category, now time.Time) *schoolbell.Event {
	var forEach schoolbell.ForEach
	if category == schoolbell.CategoryAttendance {
		forEach = schoolbell.ForEachStudent
	}
	if category == schoolbell.CategoryDigest { // as the program makes them
		return &schoolbell.Event{ID: "01900000-0000-7000-8000-000000000000", Category: category, CreatedAt: now, Digest: true, Title: "Digest", Body: "Messages that people get together."}
	}
	day := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC).AddDate(0, 0, 3)
	return &schoolbell.Event{
		ID: "01900000-0000-7000-8000-000000000000", Category: category, CreatedAt: now,
		Title:    "Swimming gala: new start time",
		Body:     "The gala starts at ten instead of nine, because the pool opens later.\n\nPlease bring swimming things, a towel and a snack.",
		Location: "Riverside pool",
		ForEach:  forEach,
		StartsAt: day.Add(10 * time.Hour), EndsAt: day.Add(12*time.Hour + 30*time.Minute),
	}
}

// sampleItems are events to show the template of a digest with.
func sampleItems(now time.Time) []*schoolbell.Event {
	return []*schoolbell.Event{
		{ID: "01900000-0000-7000-8000-000000000001", Category: schoolbell.CategoryAnnouncement, Title: "Winter term dates", Body: "The winter term ends on Friday at noon."},
		sampleEvent(schoolbell.CategoryEvent, now),
		{ID: "01900000-0000-7000-8000-000000000002", Category: schoolbell.CategoryReminder, Title: "Choir rehearsal moved", Body: "From Thursday to Friday, 14:00.", Location: "Music room"},
	}
}

// withSampleData returns a text about the same students, with sample data.
func withSampleData(text *schoolbell.PersonalText) *schoolbell.PersonalText {
	if text == nil {
		return nil
	}
	sample, samples := *text, samplePersonal().Students
	sample.Students = slices.Clone(text.Students)
	for i := range sample.Students {
		sample.Students[i].Data = samples[i%len(samples)].Data
	}
	return &sample
}

// samplePersonal is what a sample message says of its recipient.
func samplePersonal() *schoolbell.PersonalText {
	return &schoolbell.PersonalText{Students: []schoolbell.Student{
		{ID: "sample-1", Name: "Nia Mossfield", Data: map[string]string{"reason": "absent since the first lesson"}},
		{ID: "sample-2", Name: "Omar Mossfield", Data: map[string]string{"reason": "absent since the third lesson"}},
	}}
}

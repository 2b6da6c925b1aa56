package render

import (
	"cmp"
	"maps"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/locale"
	"schoolbell/internal/personal"
	"schoolbell/internal/template"
)

// Limits of what a digest says about an item and of its subject, in characters.
const (
	maxItemSummary = 200
	maxItemTitles  = 120
)

// maxItems bounds how many items are kept. The items of a digest are the same events for most people.
const maxItems = 1000

// itemKey names what all people with a language and a time zone are told about an event in a digest.
type itemKey struct {
	event    string // id
	tag      string // of the event's text
	language *locale.Language
	zone     *time.Location
	home     *time.Location // of the school
}

// item is what they are told, without the link.
type item struct {
	source schoolbell.Event // to see whether it is still the same event
	values template.Values
}

// items returns the values of the items of a recipient, of a digest in a language.
func (r *Renderer) items(to ledger.Recipient, school school, language *locale.Language) template.Value {
	key := itemKey{language: language, zone: schoolbell.FirstTimezone(to.Timezone, school.timezone), home: school.home()}
	v := template.Value{Entries: make([]template.Values, len(to.Items))}
	titles := make([]string, len(to.Items))
	for i, ev := range to.Items {
		own := maps.Clone(r.item(ev, cmp.Or(to.Locale, school.language), key))
		if text := to.ItemTexts[ev.ID]; text != nil {
			tellOne(own, ev, cmp.Or(to.Locale, school.language), school.language, text)
		}
		titles[i] = own["item.title"].Text
		if r.link != nil {
			own["item.link"] = template.Value{Text: r.link(ev.ID, to)}
		}
		v.Entries[i] = own
	}
	v.Text = shorten(language.Commas(titles), maxItemTitles)
	return v
}

// tellOne changes the values of a personalized event to what they are for one person.
func tellOne(values template.Values, ev *schoolbell.Event, want, home string, text *schoolbell.PersonalText) {
	said, tag := ev.In(want)
	language := cmp.Or(tag, home)
	title, body := personal.Filled(said.Title, said.Body, language, text)
	values["item.title"], values["item.summary"] = template.Value{Text: title}, template.Value{Text: itemSummary(body)}
	if len(text.Students) > 0 && !personal.NamesStudents(said.Title) {
		students, _ := personal.Values(text, locale.For(language))("students")
		values["item.students"] = template.Value{Text: students.Text}
	}
}

// itemSummary returns the beginning of a text in one line.
func itemSummary(body string) string { return shorten(personal.Line(body), maxItemSummary) }

// item returns what all people with the locale and the key are told about an event. Its values are not to be changed.
func (r *Renderer) item(ev *schoolbell.Event, want string, key itemKey) template.Values {
	said, tag := ev.In(want)
	key.event, key.tag = ev.ID, tag
	r.mu.RLock()
	known := r.digested[key]
	r.mu.RUnlock()
	if known != nil && sameText(&known.source, ev) {
		return known.values
	}
	said = toNobody(ev, said, key.language.Tag)
	when := ""
	if !ev.StartsAt.IsZero() {
		when = key.language.Span(ev.StartsAt, ev.EndsAt, key.zone, key.home)
	}
	details := when
	if when != "" && said.Location != "" {
		details += " · "
	}
	made := &item{source: *ev, values: template.Values{
		"item.title":    {Text: said.Title},
		"item.label":    {Text: wordsOf[key.language.Tag][string(ev.Category)]},
		"item.when":     {Text: when},
		"item.location": {Text: said.Location},
		"item.details":  {Text: details + said.Location},
		"item.summary":  {Text: itemSummary(said.Body)},
		"item.students": {},
		"item.link":     {},
	}}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.digested) >= maxItems {
		clear(r.digested)
	}
	r.digested[key] = made
	return made.values
}

// sameText reports whether two states of an event say the same.
func sameText(a, b *schoolbell.Event) bool {
	return a.Title == b.Title && a.Body == b.Body && a.Category == b.Category && a.Location == b.Location && maps.Equal(a.Texts, b.Texts) &&
		a.StartsAt.Equal(b.StartsAt) && a.EndsAt.Equal(b.EndsAt)
}

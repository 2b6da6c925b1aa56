package locale

import (
	"strings"
	"sync"
	"time"

	"github.com/go-playground/locales"
	"github.com/go-playground/locales/ar"
	"github.com/go-playground/locales/de"
	"github.com/go-playground/locales/en"
	"github.com/go-playground/locales/en_GB"
	"github.com/go-playground/locales/es"
	"github.com/go-playground/locales/fr"
)

// Language is a language with its customs. It never changes.
type Language struct {
	Tag string // BCP 47: en, es, fr, de or ar
	RTL bool   // written from right to left

	and    string // before the last entry of a list
	comma  string // between entries
	format func() locales.Translator
}

// The languages that there are. The first is that of readers whose own there is none of.
var languages = []*Language{
	{Tag: "en", and: " and ", comma: ", ", format: sync.OnceValue(en_GB.New)},
	{Tag: "es", and: " y ", comma: ", ", format: sync.OnceValue(es.New)},
	{Tag: "fr", and: " et ", comma: ", ", format: sync.OnceValue(fr.New)},
	{Tag: "de", and: " und ", comma: ", ", format: sync.OnceValue(de.New)},
	{Tag: "ar", RTL: true, and: " و", comma: "، ", format: sync.OnceValue(ar.New)},
}

// american is English with the dates of the United States.
var american = &Language{Tag: "en", and: " and ", comma: ", ", format: sync.OnceValue(en.New)}

// Languages returns all languages, English first.
func Languages() []*Language { return append([]*Language(nil), languages...) }

// For returns the language of the first of the tags (BCP 47) that there is one for, or English. A region only
// matters where its customs do: en-US has other dates than en, es-MX has those of es.
func For(tags ...string) *Language {
	for _, tag := range tags {
		if l := find(tag); l != nil {
			return l
		}
	}
	return languages[0]
}

// Nearest returns the language of a text with the customs of its reader: those of reader if it is a tag of the same
// language, such as en-US for a text in en.
func Nearest(text, reader string) *Language {
	a, _, _ := strings.Cut(text, "-")
	b, _, _ := strings.Cut(reader, "-")
	if strings.EqualFold(a, b) {
		return For(reader)
	}
	return For(text)
}

// Known reports whether there is the language of a tag.
func Known(tag string) bool { return find(tag) != nil }

func find(tag string) *Language {
	if strings.EqualFold(tag, "en-US") {
		return american
	}
	base, _, _ := strings.Cut(tag, "-")
	for _, l := range languages {
		if strings.EqualFold(base, l.Tag) {
			return l
		}
	}
	return nil
}

// Dir is the direction of the writing as HTML names it, ltr or rtl.
func (l *Language) Dir() string {
	if l.RTL {
		return "rtl"
	}
	return "ltr"
}

// Date writes a day with its weekday, such as "Friday, 4 December 2026".
func (l *Language) Date(t time.Time) string { return l.format().FmtDateFull(t) }

// Clock writes a time of day, such as "09:30".
func (l *Language) Clock(t time.Time) string {
	if l.RTL {
		return t.Format("15:04") // letters for morning and evening would change places with the figures of a span
	}
	return l.format().FmtTimeShort(t)
}

// ShortSpan is Span in fewer letters and without the zone: "Fri, 4 Dec 2026, 09:30–11:00".
func (l *Language) ShortSpan(from, to time.Time, zone *time.Location) string {
	from, to = from.In(zone), to.In(zone)
	s := l.shortDate(from) + l.comma
	switch {
	case to.IsZero() || to.Equal(from):
		return s + l.Clock(from)
	case sameDay(from, to):
		return s + l.Clocks(from, to)
	}
	return s + l.Clock(from) + " – " + l.shortDate(to) + l.comma + l.Clock(to)
}

func (l *Language) shortDate(t time.Time) string {
	f := l.format()
	return f.WeekdayAbbreviated(t.Weekday()) + l.comma + f.FmtDateMedium(t)
}

// Times writes the time of day of a date that stands beside it, or the time until which it lasts: "09:30–11:00
// (Asia/Tokyo)". The zone is named if it is not home, where people know which time is meant, and if it is UTC, where nobody lives.
func (l *Language) Times(from, to time.Time, zone, home *time.Location) string {
	from, to = from.In(zone), to.In(zone)
	switch {
	case to.IsZero() || to.Equal(from):
		return l.Clock(from) + l.zone(zone, home)
	case sameDay(from, to):
		return l.Clocks(from, to) + l.zone(zone, home)
	}
	return l.Clock(from) + " – " + l.Date(to) + l.comma + l.Clock(to) + l.zone(zone, home)
}

func (l *Language) zone(zone, home *time.Location) string {
	if zone.String() == home.String() && zone.String() != time.UTC.String() {
		return ""
	}
	name := "(" + zone.String() + ")"
	if l.RTL {
		name = isolate(name)
	}
	return " " + name
}

// Clocks writes a span of times of one day, such as "09:30–11:00". In a text from right to left it stays in one piece.
func (l *Language) Clocks(from, to time.Time) string {
	span := l.Clock(from) + "–" + l.Clock(to)
	if l.RTL {
		return isolate(span)
	}
	return span
}

// Span writes a time, or the time from one to another; a zero end means none: "Friday, 4 December 2026, 09:30–11:00
// (Asia/Tokyo)". It names the zone as Times does.
func (l *Language) Span(from, to time.Time, zone, home *time.Location) string {
	return l.Date(from.In(zone)) + l.comma + l.Times(from, to, zone, home)
}

func sameDay(a, b time.Time) bool { return a.YearDay() == b.YearDay() && a.Year() == b.Year() }

// Number writes a whole number, such as "1,912".
func (l *Language) Number(n int) string { return l.format().FmtNumber(float64(n), 0) }

// One reports whether the language takes the word for one thing with n of them.
func (l *Language) One(n int) bool {
	return l.format().CardinalPluralRule(float64(n), 0) == locales.PluralRuleOne
}

// Commas writes a list with commas only, such as "Nia, Omar, Zoë".
func (l *Language) Commas(entries []string) string { return strings.Join(entries, l.comma) }

// Join writes a list, such as "Nia, Omar and Zoë".
func (l *Language) Join(entries []string) string {
	n := len(entries)
	if n < 2 {
		return strings.Join(entries, "")
	}
	return strings.Join(entries[:n-1], l.comma) + l.and + entries[n-1]
}

// isolate keeps a text together whose direction is not that of the text around it (Unicode Annex 9, isolates).
func isolate(s string) string { return "\u2066" + s + "\u2069" }

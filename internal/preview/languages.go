package preview

import (
	"cmp"
	"slices"
	"strings"

	"schoolbell"
	"schoolbell/wire"
)

// languages counts what people read. It keeps one entry for each locale.
type languages struct {
	ev     *schoolbell.Event
	school string // language of the school
	people map[string]int
}

func newLanguages(ev *schoolbell.Event, school string) languages {
	return languages{ev: ev, school: cmp.Or(school, "en"), people: map[string]int{}}
}

// add counts a person who reads a locale.
func (l *languages) add(locale string) { l.people[locale]++ }

// result returns the languages, the most frequent first. A language is missing if any of its readers gets the text of the event
// itself, and that is in another language.
func (l *languages) result() []wire.PreviewedLanguage {
	out := []wire.PreviewedLanguage{}
	for locale, people := range l.people {
		name := language(cmp.Or(locale, l.school))
		i := slices.IndexFunc(out, func(x wire.PreviewedLanguage) bool { return x.Language == name })
		if i < 0 {
			i = len(out)
			out = append(out, wire.PreviewedLanguage{Language: name})
		}
		out[i].People += people
		if _, text := l.ev.In(locale); text == "" && name != language(l.school) {
			out[i].Missing = true
		}
	}
	slices.SortFunc(out, func(a, b wire.PreviewedLanguage) int {
		return cmp.Or(cmp.Compare(b.People, a.People), cmp.Compare(a.Language, b.Language))
	})
	return out
}

// language returns the language of a tag without region and script.
func language(tag string) string {
	base, _, _ := strings.Cut(strings.ToLower(tag), "-")
	return base
}

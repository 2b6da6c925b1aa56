package schoolbell

import (
	"maps"
	"slices"
	"strings"
)

// MaxTexts is the number of languages that an event may have besides its own.
const MaxTexts = 20

// EventText is what an event says in one language.
type EventText struct {
	Title    string `json:"title" doc:"As the title of the event."`
	Body     string `json:"body" doc:"As the body of the event."`
	Location string `json:"location,omitempty" doc:"As the location of the event, which is used if left out."`
}

// In returns what e says in the language of locale (BCP 47), and the language of that text. A text for es serves readers
// of es-MX, and one for es-ES too if there is none that is nearer. The language is empty, and the text that of e itself,
// if e has no text that serves them.
func (e *Event) In(locale string) (text EventText, language string) {
	language = e.textFor(locale)
	if language == "" {
		return EventText{Title: e.Title, Body: e.Body, Location: e.Location}, ""
	}
	text = e.Texts[language]
	if text.Location == "" {
		text.Location = e.Location
	}
	return text, language
}

// textFor returns the key of the text for a locale, or "" (lookup by RFC 4647 §3.4, then any text of the language).
func (e *Event) textFor(locale string) string {
	if len(e.Texts) == 0 || locale == "" {
		return ""
	}
	if _, ok := e.Texts[locale]; ok {
		return locale // mostly
	}
	tags := slices.Sorted(maps.Keys(e.Texts)) // so that all readers of a language get the same text
	for tag := locale; tag != ""; tag = shorter(tag) {
		for _, t := range tags {
			if strings.EqualFold(t, tag) {
				return t
			}
		}
	}
	base, _, _ := strings.Cut(locale, "-")
	for _, t := range tags {
		if b, _, _ := strings.Cut(t, "-"); strings.EqualFold(b, base) {
			return t
		}
	}
	return ""
}

// shorter cuts the last part off a language tag.
func shorter(tag string) string {
	return tag[:max(0, strings.LastIndexByte(tag, '-'))]
}

func (e *Event) normalizeTexts() {
	for tag, text := range e.Texts {
		e.Texts[tag] = EventText{Title: strings.TrimSpace(text.Title), Body: NormalizeText(text.Body), Location: strings.TrimSpace(text.Location)}
	}
}

func (e *Event) validateTexts(f *Faults) {
	if len(e.Texts) > MaxTexts {
		f.Add("texts", "must be at most %d languages", MaxTexts)
		return
	}
	seen := map[string]bool{}
	for _, tag := range slices.Sorted(maps.Keys(e.Texts)) {
		field := "texts." + tag
		if err := ValidateLanguage(tag); err != nil {
			f.Add("texts", "has a language that %v", err)
			continue
		}
		if lower := strings.ToLower(tag); seen[lower] {
			f.Add(field, "is there twice")
		} else {
			seen[lower] = true
		}
		text := e.Texts[tag]
		checkLine(f, field+".title", text.Title, MaxTitleLength, true)
		checkText(f, field+".body", text.Body, MaxBodyLength)
		checkLine(f, field+".location", text.Location, MaxLocationLength, false)
	}
}

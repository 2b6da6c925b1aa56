package personal

import (
	"maps"
	"slices"
	"strings"

	"schoolbell"
	"schoolbell/internal/locale"
	"schoolbell/internal/template"
)

// Text is a title or a body with names in it. It never changes.
type Text struct{ bound *template.Bound }

// HasNames reports whether a text of a personalized event may have names in it.
func HasNames(text string) bool { return strings.Contains(text, "{{") }

// NamesStudents reports whether a text says which students it is about.
func NamesStudents(text string) bool { return HasNames(text) && strings.Contains(text, students) }

// Parse parses a text of a personalized event. The error is a [template.Error].
func Parse(text string) (*Text, error) {
	t, err := template.Parse(text, template.Text, names, nil)
	if err != nil {
		return nil, err
	}
	bound, err := t.Bind(func(string) (template.Value, bool) { return template.Value{}, false })
	return &Text{bound}, err
}

// Fill returns the text with values in place of the names.
func (t *Text) Fill(values template.Lookup) (string, error) {
	filled, err := t.bound.Fill(values)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for i, piece := range t.bound.Pieces {
		b.WriteString(piece)
		if i < len(filled) {
			b.WriteString(filled[i])
		}
	}
	return b.String(), nil
}

// Line makes one line of a text that was filled.
func Line(text string) string { return strings.Join(strings.Fields(text), " ") }

// Check reports names that there are not in the titles and bodies of a personalized event, as [schoolbell.Faults]. Those of other
// events are shown as they are written.
func Check(ev *schoolbell.Event) error {
	if !ev.Personalized() {
		return nil
	}
	var f schoolbell.Faults
	check := func(field, text string) {
		if _, err := Parse(text); err != nil {
			f.Add(field, "%v", err)
		}
	}
	check("title", ev.Title)
	check("body", ev.Body)
	for _, tag := range slices.Sorted(maps.Keys(ev.Texts)) {
		check("texts."+tag+".title", ev.Texts[tag].Title)
		check("texts."+tag+".body", ev.Texts[tag].Body)
	}
	return f.Err()
}

// Filled returns a title and a body in a language (BCP 47) as a person reads them. A text that cannot be filled stays as it is.
func Filled(title, body, language string, p *schoolbell.PersonalText) (filledTitle, filledBody string) {
	if p == nil || !HasNames(title) && !HasNames(body) {
		return title, body
	}
	values := Values(p, locale.For(language))
	fill := func(text string) string {
		t, err := Parse(text)
		if err != nil {
			return text
		}
		filled, err := t.Fill(values)
		if err != nil {
			return text
		}
		return filled
	}
	return Line(fill(title)), fill(body)
}

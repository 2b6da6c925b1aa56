package personal

import (
	"strings"
	"unicode"

	"schoolbell"
	"schoolbell/internal/locale"
	"schoolbell/internal/template"
)

// The names that stand for something else in each message.
const (
	userName = "user.name"
	students = "students"
	data     = "data." // before a key that the caller chose

	studentName = "name" // within {{#each students}}, where data is that of the student
)

// names are the names that stand for something else in each message.
var names = &template.Names{
	Kinds: map[string]template.Kind{userName: template.Line, students: template.List},
	Lists: map[string]template.Names{students: {Kinds: map[string]template.Kind{studentName: template.Line}, Open: []string{data}}},
	Open:  []string{data},
}

// Names returns the names that stand for something else in each message. It is not to be changed.
func Names() *template.Names { return names }

// Values returns the values of the names for one recipient. Names that it does not know are of others.
func Values(p *schoolbell.PersonalText, l *locale.Language) template.Lookup {
	list := listOf(p.Students, l)
	return func(name string) (template.Value, bool) {
		switch name {
		case userName:
			return template.Value{Text: strings.TrimSpace(p.Name)}, true
		case students:
			return list, true
		}
		if key, ok := strings.CutPrefix(name, data); ok {
			return template.Value{Text: p.Data[key]}, true
		}
		return template.Value{}, false
	}
}

// None returns the empty values of the names that events without personal data do not have.
func None(name string) (template.Value, bool) {
	return template.Value{}, name == students || strings.HasPrefix(name, data)
}

// listOf returns the value of students: their names, joined as the language does it.
func listOf(all []schoolbell.Student, l *locale.Language) (list template.Value) {
	if len(all) == 0 {
		return list
	}
	names := make([]string, len(all))
	list.Entries = make([]template.Values, len(all))
	for i, s := range all {
		names[i] = isolated(strings.TrimSpace(s.Name), l.RTL)
		entry := make(template.Values, 1+len(s.Data))
		entry[studentName] = template.Value{Text: names[i]}
		for key, value := range s.Data {
			entry[data+key] = template.Value{Text: value}
		}
		list.Entries[i] = entry
	}
	list.Text = l.Join(names)
	return list
}

// isolated keeps a name together whose direction is not that of the text around it (Unicode Annex 9, isolates).
func isolated(name string, rtl bool) string {
	foreign := rtl
	for _, r := range name {
		if isRTL(r) {
			foreign = !rtl
			break
		}
	}
	if !foreign {
		return name
	}
	return "\u2068" + name + "\u2069"
}

// isRTL reports whether a letter is of a script that is written from right to left.
func isRTL(r rune) bool {
	return r >= 0x590 && unicode.In(r, unicode.Arabic, unicode.Hebrew, unicode.Syriac, unicode.Thaana, unicode.Nko, unicode.Adlam)
}

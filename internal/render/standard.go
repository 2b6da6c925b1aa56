package render

import (
	"embed"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"schoolbell"
	"schoolbell/internal/locale"
)

//go:embed words/*.json templates/*
var files embed.FS

// words are the words of the standard templates by key, in the language of templates.
type words map[string]string

// wordsOf are the words of each language by its tag.
var wordsOf = loadWords()

func loadWords() map[string]words {
	all := make(map[string]words)
	for _, l := range locale.Languages() {
		var w words
		if err := json.Unmarshal([]byte(file(path.Join("words", l.Tag+".json"))), &w); err != nil {
			panic(fmt.Sprintf("words of %s: %v", l.Tag, err)) // shows when the program is built and tested
		}
		all[l.Tag] = w
	}
	return all
}

// file returns an embedded file.
func file(name string) string {
	b, err := files.ReadFile(name)
	if err != nil {
		panic(err) // a file that go:embed did not find does not build
	}
	return string(b)
}

// say writes words into a text in place of [[key]].
func (w words) say(text string) string {
	pairs := make([]string, 0, 2*len(w))
	for key, word := range w {
		pairs = append(pairs, "[["+key+"]]", word)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// The standard templates. [[key]] is a word of the language.
const (
	standardHTML = `{{> heading}}
<p>{{#if user.name}}[[dear]]{{else}}[[hello]]{{/if}}</p>
{{event.body}}
{{> details}}
{{> button}}
{{school.signature}}
`
	// Who must act at once wants no greeting.
	briefHTML = `{{> heading}}
{{event.body}}
{{> details}}
{{> button}}
{{school.signature}}
`
	// An event of this category that the program did not make has no items.
	digestHTML = `{{> heading}}
{{#if items}}
{{> items}}
{{else}}
{{event.body}}
{{> details}}
{{/if}}
{{> button}}
{{school.signature}}
`
	digestText = `{{event.title}}
{{#if items}}
{{> items}}
{{else}}

{{event.body}}
{{> details}}
{{/if}}
{{> signature}}
{{> link}}
`
	// Guardians are told whom it is about.
	attendanceHTML = `{{> heading}}
{{event.body}}
{{> students}}
{{> details}}
{{> button}}
{{school.signature}}
`
	standardText = `{{event.title}}

{{#if user.name}}[[dear]]{{else}}[[hello]]{{/if}}

{{event.body}}
{{> details}}
{{> signature}}
{{> link}}
`
	briefText = `{{event.title}}

{{event.body}}
{{> details}}
{{> signature}}
{{> link}}
`
	attendanceText = `{{event.title}}

{{event.body}}
{{> students}}
{{> details}}
{{> signature}}
{{> link}}
`
	urgentText = `[[urgent]][[colon]] ` + briefText

	standardSMS   = `{{school.name}}: {{event.title}}` + restOfSMS
	urgentSMS     = `{{school.name}}: [[urgent]][[colon]] {{event.title}}` + restOfSMS
	attendanceSMS = `{{school.name}}: {{#if event.students}}{{event.students}}: {{/if}}{{event.title}}` + restOfSMS
	restOfSMS     = `{{#if event.when}} · {{event.when}}{{/if}}{{#if event.location}} · {{event.location}}{{/if}} · {{event.summary}}`

	attendancePush = `{{#if event.students}}{{event.students}} · {{/if}}` + standardPush
	standardPush   = `{{#if event.when}}{{event.when}} · {{/if}}{{#if event.location}}{{event.location}} · {{/if}}{{event.summary}}`
)

// Standard returns the standard template of a category and a channel in a language. Categories that a school has added
// have those of announcements.
func Standard(category schoolbell.Category, channel schoolbell.Channel, language *locale.Language) schoolbell.TemplateText {
	w := wordsOf[language.Tag]
	var t schoolbell.TemplateText
	switch channel {
	case schoolbell.ChannelSMS:
		switch t.Text = standardSMS; category {
		case schoolbell.CategoryUrgent:
			t.Text = urgentSMS
		case schoolbell.CategoryAttendance:
			t.Text = attendanceSMS
		}
	case schoolbell.ChannelPush:
		t = schoolbell.TemplateText{Subject: standardSubject(category), Text: standardPush}
		if category == schoolbell.CategoryAttendance {
			t.Text = attendancePush
		}
	default:
		t = schoolbell.TemplateText{Subject: standardSubject(category), HTML: standardHTML, Text: standardText}
		switch category {
		case schoolbell.CategoryUrgent:
			t.HTML, t.Text = briefHTML, urgentText
		case schoolbell.CategoryAttendance:
			t.HTML, t.Text = attendanceHTML, attendanceText
		case schoolbell.CategoryDigest:
			t.HTML, t.Text = digestHTML, digestText
		}
		if channel != schoolbell.ChannelEmail {
			t.HTML = "" // a channel of a program that adds its own shows plain text
		}
	}
	return schoolbell.TemplateText{Subject: w.say(t.Subject), HTML: w.say(t.HTML), Text: w.say(t.Text)}
}

func standardSubject(category schoolbell.Category) string {
	switch category {
	case schoolbell.CategoryUrgent:
		return "[[urgent]][[colon]] {{event.title}}"
	case schoolbell.CategoryReminder:
		return "[[reminder]][[colon]] {{event.title}}"
	case schoolbell.CategoryDigest:
		return "{{#if items}}[[digest]][[colon]] {{items}}{{else}}{{event.title}}{{/if}}"
	}
	return "{{event.title}}"
}

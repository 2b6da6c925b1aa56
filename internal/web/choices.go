package web

import (
	"html/template"
	"net/http"

	"schoolbell"
)

var choicesTemplate = parse("choices.html")

// Choices is what the preference page of a person shows.
type Choices struct {
	Channels  []schoolbell.Channel // the columns
	Rows      []ChoiceRow
	Addresses []string // of the person
	Stopped   []string // phone numbers from which STOP was sent
	Saved     bool     // the person has just saved
	NotSaved  bool     // and it failed; the page has what they wanted

	Schedule ScheduleChoice
	Language LanguageChoice
	Calendar CalendarChoice
}

// ChoiceRow is a category.
type ChoiceRow struct {
	Category schoolbell.CategoryInfo
	Cells    []ChoiceCell // one for each column; none if the category is mandatory
}

// ChoiceCell is how the person wants a category on a channel.
type ChoiceCell struct {
	Field string // of the form; see [ChoiceField]
	Mode  schoolbell.Mode
	Modes []schoolbell.Mode // among which they can choose
}

// ChoiceField is the field of the form for a category on a channel. Its value is a mode.
func ChoiceField(category schoolbell.Category, channel schoolbell.Channel) string {
	return string(category) + "." + string(channel) // neither has a dot
}

// choicesView is what the template sees.
type choicesView struct {
	Choices
	Columns   []string
	Rows      []choiceRowView
	Stopped   []string // sentences
	Times     scheduleView
	Languages []choiceOption
	AddURL    template.URL // that calendar programs open
}

type choiceRowView struct {
	Name, Hint string
	Locked     bool
	Cells      []choiceCellView
}

type choiceCellView struct {
	Field, Label, Legend string
	Options              []choiceOption
}

type choiceOption struct {
	Value, Name string
	Language    string // of the name, BCP 47; empty for that of the page
	Checked     bool
}

// Choices answers with the preference page of a person.
func (f Frame) Choices(w http.ResponseWriter, status int, c Choices) error {
	words := f.Words
	v := choicesView{Choices: c}
	for _, channel := range c.Channels {
		v.Columns = append(v.Columns, words.channel(channel))
	}
	for _, row := range c.Rows {
		r := choiceRowView{Name: words.category(row.Category), Hint: words.Hints[row.Category.ID], Locked: row.Category.Mandatory}
		for i, cell := range row.Cells {
			r.Cells = append(r.Cells, words.cell(cell, v.Columns[i], r.Name))
		}
		v.Rows = append(v.Rows, r)
	}
	for _, number := range c.Stopped {
		v.Stopped = append(v.Stopped, fill(words.SMSStopped, "number", leftToRight(number)))
	}
	v.Times = words.times(c.Schedule)
	v.Languages = languageOptions(c.Language)
	v.AddURL = addURL(c.Calendar.URL)
	return f.write(w, status, choicesTemplate, words.ChoicesTitle, v)
}

func (w *Words) cell(c ChoiceCell, column, row string) choiceCellView {
	v := choiceCellView{Field: c.Field, Label: column, Legend: row + ", " + column}
	for _, m := range c.Modes {
		v.Options = append(v.Options, choiceOption{Value: string(m), Name: w.Modes[m], Checked: m == c.Mode})
	}
	return v
}

// channel is the name of a channel.
func (w *Words) channel(c schoolbell.Channel) string {
	if word := w.Channels[c]; word != "" {
		return word
	}
	return string(c)
}

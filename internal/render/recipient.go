package render

import (
	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/personal"
	"schoolbell/internal/template"
)

// Names whose values depend on the title or on the body of the event.
const (
	nameTitle    = "event.title"
	nameBody     = "event.body"
	nameSummary  = "event.summary"
	nameStudents = "event.students"
	namePreview  = "layout.preview"
)

const previewLength = 140 // characters

// parseEvent parses what a personalized event says, if it has names of single people in it.
func (p *prepared) parseEvent(ev *schoolbell.Event, said schoolbell.EventText) (err error) {
	if !ev.Personalized() {
		return nil
	}
	if personal.HasNames(said.Title) {
		if p.title, err = personal.Parse(said.Title); err != nil {
			return schoolbell.Invalid("title", "%v", err)
		}
	}
	if personal.HasNames(said.Body) {
		if p.body, err = personal.Parse(said.Body); err != nil {
			return schoolbell.Invalid("body", "%v", err)
		}
	}
	p.namesStudents = personal.NamesStudents(said.Title)
	return nil
}

// toNobody returns a text of an event without anything about single people.
func toNobody(ev *schoolbell.Event, said schoolbell.EventText, tag string) schoolbell.EventText {
	if ev.Personalized() {
		said.Title, said.Body = personal.Filled(said.Title, said.Body, tag, &schoolbell.PersonalText{})
	}
	return said
}

// without returns values without those that differ between recipients. Events that are not personalized have no students and no data.
func (p *prepared) without(values template.Lookup) template.Lookup {
	personalized := p.source.Personalized()
	return func(name string) (template.Value, bool) {
		switch {
		case p.title != nil && name == nameTitle:
			return template.Value{}, false
		case p.body != nil && (name == nameBody || name == nameSummary || name == namePreview):
			return template.Value{}, false
		case !personalized && name == nameStudents:
			return template.Value{}, true
		}
		if v, ok := values(name); ok || personalized {
			return v, ok
		}
		return personal.None(name)
	}
}

// recipient has the values that differ between recipients, for one of them.
type recipient struct {
	prepared    *prepared
	others      template.Lookup
	personal    template.Lookup
	title, body string
	block       template.Value // of the body, once it was asked for
	line        string         // of the body, once it was asked for
}

// recipientValues returns the values that differ between recipients. The error is what is wrong with the event's text.
func (p *prepared) recipientValues(to ledger.Recipient, others template.Lookup) (template.Lookup, error) {
	about := schoolbell.PersonalText{Name: to.Name}
	if to.Personal != nil {
		about.Data, about.Students = to.Personal.Data, to.Personal.Students
	}
	r := &recipient{prepared: p, others: others, personal: personal.Values(&about, p.language)}
	var err error
	if p.title != nil {
		if r.title, err = p.title.Fill(r.personal); err != nil {
			return nil, schoolbell.Invalid("title", "%v", err)
		}
	}
	if p.body != nil {
		if r.body, err = p.body.Fill(r.personal); err != nil {
			return nil, schoolbell.Invalid("body", "%v", err)
		}
	}
	return r.value, nil
}

// value is a template.Lookup.
func (r *recipient) value(name string) (template.Value, bool) {
	switch {
	case name == nameTitle && r.prepared.title != nil:
		return template.Value{Text: personal.Line(r.title)}, true
	case name == nameBody && r.prepared.body != nil:
		if r.block.Text == "" {
			r.block = block(r.body)
		}
		return r.block, true
	case name == nameSummary && r.prepared.body != nil:
		return template.Value{Text: r.bodyLine()}, true
	case name == namePreview && r.prepared.body != nil:
		return template.Value{Text: shorten(r.bodyLine(), previewLength)}, true
	case name == nameStudents:
		if r.prepared.namesStudents {
			return template.Value{}, true
		}
		v, ok := r.personal("students")
		return template.Value{Text: v.Text}, ok
	}
	if v, ok := r.personal(name); ok {
		return v, true
	}
	return r.others(name)
}

func (r *recipient) bodyLine() string {
	if r.line == "" {
		r.line = personal.Line(r.body)
	}
	return r.line
}

package site

import (
	"strings"

	"schoolbell"
)

// Fields are the fields of a form, in its order, with what people call them. What is wrong with the form as a whole comes last.
type Fields []FieldFault

// Faults is what is wrong with a form.
type Faults struct {
	Summary []FieldFault // in the order of the form
	texts   map[string]string
}

// At is what is wrong with a field; without a text if nothing is.
func (f Faults) At(field string) FieldFault {
	return FieldFault{Field: field, Text: f.texts[field]}
}

// Faults returns what an error says of a form with these fields.
func (fields Fields) Faults(err error) Faults {
	f := Faults{texts: map[string]string{}}
	for _, fault := range schoolbell.FaultsOf(err) {
		if field := fields.of(fault.Field); f.texts[field] == "" {
			f.texts[field] = Sentence(fault.Message)
		}
	}
	for _, field := range append(fields[:len(fields):len(fields)], FieldFault{Field: WholeForm}) {
		if text := f.texts[field.Field]; text != "" {
			f.Summary = append(f.Summary, FieldFault{field.Field, field.Label, text})
		}
	}
	return f
}

// of is the field of a form that shows a field of the domain: quiet_hours.from is quiet_hours_from, types[1] is types.
func (fields Fields) of(name string) string {
	if end := strings.IndexByte(name, '['); end >= 0 {
		name = name[:end]
	}
	name = strings.ReplaceAll(name, ".", "_")
	for _, f := range fields {
		if f.Field == name {
			return name
		}
	}
	return WholeForm
}

// FieldFault is what is wrong with a field.
type FieldFault struct{ Field, Label, Text string }

// WholeForm is the field of what is wrong with the form as a whole.
const WholeForm = "form"

// FaultOf is what is wrong with a form, nil if the error is of another kind. A conflict is about the field.
func FaultOf(err error, field string) error {
	switch schoolbell.CodeOf(err) {
	case schoolbell.CodeInvalid:
		return err
	case schoolbell.CodeConflict:
		return schoolbell.Invalid(field, "%s", MessageOf(err))
	}
	return nil
}

// FaultsByField returns what is wrong by field, as sentences.
func FaultsByField(err error) map[string]string {
	faults := map[string]string{}
	for _, f := range schoolbell.FaultsOf(err) {
		if faults[f.Field] == "" {
			faults[f.Field] = Sentence(f.Message)
		}
	}
	return faults
}

// Option is a choice of a form.
type Option struct {
	Value, Name string
	Current     bool
}

// Typed converts texts from one type to another. It returns a list, not nil, also of none.
func Typed[To, From ~string](from []From) []To {
	to := make([]To, 0, len(from))
	for _, f := range from {
		to = append(to, To(f))
	}
	return to
}

// MessageOf returns what an error says to people, without what led to it.
func MessageOf(err error) string {
	for _, f := range schoolbell.FaultsOf(err) {
		return f.Message
	}
	return err.Error()
}

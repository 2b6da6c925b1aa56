package templateeditor

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"schoolbell"
	"schoolbell/internal/panel/site"
	"schoolbell/internal/templates"
)

// templateForm is a template as its form has it.
type templateForm struct {
	Base                string // the version that it was made from
	Subject, HTML, Text string
	User, Event, Find   string // whom and what it is shown with
}

func readTemplateForm(form url.Values) templateForm {
	text := func(name string) string { return strings.ReplaceAll(form.Get(name), "\r\n", "\n") }
	return templateForm{Base: form.Get("base"), Subject: strings.TrimSpace(form.Get("subject")), HTML: text("html"), Text: text("text"),
		User: form.Get("user"), Event: form.Get("event"), Find: strings.TrimSpace(form.Get("find"))}
}

func formOfTemplate(t schoolbell.Template) templateForm {
	return templateForm{Base: version(t), Subject: t.Subject, HTML: t.HTML, Text: t.Text}
}

func version(t schoolbell.Template) string { return strconv.FormatInt(t.Version, 10) }

func (f templateForm) text() schoolbell.TemplateText {
	return schoolbell.TemplateText{Subject: f.Subject, HTML: f.HTML, Text: f.Text}
}

func (f templateForm) template(key schoolbell.TemplateKey) schoolbell.Template {
	return schoolbell.Template{TemplateKey: key, TemplateText: f.text()}
}

func (f templateForm) with() templates.Subject {
	return templates.Subject{Event: f.Event, User: f.User}
}

// templateField is a part of a template in its form.
type templateField struct {
	Name, Label, Value string
	Line               bool // one line
	Rows               int
	Fault              templateFault
}

// templateFault is what is wrong with a field, and the line where it is.
type templateFault struct {
	Field, Label, Text string
	Line               int    // 0 if it is not about a line
	Source             string // the line
}

// Lines of a field that are shown at once.
const (
	fewestRows = 5
	mostRows   = 22
)

// templateFields are the parts that a channel has, in the order of the form.
func templateFields(ch schoolbell.Channel, f templateForm) (fields []templateField) {
	text := templateField{Name: "text", Label: "Text", Value: f.Text, Rows: rowsOf(f.Text)}
	switch ch {
	case schoolbell.ChannelEmail:
		return []templateField{{Name: "subject", Label: "Subject", Value: f.Subject, Line: true}, {Name: "html", Label: "HTML", Value: f.HTML, Rows: rowsOf(f.HTML)}, text}
	case schoolbell.ChannelPush:
		return []templateField{{Name: "subject", Label: "Title", Value: f.Subject, Line: true}, text}
	}
	return []templateField{text}
}

func rowsOf(text string) int {
	return min(max(strings.Count(text, "\n")+2, fewestRows), mostRows)
}

// noted puts what is wrong beside the fields, and returns all of it. What is about no field of the template stands for itself.
func noted(fields []templateField, err error) (list []templateFault) {
	for _, fault := range schoolbell.FaultsOf(err) {
		f := templateFault{Field: fault.Field, Label: map[string]string{"user": "Person", "event": "Event"}[fault.Field], Text: site.Sentence(fault.Message)}
		for i := range fields {
			if fields[i].Name == f.Field {
				f.Label = fields[i].Label
				f.Line, f.Source = faultyLine(fields[i].Value, fault.Message)
				fields[i].Fault = f
			}
		}
		list = append(list, f)
	}
	return list
}

// faultyLine finds the line that a fault names.
func faultyLine(source, message string) (line int, text string) {
	if n, _ := fmt.Sscanf(message, "line %d:", &line); n == 0 {
		return 0, ""
	}
	lines := strings.Split(source, "\n")
	if line < 1 || line > len(lines) {
		return 0, ""
	}
	return line, site.Shorten(strings.TrimSpace(lines[line-1]), site.ShownLine)
}

package wire

import "schoolbell"

// TemplateText is a template as people write it.
type TemplateText struct {
	Subject string `json:"subject,omitempty" doc:"One line: the subject of emails, the title of push messages." example:"{{event.title}}"`
	HTML    string `json:"html,omitempty" doc:"Body of emails. Tags without attributes get the looks of the layout."`
	Text    string `json:"text,omitempty" doc:"Plain text of emails, or the whole text message or push message."`
}

// Template returns the template.
func (t TemplateText) Template() schoolbell.TemplateText {
	return schoolbell.TemplateText{Subject: t.Subject, HTML: t.HTML, Text: t.Text}
}

// TemplateTextOf shows t.
func TemplateTextOf(t schoolbell.TemplateText) TemplateText {
	return TemplateText{Subject: t.Subject, HTML: t.HTML, Text: t.Text}
}

// TemplateName names a template.
type TemplateName struct {
	Category  schoolbell.Category `json:"category"`
	Channel   schoolbell.Channel  `json:"channel"`
	Locale    string              `json:"locale" doc:"Language tag such as es or pt-BR."`
	Version   int64               `json:"version" doc:"Counts the versions of all templates. 0 for the standard template."`
	Reset     bool                `json:"reset,omitempty" doc:"Since this version, the standard template is used again."`
	CreatedAt Time                `json:"created_at,omitzero" doc:"When the version was stored. Missing for the standard template."`
}

// Template is a version of a template.
type Template struct {
	TemplateName
	TemplateText
}

// TemplateOf shows t.
func TemplateOf(t schoolbell.Template) Template {
	return Template{TemplateNameOf(t), TemplateTextOf(t.TemplateText)}
}

// TemplateNameOf shows t without its text.
func TemplateNameOf(t schoolbell.Template) TemplateName {
	return TemplateName{Category: t.Category, Channel: t.Channel, Locale: t.Locale, Version: t.Version, Reset: t.Reset, CreatedAt: At(t.CreatedAt)}
}

// TemplateList is every template without its text.
type TemplateList struct {
	Templates []TemplateName `json:"templates"`
}

// TemplatePage is one page of the versions of a template, newest first.
type TemplatePage struct {
	Templates []Template `json:"templates"`
	Next      string     `json:"next,omitempty" doc:"Cursor of the next page. The last page has none."`
}

// TemplatePreview asks to show a template with an event.
type TemplatePreview struct {
	TemplateText
	Event string `json:"event,omitempty" doc:"Id of the event to show. A sample if left out."`
	User  string `json:"user,omitempty" doc:"Id of the user to show it for. A sample if left out."`
}

// TemplateShown is a message made from a template.
type TemplateShown struct {
	Subject string `json:"subject,omitempty"`
	HTML    string `json:"html,omitempty"`
	Text    string `json:"text"`
}

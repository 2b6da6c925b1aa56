package schoolbell

import "time"

// TemplateKey names a template.
type TemplateKey struct {
	Category Category
	Channel  Channel
	Locale   string // BCP 47
}

// TemplateText is a template as people write it. Which fields a channel has: email all three, push Subject (its title)
// and Text, SMS Text.
type TemplateText struct {
	Subject string
	HTML    string
	Text    string
}

// Template is a version of the template of a category, a channel and a language.
type Template struct {
	TemplateKey
	TemplateText

	Version   int64 // counts the versions of all templates; 0 for the standard template
	Reset     bool  // this version goes back to the standard template, and has no text
	CreatedAt time.Time
}

// TemplateVariable is a name that people may use in a template, or a part that it may include.
type TemplateVariable struct {
	Name    string
	Write   string // how it stands in a template, with its braces
	Meaning string
	Within  string // the list within whose {{#each}} it stands; empty for everywhere
	List    bool   // it stands for a list
	Part    bool
	Value   string // in the message that is shown; empty for none
}

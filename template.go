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

package site

import (
	"net/url"

	"schoolbell"
)

// TemplatePath is the page of a template, relative to the panel.
func TemplatePath(key schoolbell.TemplateKey) string {
	return "templates/" + url.PathEscape(string(key.Category)) + "/" + url.PathEscape(string(key.Channel)) + "/" + url.PathEscape(key.Locale)
}

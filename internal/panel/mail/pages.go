// Package mail is the pages of the panel with the email that the mail catcher has taken.
package mail

import (
	"embed"
	"net/http"

	"schoolbell"
	"schoolbell/internal/embedded"
	"schoolbell/internal/panel/site"
)

//go:embed templates/*.html
var files embed.FS

var parse = site.Parser(files, nil)

// Config is what the pages need.
type Config struct {
	Catcher Catcher // nil if a mail server takes the email
}

// Catcher is the email that the mail catcher has taken instead of a mail server.
type Catcher interface {
	Accepted() int
	Messages(limit int) []embedded.CaughtMail
	Message(id string) (embedded.CaughtMail, bool)
}

// Pages are the pages of caught mail.
type Pages struct {
	site *site.Site
	cfg  Config
}

// New returns the pages.
func New(s *site.Site, cfg Config) *Pages { return &Pages{s, cfg} }

// Group lists the pages.
func (p *Pages) Group() site.Group {
	return site.Group{Routes: []site.Route{
		{Method: http.MethodGet, Path: "mail", Need: schoolbell.ScopeAdmin, Serve: p.listMail},
		{Method: http.MethodGet, Path: "mail/live", Need: schoolbell.ScopeAdmin, Serve: p.streamMail},
		{Method: http.MethodGet, Path: "mail/{id}", Need: schoolbell.ScopeAdmin, Serve: p.showMail},
		{Method: http.MethodGet, Path: "mail/{id}/html", Need: schoolbell.ScopeAdmin, Serve: p.showMailHTML},
	}}
}

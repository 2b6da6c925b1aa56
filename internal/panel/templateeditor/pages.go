// Package templateeditor is the pages of the panel on which the templates of messages are edited, compared and tested.
package templateeditor

import (
	"context"
	"embed"
	"net/http"

	"schoolbell"
	"schoolbell/internal/panel/site"
	"schoolbell/internal/templates"
)

//go:embed templates/*.html
var files embed.FS

var parse = site.Parser(files, nil)

// Config is what the pages need.
type Config struct {
	Templates  Templates
	Categories site.Categories
	Directory  Directory
	People     People
	Events     Events
	Settings   func() schoolbell.SchoolSettings // of the school, as they are now
}

// Templates are the templates of messages.
type Templates interface {
	Key(ctx context.Context, category schoolbell.Category, channel schoolbell.Channel, locale string) (schoolbell.TemplateKey, error)
	List(ctx context.Context) ([]schoolbell.Template, error)
	Get(ctx context.Context, key schoolbell.TemplateKey) (schoolbell.Template, error)
	Versions(ctx context.Context, key schoolbell.TemplateKey, before int64, limit int) ([]schoolbell.Template, error)
	Put(ctx context.Context, key schoolbell.TemplateKey, text schoolbell.TemplateText) (schoolbell.Template, error)
	Reset(ctx context.Context, key schoolbell.TemplateKey) error
	Show(ctx context.Context, t schoolbell.Template, with templates.Subject) (schoolbell.Message, error)
	Variables(ctx context.Context, key schoolbell.TemplateKey, with templates.Subject) []schoolbell.TemplateVariable
	Emails() *templates.Emails
	Test(ctx context.Context, t schoolbell.Template, with templates.Subject, name, address string) (schoolbell.Result, error)
}

// Directory finds people to whom a template is shown.
type Directory interface {
	Find(ctx context.Context, f schoolbell.UserFilter, after schoolbell.UserPlace, limit int) ([]*schoolbell.User, error)
}

// People has the people to whom a template is shown.
type People interface {
	User(ctx context.Context, id string) (*schoolbell.User, error)
}

// Events are those with which a template is shown.
type Events interface {
	Events(ctx context.Context, f schoolbell.EventFilter, before string, limit int) ([]*schoolbell.Event, error)
}

// Pages are the pages of templates.
type Pages struct {
	site *site.Site
	cfg  Config
}

// New returns the pages. All fields of cfg are required.
func New(s *site.Site, cfg Config) *Pages { return &Pages{s, cfg} }

// Group lists the pages.
func (p *Pages) Group() site.Group {
	return site.Group{Routes: []site.Route{
		{Method: http.MethodGet, Path: "templates", Need: schoolbell.ScopeAdmin, Serve: p.listTemplates},
		{Method: http.MethodGet, Path: "templates/open", Need: schoolbell.ScopeAdmin, Serve: p.openTemplate},
		{Method: http.MethodGet, Path: "templates/{category}/{channel}/{locale}", Need: schoolbell.ScopeAdmin, Serve: p.showTemplate},
		{Method: http.MethodGet, Path: "templates/{category}/{channel}/{locale}/compare", Need: schoolbell.ScopeAdmin, Serve: p.compareTemplate},
		{Method: http.MethodPost, Path: "templates/{category}/{channel}/{locale}", Need: schoolbell.ScopeAdmin, Action: "template.put", Serve: p.saveTemplate},
		{Method: http.MethodPost, Path: "templates/{category}/{channel}/{locale}/preview", Need: schoolbell.ScopeAdmin, Reads: true, Serve: p.previewTemplate},
		{Method: http.MethodGet, Path: "templates/{category}/{channel}/{locale}/frame", Need: schoolbell.ScopeAdmin, Serve: p.frameTemplate},
		{Method: http.MethodPost, Path: "templates/{category}/{channel}/{locale}/frame", Need: schoolbell.ScopeAdmin, Reads: true, Serve: p.frameTemplate},
		{Method: http.MethodPost, Path: "templates/{category}/{channel}/{locale}/test", Need: schoolbell.ScopeAdmin, Action: "template.test", Serve: p.testTemplate},
		{Method: http.MethodPost, Path: "templates/{category}/{channel}/{locale}/restore", Need: schoolbell.ScopeAdmin, Action: "template.put", Serve: p.restoreTemplate},
		{Method: http.MethodGet, Path: "templates/{category}/{channel}/{locale}/reset", Need: schoolbell.ScopeAdmin, Serve: p.askResetTemplate},
		{Method: http.MethodPost, Path: "templates/{category}/{channel}/{locale}/reset", Need: schoolbell.ScopeAdmin, Action: "template.reset", Serve: p.resetTemplate},
	}, Notices: map[string]string{
		"stored":    "A new version is stored. Events that start more than three seconds from now use it.",
		"standard":  "The standard template is used for events that start more than three seconds from now.",
		"unchanged": "Nothing was stored: the text is as it was.",
	}}
}

// Package audit is the page of the panel with the audit.
package audit

import (
	"context"
	"embed"
	"net/http"

	"schoolbell"
	"schoolbell/internal/panel/site"
)

//go:embed templates/*.html
var files embed.FS

var parse = site.Parser(files, nil)

// Config is what the page needs.
type Config struct {
	Audit Store
}

// Store has the entries of the audit.
type Store interface {
	AuditEntries(ctx context.Context, f schoolbell.AuditFilter, before string, limit int) ([]schoolbell.AuditEntry, error)
}

// Pages are the page of the audit.
type Pages struct {
	site *site.Site
	cfg  Config
}

// New returns the page. All fields of cfg are required.
func New(s *site.Site, cfg Config) *Pages { return &Pages{s, cfg} }

// Group lists the page.
func (p *Pages) Group() site.Group {
	return site.Group{Routes: []site.Route{
		{Method: http.MethodGet, Path: "audit", Need: schoolbell.ScopeAdmin, Serve: p.listAudit},
	}}
}

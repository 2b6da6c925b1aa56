// Package accounts is the pages of the panel about the accounts of the staff. The pages on which people sign in are in package panel.
package accounts

import (
	"context"
	"embed"
	"net/http"
	"time"

	"schoolbell"
	"schoolbell/internal/panel/site"
)

//go:embed templates/*.html
var files embed.FS

var parse = site.Parser(files, nil)

// Config is what the pages need.
type Config struct {
	Staff  Staff
	Groups site.Groups
	SignOn *SignOn // nil if people sign in with passwords only
}

// Staff are the accounts.
type Staff interface {
	Accounts(ctx context.Context) ([]schoolbell.StaffAccount, error)
	Account(ctx context.Context, id string) (schoolbell.StaffAccount, error)
	Add(ctx context.Context, a schoolbell.StaffAccount) (added schoolbell.StaffAccount, link string, err error)
	Change(ctx context.Context, a schoolbell.StaffAccount) error
	Remove(ctx context.Context, id string) error
	PasswordLink(ctx context.Context, account string) (secret string, err error)
}

// SignOn is the identity provider at which people sign in.
type SignOn struct {
	Name       string
	Issuer     string
	Identities Identities
}

// Identities knows which accounts are linked to an identity.
type Identities interface {
	Of(ctx context.Context, account, issuer string) (time.Time, error)
	Unlink(ctx context.Context, account string) error
}

// Pages are the pages of accounts.
type Pages struct {
	site *site.Site
	cfg  Config
}

// New returns the pages. Staff and Groups of cfg are required.
func New(s *site.Site, cfg Config) *Pages { return &Pages{s, cfg} }

// Group lists the pages.
func (p *Pages) Group() site.Group {
	return site.Group{Routes: []site.Route{
		{Method: http.MethodGet, Path: "staff", Need: schoolbell.ScopeAdmin, Serve: p.listStaff},
		{Method: http.MethodPost, Path: "staff", Need: schoolbell.ScopeAdmin, Action: "staff.add", Serve: p.addStaff},
		{Method: http.MethodGet, Path: "staff/{id}", Need: schoolbell.ScopeAdmin, Serve: p.editStaff},
		{Method: http.MethodPost, Path: "staff/{id}", Need: schoolbell.ScopeAdmin, Action: "staff.change", Serve: p.changeStaff},
		{Method: http.MethodPost, Path: "staff/{id}/link", Need: schoolbell.ScopeAdmin, Action: "staff.link", Serve: p.linkStaff},
		{Method: http.MethodGet, Path: "staff/{id}/unlink", Need: schoolbell.ScopeAdmin, Serve: p.askUnlinkStaff},
		{Method: http.MethodPost, Path: "staff/{id}/unlink", Need: schoolbell.ScopeAdmin, Action: "staff.unlink", Serve: p.unlinkStaff},
		{Method: http.MethodGet, Path: "staff/{id}/remove", Need: schoolbell.ScopeAdmin, Serve: p.askRemoveStaff},
		{Method: http.MethodPost, Path: "staff/{id}/remove", Need: schoolbell.ScopeAdmin, Action: "staff.remove", Serve: p.removeStaff},
	}, Notices: map[string]string{
		"unlinked": "The account is not linked any more, and its owner is signed out.",
		"removed":  "The account is removed, and its owner is signed out.",
	}}
}

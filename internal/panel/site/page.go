package site

import (
	"bytes"
	"fmt"
	"net/http"

	"schoolbell"
)

// Page is what the templates see.
type Page struct {
	Root   string // relative URL of the panel
	School string
	Title  string
	Crumbs []Crumb
	Nav    []NavGroup
	Path   string // of the navigation item where the page is
	Me     me
	May    func(need schoolbell.Scope) bool
	Urgent bool   // the account may send urgent events
	Chart  bool   // the page has a chart
	Live   string // URL of the stream that updates parts of the page; empty for none
	Notice string // what has just been done
	Health Health // of what the server runs on
	View   any

	Outages     []Outage // of what the server runs on
	ShowOutages bool     // the page says what follows from them
}

// Crumb names a page above the page, and its path in the panel.
type Crumb struct{ Name, Path string }

// me is who has signed in.
type me struct{ Name, Email, Initials, Role string }

func meOf(a schoolbell.StaffAccount) me {
	return me{Name: a.Name, Email: a.Email, Initials: Initials(a.Name), Role: string(a.Role)}
}

// Spec is what a handler says of its page.
type Spec struct {
	Title   string
	Path    string // of the navigation item
	Crumbs  []Crumb
	Live    string // URL of the stream that updates parts of the page; empty for none
	Chart   bool   // the page has a chart
	Outages bool   // the page says what follows from outages
	Status  int    // of the answer; 0 means 200
}

// Write answers with a page inside the sidebar.
func (s *Site) Write(c *Call, t *Template, spec Spec, view any) error {
	p := s.NewPage(c, spec.Title, view)
	p.Crumbs, p.Path, p.Live, p.Chart, p.Nav = spec.Crumbs, spec.Path, spec.Live, spec.Chart, s.NavigationOf(c)
	p.Notice, p.ShowOutages = s.notices[c.R.URL.Query().Get("done")], spec.Outages
	p.Health, p.Outages = s.health(c.Ctx())
	return s.Render(c, orOK(spec.Status), t, "layout.html", p)
}

// WriteSolo answers with a page of its own, as that for signing in.
func (s *Site) WriteSolo(c *Call, status int, t *Template, title string, view any) error {
	return s.Render(c, status, t, "solo", s.NewPage(c, title, view))
}

// NewPage is what templates see of a page without the sidebar, or of a part of a page.
func (s *Site) NewPage(c *Call, title string, view any) Page {
	return Page{Root: c.Root(), School: s.cfg.Settings().Name, Title: title, Me: meOf(c.Account), May: c.May, Urgent: c.Account.MayUrgent(), View: view}
}

func orOK(status int) int {
	if status == 0 {
		return http.StatusOK
	}
	return status
}

// NavigationOf is what the sidebar offers to an account.
func (s *Site) NavigationOf(c *Call) (groups []NavGroup) {
	for _, g := range s.cfg.Navigation {
		shown := NavGroup{Label: g.Label, Shown: g.Shown}
		for _, item := range g.Items {
			if item.Need == "" || c.May(item.Need) {
				shown.Items = append(shown.Items, item)
			}
		}
		if len(shown.Items) > 0 {
			groups = append(groups, shown)
		}
	}
	return groups
}

// Render answers with a template. Nothing is sent of a page that cannot be made.
func (s *Site) Render(c *Call, status int, t *Template, name string, p Page) error {
	var body bytes.Buffer
	if err := t.ExecuteTemplate(&body, name, p); err != nil {
		return fmt.Errorf("make a page: %w", err)
	}
	c.W.Header().Set("Content-Type", "text/html; charset=utf-8")
	c.W.WriteHeader(status)
	_, _ = c.W.Write(body.Bytes()) // the client may have gone
	return nil
}

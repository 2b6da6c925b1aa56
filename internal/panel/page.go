package panel

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"unicode"

	"schoolbell"
	"schoolbell/internal/web"
)

//go:embed templates/*.html
var templateFiles embed.FS

// policy allows pages their own files, and nothing inline.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// secure sets what browsers need to know of every answer of the panel.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Robots-Tag", "noindex")
}

// page is what the templates see.
type page struct {
	Root   string // relative URL of the panel
	School string
	Title  string
	Crumbs []crumb
	Nav    []navGroup
	Path   string // of the navigation item where the page is
	Me     me
	May    func(need schoolbell.Scope) bool
	Urgent bool   // the account may send urgent events
	Live   string // URL of the stream that updates parts of the page; empty for none
	Notice string // what has just been done
	View   any
}

// crumb is a page above the page.
type crumb struct{ Name, Path string }

// me is who has signed in.
type me struct{ Name, Email, Initials, Role string }

func meOf(a schoolbell.StaffAccount) me {
	return me{Name: a.Name, Email: a.Email, Initials: initials(a.Name), Role: string(a.Role)}
}

// initials are the first letters of the first and the last word of a name.
func initials(name string) string {
	words := strings.Fields(name)
	if len(words) > 2 {
		words = []string{words[0], words[len(words)-1]}
	}
	var b strings.Builder
	for _, w := range words {
		for _, r := range w {
			if unicode.IsLetter(r) || unicode.IsDigit(r) {
				b.WriteRune(unicode.ToUpper(r))
				break
			}
		}
	}
	return b.String()
}

// functions are what templates may call.
var functions = template.FuncMap{
	"icon":   web.Icon,
	"asset":  web.Asset,
	"number": number,
	"scope":  func(s string) schoolbell.Scope { return schoolbell.Scope(s) },
	"status": statusWord,
	"lower":  strings.ToLower,
}

// parse reads the template of a page and the parts that pages share. The layout surrounds it.
func parse(names ...string) *template.Template {
	files := []string{"templates/layout.html", "templates/parts.html"}
	for _, n := range names {
		files = append(files, "templates/"+n)
	}
	return template.Must(template.New("layout.html").Funcs(functions).ParseFS(templateFiles, files...))
}

// pageSpec is what a handler says of its page.
type pageSpec struct {
	title  string
	path   string // of the navigation item
	crumbs []crumb
	live   string
	status int // 0 means 200
}

// write answers with a page inside the sidebar.
func (s *Server) write(c *call, t *template.Template, spec pageSpec, view any) error {
	p := s.newPage(c, spec.title, view)
	p.Crumbs, p.Path, p.Live, p.Nav = spec.crumbs, spec.path, spec.live, navigationOf(c)
	p.Notice = notices[c.r.URL.Query().Get("done")]
	return s.render(c, orOK(spec.status), t, "layout.html", p)
}

// writeSolo answers with a page of its own, as that for signing in.
func (s *Server) writeSolo(c *call, status int, t *template.Template, title string, view any) error {
	return s.render(c, status, t, "solo", s.newPage(c, title, view))
}

func (s *Server) newPage(c *call, title string, view any) page {
	return page{Root: c.root(), School: s.cfg.Settings().Name, Title: title, Me: meOf(c.account), May: c.may, Urgent: c.account.MayUrgent(), View: view}
}

func orOK(status int) int {
	if status == 0 {
		return http.StatusOK
	}
	return status
}

// navigationOf is what the sidebar offers to an account.
func navigationOf(c *call) (groups []navGroup) {
	for _, g := range navigation {
		shown := navGroup{Label: g.Label, Shown: g.Shown}
		for _, item := range g.Items {
			if item.need == "" || c.may(item.need) {
				shown.Items = append(shown.Items, item)
			}
		}
		if len(shown.Items) > 0 {
			groups = append(groups, shown)
		}
	}
	return groups
}

// render answers with a template. Nothing is sent of a page that cannot be made.
func (s *Server) render(c *call, status int, t *template.Template, name string, p page) error {
	var body bytes.Buffer
	if err := t.ExecuteTemplate(&body, name, p); err != nil {
		return fmt.Errorf("make a page: %w", err)
	}
	c.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	c.w.WriteHeader(status)
	_, _ = c.w.Write(body.Bytes()) // the client may have gone
	return nil
}

// notices are what a page says after a form was carried out, by the value of ?done.
var notices = map[string]string{
	"created":   "The event is created.",
	"cancelled": "The event is cancelled. What was not sent by now is not sent any more.",
	"told":      "The event is cancelled, and those who had it are told.",
	"retried":   "The failed deliveries are being sent again.",
	"released":  "The event is released and is being sent.",
	"saved":     "Saved.",
	"removed":   "The account is removed, and its owner is signed out.",
}

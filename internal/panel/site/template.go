package site

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"strings"
	"sync"

	"schoolbell"
	"schoolbell/internal/web"
)

//go:embed templates/*.html
var frameFiles embed.FS

// functions are what templates may call.
var functions = template.FuncMap{
	"icon":   web.Icon,
	"asset":  web.Asset,
	"number": Number,
	"scope":  func(s string) schoolbell.Scope { return schoolbell.Scope(s) },
	"status": StatusWord,
	"lower":  strings.ToLower,
	"upper":  capital,
}

// Template is the template of a page with all that it includes. It is parsed when the page is made first: commands make
// none, and most servers few. It is safe for concurrent use.
type Template struct {
	parsed func() (*template.Template, error)
}

// ExecuteTemplate writes the part of the page that has a name.
func (t *Template) ExecuteTemplate(w io.Writer, name string, data any) error {
	parsed, err := t.parsed()
	if err != nil {
		return err
	}
	return parsed.ExecuteTemplate(w, name, data)
}

// pages are the templates of the program, in the order of their declaration.
var pages []*Template

// CheckTemplates parses the templates of all pages, so that a test finds those that are wrong.
func CheckTemplates() error {
	for _, t := range pages {
		if _, err := t.parsed(); err != nil {
			return err
		}
	}
	return nil
}

// Parser returns a function that declares the template of a page, together with the templates that it includes. They are in the
// folder templates of files, and may call more functions than those of all pages. The layout surrounds them, and they may use the
// parts of pages that are in site's own templates. Templates are declared while packages are initialized, not later.
func Parser(files fs.FS, more template.FuncMap) func(names ...string) *Template {
	frame := sync.OnceValues(func() (*template.Template, error) {
		return template.New("layout.html").Funcs(functions).Funcs(more).ParseFS(frameFiles, "templates/layout.html", "templates/parts.html")
	})
	return func(names ...string) *Template {
		t := &Template{parsed: sync.OnceValues(func() (*template.Template, error) { return parse(frame, files, names) })}
		pages = append(pages, t)
		return t
	}
}

func parse(frame func() (*template.Template, error), files fs.FS, names []string) (*template.Template, error) {
	t, err := frame()
	if err == nil {
		t, err = t.Clone()
	}
	if err != nil {
		return nil, fmt.Errorf("parse the layout of pages: %w", err)
	}
	paths := make([]string, len(names))
	for i, n := range names {
		paths[i] = "templates/" + n
	}
	if t, err = t.ParseFS(files, paths...); err != nil {
		return nil, fmt.Errorf("parse a page: %w", err)
	}
	return t, nil
}

package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"unicode"
)

//go:embed templates/*.html
var templateFiles embed.FS

// policy allows pages their own stylesheet, images and forms, and nothing else.
const policy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Frame is what all pages of one request share.
type Frame struct {
	Words  *Words // of the page itself, in the language of its reader
	School string // name of the school
	Root   string // relative URL of the root of the server, such as ../
}

// page is what the templates see.
type page struct {
	Frame
	Title   string
	Content any
}

// Crest is the first letter of the school's name.
func (f Frame) Crest() string {
	for _, r := range f.School {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return strings.ToUpper(string(r))
		}
	}
	return "S"
}

// Asset returns the URL of a static file.
func (f Frame) Asset(name string) (string, error) {
	path, err := Asset(name)
	return f.Root + path, err
}

// Asset returns the URL of a static file, relative to the root of the server.
func Asset(name string) (string, error) {
	a, ok := assets()[name]
	if !ok {
		return "", fmt.Errorf("there is no static file %s", name)
	}
	return "static/" + a.name, nil
}

// parse reads the template of a page, which the layout surrounds.
func parse(name string) *template.Template {
	return template.Must(template.New("layout.html").Funcs(template.FuncMap{"icon": Icon}).
		ParseFS(templateFiles, "templates/layout.html", "templates/"+name))
}

// write answers with a page. Nothing is sent of a page that cannot be made.
func (f Frame) write(w http.ResponseWriter, status int, t *template.Template, title string, content any) error {
	var body bytes.Buffer
	if err := t.Execute(&body, page{Frame: f, Title: title, Content: content}); err != nil {
		return fmt.Errorf("make a page: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("Content-Language", f.Words.Tag())
	h.Set("Vary", "Accept-Language")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Robots-Tag", "noindex")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the client may have gone
	return nil
}

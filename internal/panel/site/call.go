package site

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"schoolbell"
)

// maxForm is how many bytes a form may have.
const maxForm = 8 << 20

// Call is one request and who makes it.
type Call struct {
	W       http.ResponseWriter
	R       *http.Request
	Account schoolbell.StaffAccount // the zero account if nobody has signed in
	Session string                  // secret of the browser's cookie; empty if there is none
	Form    url.Values              // of a POST, unless the route reads an upload
	route   Route
}

// Ctx is the context of the request, with the principal and the change.
func (c *Call) Ctx() context.Context { return c.R.Context() }

// May reports whether the account may use what needs a scope.
func (c *Call) May(need schoolbell.Scope) bool { return c.Account.Role.Scope().Allows(need) }

// Root is the relative URL of the panel, seen from the page.
func (c *Call) Root() string {
	return rootSeenFrom(strings.TrimPrefix(c.R.URL.Path, Root))
}

// ShownRoot is the same, seen from the page that is open and asks for a part of itself.
func (c *Call) ShownRoot() string {
	open, err := url.Parse(c.R.Header.Get("HX-Current-URL"))
	if err != nil {
		return c.Root()
	}
	_, path, inside := strings.Cut(open.Path, Root)
	if !inside {
		return c.Root()
	}
	return rootSeenFrom(path)
}

// rootSeenFrom is the relative URL of the panel, seen from a path in it.
func rootSeenFrom(path string) string {
	depth := strings.Count(path, "/")
	if depth == 0 {
		return "./"
	}
	return strings.Repeat("../", depth)
}

// Redirect answers a form: the browser goes to a page of the panel.
func (c *Call) Redirect(path string) error {
	c.W.Header().Set("Location", c.Root()+path)
	c.W.WriteHeader(http.StatusSeeOther)
	return nil
}

func (c *Call) readForm() error {
	c.R.Body = http.MaxBytesReader(c.W, c.R.Body, maxForm)
	if err := c.R.ParseForm(); err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return &schoolbell.Error{Code: schoolbell.CodeTooLarge, Message: "the form is too large"}
		}
		return schoolbell.Invalid("form", "cannot be read")
	}
	c.Form = c.R.PostForm
	return nil
}

// NextPage returns the page of the panel that next names, "" if it names something else: nobody can make a link here that
// leads to another site.
func NextPage(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || strings.HasPrefix(next, "/") || strings.Contains(next, "\\") || strings.Contains(u.Path, "..") ||
		strings.Contains(u.Path, ":") || strings.ContainsFunc(next, func(r rune) bool { return r <= ' ' }) {
		return ""
	}
	return u.String()
}

// pageOf is the page that follows a stream: the browser names it, and if it does not, it is the one of which the stream is a part.
func pageOf(c *Call) string {
	if u, err := url.Parse(c.R.Referer()); err == nil {
		if path, ok := strings.CutPrefix(u.RequestURI(), Root); ok {
			return NextPage(path)
		}
	}
	path := strings.TrimSuffix(strings.TrimPrefix(c.R.URL.EscapedPath(), Root), "live")
	return NextPage(strings.TrimSuffix(path, "/"))
}

// rootOfPage is the relative URL of the panel, seen from the page that follows a stream.
func rootOfPage(c *Call) string {
	file, _, _ := strings.Cut(pageOf(c), "?")
	return rootSeenFrom(file)
}

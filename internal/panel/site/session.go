package site

import (
	"net/http"
	"strings"
	"time"
)

// SessionCookie is the cookie with the session. Over TLS, cookies have a prefix with which browsers accept them from this host only.
const (
	SessionCookie = "schoolbell-session"
	hostPrefix    = "__Host-"
)

// encrypted reports whether browsers see the server over TLS.
func (s *Site) encrypted(r *http.Request) bool {
	return r.TLS != nil || strings.HasPrefix(s.cfg.PublicURL, "https://")
}

func (s *Site) cookieName(r *http.Request, name string) string {
	if s.encrypted(r) {
		return hostPrefix + name
	}
	return name
}

// Cookie returns the value of a cookie, "" if the browser has none.
func (s *Site) Cookie(r *http.Request, name string) string {
	c, err := r.Cookie(s.cookieName(r, name))
	if err != nil {
		return ""
	}
	return c.Value
}

func (s *Site) sessionOf(r *http.Request) string { return s.Cookie(r, SessionCookie) }

// SetCookie sets a cookie that scripts cannot read; an empty value removes it.
func (s *Site) SetCookie(c *Call, name, value string, lasts time.Duration) {
	cookie := &http.Cookie{Name: s.cookieName(c.R, name), Value: value, Path: "/", HttpOnly: true, Secure: s.encrypted(c.R), SameSite: http.SameSiteLaxMode}
	switch {
	case value == "":
		cookie.MaxAge = -1
	case lasts > 0:
		cookie.MaxAge = int(lasts / time.Second)
	}
	http.SetCookie(c.W, cookie)
}

package panel

import (
	"net/http"
	"strings"
	"time"
)

// Names of the cookies. Over TLS they have a prefix with which browsers accept them from this host only.
const (
	sessionCookie = "schoolbell-session"
	deviceCookie  = "schoolbell-device"
	hostPrefix    = "__Host-"

	deviceDays = 365 * 24 * time.Hour
)

// encrypted reports whether browsers see the server over TLS.
func (s *Server) encrypted(r *http.Request) bool {
	return r.TLS != nil || strings.HasPrefix(s.cfg.PublicURL, "https://")
}

func (s *Server) cookieName(r *http.Request, name string) string {
	if s.encrypted(r) {
		return hostPrefix + name
	}
	return name
}

func (s *Server) cookie(r *http.Request, name string) string {
	c, err := r.Cookie(s.cookieName(r, name))
	if err != nil {
		return ""
	}
	return c.Value
}

func (s *Server) sessionOf(r *http.Request) string { return s.cookie(r, sessionCookie) }

// setCookie sets a cookie that scripts cannot read; an empty value removes it.
func (s *Server) setCookie(c *call, name, value string, lasts time.Duration) {
	cookie := &http.Cookie{Name: s.cookieName(c.r, name), Value: value, Path: "/", HttpOnly: true, Secure: s.encrypted(c.r), SameSite: http.SameSiteLaxMode}
	switch {
	case value == "":
		cookie.MaxAge = -1
	case lasts > 0:
		cookie.MaxAge = int(lasts / time.Second)
	}
	http.SetCookie(c.w, cookie)
}

// startSession makes the browser that of an account.
func (s *Server) startSession(c *call, account, secret string) {
	s.setCookie(c, sessionCookie, secret, 0)
	s.setCookie(c, deviceCookie, s.cfg.Staff.DeviceToken(account), deviceDays)
}

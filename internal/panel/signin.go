package panel

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"schoolbell"
	"schoolbell/internal/staff"
)

var signInPage = parse("sign-in.html")

// signInView is the form with which people sign in.
type signInView struct {
	Email string
	Next  string // page of the panel to which to go afterwards
	Fault string
	Ended bool // the session has ended
}

func (s *Server) showSignIn(c *call) error {
	if _, err := s.cfg.Staff.Session(c.ctx(), c.session); err == nil {
		return c.redirect(nextPage(c.r.URL.Query().Get("next")))
	}
	v := signInView{Next: nextPage(c.r.URL.Query().Get("next")), Ended: c.r.URL.Query().Has("ended")}
	return s.writeSolo(c, http.StatusOK, signInPage, "Sign in", v)
}

func (s *Server) signIn(c *call) error {
	v := signInView{Email: c.form.Get("email"), Next: nextPage(c.form.Get("next"))}
	visitor := staff.Visitor{Address: s.cfg.Address(c.r), Known: s.cfg.Staff.DeviceAccount(s.cookie(c.r, deviceCookie))}
	a, secret, err := s.cfg.Staff.SignIn(c.ctx(), v.Email, c.form.Get("password"), visitor)
	wait, limited := errors.AsType[*staff.Wait](err)
	switch {
	case limited:
		v.Fault = "There were too many attempts. Sign-in for this address rests for " + roughly(wait.For) + "."
		c.w.Header().Set("Retry-After", seconds(wait.For))
		return s.writeSolo(c, http.StatusTooManyRequests, signInPage, "Sign in", v)
	case schoolbell.CodeOf(err) == schoolbell.CodeUnauthorized:
		v.Fault = "Email address or password is wrong."
		return s.writeSolo(c, http.StatusUnprocessableEntity, signInPage, "Sign in", v)
	case err != nil:
		return err
	}
	s.endSession(c) // of the person who has used this browser before
	s.startSession(c, a.ID, secret)
	return c.redirect(v.Next)
}

// endSession ends the session of the browser, if there is one. One that the ledger cannot end now ends when it is too old.
func (s *Server) endSession(c *call) {
	if c.session == "" {
		return
	}
	if err := s.cfg.Staff.SignOut(c.ctx(), c.session); err != nil {
		s.log.WarnContext(c.ctx(), "a session could not be ended", "error", err)
	}
}

// nextPage returns the page of the panel that next names, "" if it names something else: nobody can make a link here that
// leads to another site.
func nextPage(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || strings.HasPrefix(next, "/") || strings.Contains(next, "\\") || strings.Contains(u.Path, "..") ||
		strings.Contains(u.Path, ":") || strings.ContainsFunc(next, func(r rune) bool { return r <= ' ' }) {
		return ""
	}
	return u.String()
}

func (s *Server) signOut(c *call) error {
	if err := s.cfg.Staff.SignOut(c.ctx(), c.session); err != nil {
		return err
	}
	s.setCookie(c, sessionCookie, "", 0)
	return c.redirect("sign-in")
}

func (s *Server) signOutEverywhere(c *call) error {
	if err := s.cfg.Staff.SignOutEverywhere(c.ctx(), c.account.ID); err != nil {
		return err
	}
	s.setCookie(c, sessionCookie, "", 0)
	return c.redirect("sign-in")
}

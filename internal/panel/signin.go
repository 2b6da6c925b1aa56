package panel

import (
	"errors"
	"net/http"
	"time"

	"schoolbell"
	"schoolbell/internal/panel/site"
	"schoolbell/internal/staff"
)

const (
	deviceCookie  = "schoolbell-device"
	deviceDays    = 365 * 24 * time.Hour
	attemptCookie = "schoolbell-attempt" // of somebody who is at the identity provider
)

var signInPage = parse("sign-in.html")

// signInView is the form with which people sign in.
type signInView struct {
	Email string
	Next  string // page of the panel to which to go afterwards
	Fault string
	Ended bool // the session has ended

	With     string // name of the identity provider, empty if there is none
	StartURL string // at which sign-in there begins
}

func (s *Server) showSignIn(c *site.Call) error {
	if _, err := s.cfg.Staff.Session(c.Ctx(), c.Session); err == nil {
		return c.Redirect(site.NextPage(c.R.URL.Query().Get("next")))
	}
	v := signInView{Next: site.NextPage(c.R.URL.Query().Get("next")), Ended: c.R.URL.Query().Has("ended")}
	return s.writeSignIn(c, http.StatusOK, v)
}

func (s *Server) writeSignIn(c *site.Call, status int, v signInView) error {
	if on := s.cfg.SignOn; on != nil {
		v.With, v.StartURL = on.Name, s.startURL(v.Next)
	}
	return s.site.WriteSolo(c, status, signInPage, "Sign in", v)
}

func (s *Server) signIn(c *site.Call) error {
	v := signInView{Email: c.Form.Get("email"), Next: site.NextPage(c.Form.Get("next"))}
	visitor := staff.Visitor{Address: s.site.Address(c.R), Known: s.cfg.Staff.DeviceAccount(s.site.Cookie(c.R, deviceCookie))}
	a, secret, err := s.cfg.Staff.SignIn(c.Ctx(), v.Email, c.Form.Get("password"), visitor)
	wait, limited := errors.AsType[*staff.Wait](err)
	switch {
	case limited:
		v.Fault = "There were too many attempts for this address. Try again in " + site.Roughly(wait.For) + "."
		c.W.Header().Set("Retry-After", site.Seconds(wait.For))
		return s.writeSignIn(c, http.StatusTooManyRequests, v)
	case schoolbell.CodeOf(err) == schoolbell.CodeUnauthorized:
		v.Fault = "Email address or password is wrong."
		return s.writeSignIn(c, http.StatusUnprocessableEntity, v)
	case err != nil:
		return err
	}
	s.endSession(c) // of the person who has used this browser before
	s.startSession(c, a.ID, secret)
	return c.Redirect(v.Next)
}

// endSession ends the session of the browser, if there is one. One that the ledger cannot end now ends when it is too old.
func (s *Server) endSession(c *site.Call) {
	if c.Session == "" {
		return
	}
	if err := s.cfg.Staff.SignOut(c.Ctx(), c.Session); err != nil {
		s.site.Log.WarnContext(c.Ctx(), "a session could not be ended", "error", err)
	}
}

func (s *Server) signOut(c *site.Call) error {
	if err := s.cfg.Staff.SignOut(c.Ctx(), c.Session); err != nil {
		return err
	}
	s.site.SetCookie(c, site.SessionCookie, "", 0)
	return c.Redirect("sign-in")
}

func (s *Server) signOutEverywhere(c *site.Call) error {
	if err := s.cfg.Staff.SignOutEverywhere(c.Ctx(), c.Account.ID); err != nil {
		return err
	}
	s.site.SetCookie(c, site.SessionCookie, "", 0)
	return c.Redirect("sign-in")
}

// startSession makes the browser that of an account.
func (s *Server) startSession(c *site.Call, account, secret string) {
	s.site.SetCookie(c, site.SessionCookie, secret, 0)
	s.site.SetCookie(c, deviceCookie, s.cfg.Staff.DeviceToken(account), deviceDays)
}

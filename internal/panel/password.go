package panel

import (
	"net/http"

	"schoolbell"
	"schoolbell/internal/panel/site"
)

var passwordPage = parse("password.html")

// passwordView is the form with which people choose a password.
type passwordView struct {
	First       bool // it makes the first account
	Email, Name string
	Faults      map[string]string // by field
}

func (s *Server) showPassword(c *site.Call) error {
	a, err := s.cfg.Staff.LinkAccount(c.Ctx(), c.R.PathValue("secret"))
	if schoolbell.CodeOf(err) == schoolbell.CodeNotFound {
		return s.usedLink(c)
	}
	if err != nil {
		return err
	}
	return s.site.WriteSolo(c, http.StatusOK, passwordPage, "Choose a password", passwordView{First: a.ID == "", Email: a.Email, Name: a.Name})
}

func (s *Server) putPassword(c *site.Call) error {
	secret := c.R.PathValue("secret")
	owner, err := s.cfg.Staff.LinkAccount(c.Ctx(), secret)
	if schoolbell.CodeOf(err) == schoolbell.CodeNotFound {
		return s.usedLink(c)
	}
	if err != nil {
		return err
	}
	v := passwordView{First: owner.ID == "", Email: owner.Email, Name: owner.Name}
	if v.First {
		v.Email, v.Name = c.Form.Get("email"), c.Form.Get("name")
	}
	password := c.Form.Get("password")
	var a schoolbell.StaffAccount
	if password != c.Form.Get("again") {
		err = schoolbell.Invalid("again", "is not the same as the password")
	} else {
		a, err = s.cfg.Staff.UseLink(c.Ctx(), secret, password, schoolbell.StaffAccount{Email: v.Email, Name: v.Name})
	}
	switch schoolbell.CodeOf(err) {
	case "":
	case schoolbell.CodeInvalid:
		v.Faults = site.FaultsByField(err)
		return s.site.WriteSolo(c, http.StatusUnprocessableEntity, passwordPage, "Choose a password", v)
	case schoolbell.CodeNotFound, schoolbell.CodeConflict:
		return s.usedLink(c)
	default:
		return err
	}
	session, err := s.cfg.Staff.Begin(c.Ctx(), a.ID)
	if err != nil {
		return err
	}
	s.startSession(c, a.ID, session)
	return c.Redirect("")
}

// usedLink answers a link that is not good any more.
func (s *Server) usedLink(c *site.Call) error {
	return s.site.WriteProblem(c, http.StatusNotFound, site.ProblemView{Title: "This link is not good any more",
		Text: "It was used, replaced by a newer one, or has expired. An admin of your school can make a new one under Staff.", Link: "sign-in", LinkName: "Sign in"})
}

package panel

import (
	"net/http"

	"schoolbell"
)

var passwordPage = parse("password.html")

// passwordView is the form with which people choose a password.
type passwordView struct {
	First       bool // it makes the first account
	Email, Name string
	Faults      map[string]string // by field
}

func (s *Server) showPassword(c *call) error {
	a, err := s.cfg.Staff.LinkAccount(c.ctx(), c.r.PathValue("secret"))
	if schoolbell.CodeOf(err) == schoolbell.CodeNotFound {
		return s.usedLink(c)
	}
	if err != nil {
		return err
	}
	return s.writeSolo(c, http.StatusOK, passwordPage, "Choose a password", passwordView{First: a.ID == "", Email: a.Email, Name: a.Name})
}

func (s *Server) putPassword(c *call) error {
	secret := c.r.PathValue("secret")
	owner, err := s.cfg.Staff.LinkAccount(c.ctx(), secret)
	if schoolbell.CodeOf(err) == schoolbell.CodeNotFound {
		return s.usedLink(c)
	}
	if err != nil {
		return err
	}
	v := passwordView{First: owner.ID == "", Email: owner.Email, Name: owner.Name}
	if v.First {
		v.Email, v.Name = c.form.Get("email"), c.form.Get("name")
	}
	password := c.form.Get("password")
	var a schoolbell.StaffAccount
	if password != c.form.Get("again") {
		err = schoolbell.Invalid("again", "is not the same as the password")
	} else {
		a, err = s.cfg.Staff.UseLink(c.ctx(), secret, password, schoolbell.StaffAccount{Email: v.Email, Name: v.Name})
	}
	switch schoolbell.CodeOf(err) {
	case "":
	case schoolbell.CodeInvalid:
		v.Faults = faultsByField(err)
		return s.writeSolo(c, http.StatusUnprocessableEntity, passwordPage, "Choose a password", v)
	case schoolbell.CodeNotFound, schoolbell.CodeConflict:
		return s.usedLink(c)
	default:
		return err
	}
	session, err := s.cfg.Staff.Begin(c.ctx(), a.ID)
	if err != nil {
		return err
	}
	s.startSession(c, a.ID, session)
	return c.redirect("")
}

// usedLink answers a link that is not good any more.
func (s *Server) usedLink(c *call) error {
	return s.writeProblem(c, http.StatusNotFound, problemView{Title: "This link is not good any more",
		Text: "It was used, replaced by a newer one, or has expired. An admin of your school can make a new one under Staff.", Link: "sign-in", LinkName: "Sign in"})
}

// faultsByField returns what is wrong by field, as sentences.
func faultsByField(err error) map[string]string {
	faults := map[string]string{}
	for _, f := range schoolbell.FaultsOf(err) {
		if faults[f.Field] == "" {
			faults[f.Field] = sentence(f.Message)
		}
	}
	return faults
}

package panel

import (
	"net/http"
	"net/url"
	"strings"

	"schoolbell"
)

var personEditPage = parse("personedit.html")

// personEditView is the form with which the staff corrects how a person is reached.
type personEditView struct {
	ID, Name, Email, Phone string
	Faults                 map[string]string // by field
}

func (s *Server) editPerson(c *call) error {
	u, err := s.cfg.People.User(c.ctx(), c.r.PathValue("id"))
	if err != nil {
		return err
	}
	return s.writePersonEdit(c, http.StatusOK, personEditView{ID: u.ID, Name: u.Name, Email: u.Email, Phone: u.Phone})
}

func (s *Server) writePersonEdit(c *call, status int, v personEditView) error {
	spec := pageSpec{title: "Edit", path: "people", crumbs: []crumb{{"People", "people"}, {firstOf(v.Name, v.ID), "people/" + url.PathEscape(v.ID)}}, status: status}
	return s.write(c, personEditPage, spec, v)
}

// putPerson stores the name and the first email address and phone number of a person. Everything else stays as it is.
func (s *Server) putPerson(c *call) error {
	u, err := s.cfg.People.User(c.ctx(), c.r.PathValue("id"))
	if err != nil {
		return err
	}
	v := personEditView{ID: u.ID, Name: strings.TrimSpace(c.form.Get("name")), Email: strings.TrimSpace(c.form.Get("email")), Phone: strings.TrimSpace(c.form.Get("phone"))}
	u.Name, u.Email, u.Phone, u.Addresses = v.Name, v.Email, v.Phone, nil
	_, err = s.cfg.People.Put(c.ctx(), u)
	if schoolbell.CodeOf(err) == schoolbell.CodeInvalid {
		v.Faults = faultsByField(err)
		return s.writePersonEdit(c, http.StatusUnprocessableEntity, v)
	}
	if err != nil {
		return err
	}
	return c.redirect("people/" + url.PathEscape(u.ID) + "?done=saved")
}

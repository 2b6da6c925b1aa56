package panel

import (
	"net/http"
	"strings"

	"schoolbell"
)

var (
	staffPage   = parse("staff.html")
	accountEdit = parse("staffaccount.html")
	linkPage    = parse("stafflink.html")
)

// staffView is the list of accounts and the form for a new one.
type staffView struct {
	Rows   []staffRow
	New    schoolbell.StaffAccount // as the form has it
	Roles  []option
	Faults map[string]string // by field of the form
}

// staffRow is an account in the list.
type staffRow struct {
	ID, Name, Email, Role string
	Urgent, Password      bool
	SignedIn              moment
}

func (s *Server) listStaff(c *call) error {
	return s.writeStaff(c, http.StatusOK, schoolbell.StaffAccount{Role: schoolbell.RoleViewer}, nil)
}

func (s *Server) writeStaff(c *call, status int, form schoolbell.StaffAccount, err error) error {
	all, failed := s.cfg.Staff.Accounts(c.ctx())
	if failed != nil {
		return failed
	}
	v := staffView{New: form, Roles: roleOptions(form.Role), Faults: faultsByField(err)}
	for _, a := range all {
		v.Rows = append(v.Rows, staffRow{a.ID, a.Name, a.Email, string(a.Role), a.MayUrgent(), a.Password, s.when(a.SignedInAt)})
	}
	return s.write(c, staffPage, pageSpec{title: "Staff", path: "staff", status: status}, v)
}

func roleOptions(current schoolbell.StaffRole) (options []option) {
	for _, r := range schoolbell.StaffRoles() {
		options = append(options, option{string(r), statusWord(string(r)), r == current})
	}
	return options
}

// staffForm is the account as a form has it.
func staffForm(c *call, id string) schoolbell.StaffAccount {
	return schoolbell.StaffAccount{ID: id, Email: strings.TrimSpace(c.form.Get("email")), Name: strings.TrimSpace(c.form.Get("name")),
		Role: schoolbell.StaffRole(c.form.Get("role")), Urgent: c.form.Get("urgent") != ""}
}

func (s *Server) addStaff(c *call) error {
	form := staffForm(c, "")
	a, secret, err := s.cfg.Staff.Add(c.ctx(), form)
	if fault := formFault(err, "email"); fault != nil {
		return s.writeStaff(c, http.StatusUnprocessableEntity, form, fault)
	}
	if err != nil {
		return err
	}
	return s.showLink(c, a, secret)
}

// formFault is what is wrong with a form, nil if the error is of another kind. A conflict is about the field.
func formFault(err error, field string) error {
	switch schoolbell.CodeOf(err) {
	case schoolbell.CodeInvalid:
		return err
	case schoolbell.CodeConflict:
		return schoolbell.Invalid(field, "%s", messageOf(err))
	}
	return nil
}

// linkView is a link that is shown once.
type linkView struct{ Name, Email, URL string }

func (s *Server) showLink(c *call, a schoolbell.StaffAccount, secret string) error {
	spec := pageSpec{title: "Link for " + a.Name, path: "staff", crumbs: []crumb{{"Staff", "staff"}}}
	return s.write(c, linkPage, spec, linkView{a.Name, a.Email, s.publicURL(c) + "password/" + secret})
}

// publicURL is the URL of the panel as browsers see it: of PUBLIC_URL, or of the page that has sent the form, which the
// protection against other sites has compared with the host.
func (s *Server) publicURL(c *call) string {
	if origin := originOf(s.cfg.PublicURL); origin != "" {
		return strings.TrimRight(s.cfg.PublicURL, "/") + Root
	}
	scheme := "http://"
	if c.r.TLS != nil {
		scheme = "https://"
	}
	return scheme + c.r.Host + Root
}

// staffAccountView is the form of one account.
type staffAccountView struct {
	Account schoolbell.StaffAccount
	Roles   []option
	Faults  map[string]string
	Self    bool // the account of the person who looks at it
}

func (s *Server) editStaff(c *call) error {
	a, err := s.cfg.Staff.Account(c.ctx(), c.r.PathValue("id"))
	if err != nil {
		return err
	}
	return s.writeStaffAccount(c, http.StatusOK, a, nil)
}

func (s *Server) writeStaffAccount(c *call, status int, a schoolbell.StaffAccount, err error) error {
	v := staffAccountView{Account: a, Roles: roleOptions(a.Role), Faults: faultsByField(err), Self: a.ID == c.account.ID}
	return s.write(c, accountEdit, pageSpec{title: firstOf(a.Name, a.Email), path: "staff", crumbs: []crumb{{"Staff", "staff"}}, status: status}, v)
}

func (s *Server) changeStaff(c *call) error {
	form := staffForm(c, c.r.PathValue("id"))
	err := s.cfg.Staff.Change(c.ctx(), form)
	if fault := formFault(err, "role"); fault != nil {
		return s.writeStaffAccount(c, http.StatusUnprocessableEntity, form, fault)
	}
	if err != nil {
		return err
	}
	return c.redirect("staff?done=saved")
}

func (s *Server) linkStaff(c *call) error {
	a, err := s.cfg.Staff.Account(c.ctx(), c.r.PathValue("id"))
	if err != nil {
		return err
	}
	secret, err := s.cfg.Staff.PasswordLink(c.ctx(), a.ID)
	if err != nil {
		return err
	}
	return s.showLink(c, a, secret)
}

func (s *Server) removeStaff(c *call) error {
	if err := s.cfg.Staff.Remove(c.ctx(), c.r.PathValue("id")); err != nil {
		return err
	}
	return c.redirect("staff?done=removed")
}

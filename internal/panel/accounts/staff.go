package accounts

import (
	"cmp"
	"net/http"
	"strings"

	"schoolbell"
	"schoolbell/internal/panel/site"
)

var (
	staffPage   = parse("staff.html", "staffgroups.html")
	accountEdit = parse("staffaccount.html", "staffgroups.html")
	linkPage    = parse("stafflink.html")
)

// staffView is the list of accounts and the form for a new one.
type staffView struct {
	Rows   []staffRow
	New    schoolbell.StaffAccount // as the form has it
	Roles  []site.Option
	Groups groupPicks
	Faults map[string]string // by field of the form
}

// staffRow is an account in the list.
type staffRow struct {
	ID, Name, Email, Role string
	Groups                string // empty for no limit
	Urgent, Ready         bool   // has signed in, or has a password
	SignedIn              site.Moment
}

func (p *Pages) listStaff(c *site.Call) error {
	return p.writeStaff(c, http.StatusOK, schoolbell.StaffAccount{Role: schoolbell.RoleViewer}, nil)
}

func (p *Pages) writeStaff(c *site.Call, status int, form schoolbell.StaffAccount, err error) error {
	all, failed := p.cfg.Staff.Accounts(c.Ctx())
	if failed != nil {
		return failed
	}
	v := staffView{New: form, Roles: roleOptions(form.Role), Faults: site.FaultsByField(err)}
	if v.Groups, failed = p.groupPicks(c, form.Groups); failed != nil {
		return failed
	}
	for _, a := range all {
		v.Rows = append(v.Rows, staffRow{a.ID, a.Name, a.Email, string(a.Role), site.Join(site.FirstFew(a.Groups)), a.MayUrgent(), a.Password || !a.SignedInAt.IsZero(), p.site.When(a.SignedInAt)})
	}
	return p.site.Write(c, staffPage, site.Spec{Title: "Staff", Path: "staff", Status: status}, v)
}

func roleOptions(current schoolbell.StaffRole) (options []site.Option) {
	for _, r := range schoolbell.StaffRoles() {
		options = append(options, site.Option{Value: string(r), Name: site.StatusWord(string(r)), Current: r == current})
	}
	return options
}

// staffForm is the account as a form has it.
func staffForm(c *site.Call, id string) schoolbell.StaffAccount {
	return schoolbell.StaffAccount{ID: id, Email: strings.TrimSpace(c.Form.Get("email")), Name: strings.TrimSpace(c.Form.Get("name")),
		Role: schoolbell.StaffRole(c.Form.Get("role")), Urgent: c.Form.Get("urgent") != "", Groups: c.Form["groups"]}
}

func (p *Pages) addStaff(c *site.Call) error {
	form := staffForm(c, "")
	a, secret, err := p.cfg.Staff.Add(c.Ctx(), form)
	if fault := site.FaultOf(err, "email"); fault != nil {
		return p.writeStaff(c, http.StatusUnprocessableEntity, form, fault)
	}
	if err != nil {
		return err
	}
	return p.showLink(c, a, secret)
}

// linkView is a link that is shown once.
type linkView struct{ Name, Email, URL string }

func (p *Pages) showLink(c *site.Call, a schoolbell.StaffAccount, secret string) error {
	spec := site.Spec{Title: "Link for " + a.Name, Path: "staff", Crumbs: []site.Crumb{{Name: "Staff", Path: "staff"}}}
	return p.site.Write(c, linkPage, spec, linkView{a.Name, a.Email, p.publicURL(c) + "password/" + secret})
}

// publicURL is the URL of the panel as browsers see it: of PUBLIC_URL, or of the page that has sent the form, which the
// protection against other sites has compared with the host.
func (p *Pages) publicURL(c *site.Call) string {
	if root := p.site.URL(); root != "" {
		return root
	}
	scheme := "http://"
	if c.R.TLS != nil {
		scheme = "https://"
	}
	return scheme + c.R.Host + site.Root
}

// staffAccountView is the form of one account.
type staffAccountView struct {
	Account schoolbell.StaffAccount
	Roles   []site.Option
	Groups  groupPicks
	Faults  map[string]string
	Self    bool        // the account of the person who looks at it
	With    string      // name of the identity provider, empty if there is none
	Linked  site.Moment // when its owner signed in there for the first time
}

func (p *Pages) editStaff(c *site.Call) error {
	a, err := p.cfg.Staff.Account(c.Ctx(), c.R.PathValue("id"))
	if err != nil {
		return err
	}
	return p.writeStaffAccount(c, http.StatusOK, a, nil)
}

func (p *Pages) writeStaffAccount(c *site.Call, status int, a schoolbell.StaffAccount, err error) error {
	picks, failed := p.groupPicks(c, a.Groups)
	if failed != nil {
		return failed
	}
	v := staffAccountView{Account: a, Roles: roleOptions(a.Role), Groups: picks, Faults: site.FaultsByField(err), Self: a.ID == c.Account.ID}
	if on := p.cfg.SignOn; on != nil {
		at, err := on.Identities.Of(c.Ctx(), a.ID, on.Issuer)
		if err != nil {
			return err
		}
		v.With, v.Linked = on.Name, p.site.When(at)
	}
	return p.site.Write(c, accountEdit, site.Spec{Title: cmp.Or(a.Name, a.Email), Path: "staff", Crumbs: []site.Crumb{{Name: "Staff", Path: "staff"}}, Status: status}, v)
}

func (p *Pages) changeStaff(c *site.Call) error {
	form := staffForm(c, c.R.PathValue("id"))
	err := p.cfg.Staff.Change(c.Ctx(), form)
	if fault := site.FaultOf(err, "role"); fault != nil {
		return p.writeStaffAccount(c, http.StatusUnprocessableEntity, form, fault)
	}
	if err != nil {
		return err
	}
	return c.Redirect("staff?done=saved")
}

func (p *Pages) linkStaff(c *site.Call) error {
	a, err := p.cfg.Staff.Account(c.Ctx(), c.R.PathValue("id"))
	if err != nil {
		return err
	}
	secret, err := p.cfg.Staff.PasswordLink(c.Ctx(), a.ID)
	if err != nil {
		return err
	}
	return p.showLink(c, a, secret)
}

func (p *Pages) removeStaff(c *site.Call) error {
	if err := p.cfg.Staff.Remove(c.Ctx(), c.R.PathValue("id")); err != nil {
		return err
	}
	return c.Redirect("staff?done=removed")
}

// unlinkStaff removes the link between an account and its identity.
func (p *Pages) unlinkStaff(c *site.Call) error {
	on := p.cfg.SignOn
	if on == nil {
		return schoolbell.NotFound("page", "unlink")
	}
	if err := on.Identities.Unlink(c.Ctx(), c.R.PathValue("id")); err != nil {
		return err
	}
	return c.Redirect("staff?done=unlinked")
}

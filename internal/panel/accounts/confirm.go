package accounts

import (
	"cmp"
	"net/url"

	"schoolbell"
	"schoolbell/internal/panel/site"
)

// ask asks before something is done to an account.
func (p *Pages) ask(c *site.Call, a schoolbell.StaffAccount, v site.Confirmation) error {
	v.About, v.Back = cmp.Or(a.Name, a.Email), "staff/"+url.PathEscape(a.ID)
	v.Facts = append([]site.Fact{{Name: "Email", Text: a.Email}, {Name: "Role", Text: site.StatusWord(string(a.Role))}, {Name: "Groups", Text: site.Join(site.FirstFew(a.Groups))},
		{Name: "Last sign-in", Text: "never", When: p.site.When(a.SignedInAt)}}, v.Facts...)
	return p.site.Confirm(c, "staff", []site.Crumb{{Name: "Staff", Path: "staff"}, {Name: v.About, Path: v.Back}}, v)
}

func (p *Pages) askRemoveStaff(c *site.Call) error {
	a, err := p.cfg.Staff.Account(c.Ctx(), c.R.PathValue("id"))
	if err != nil {
		return err
	}
	return p.ask(c, a, site.Confirmation{Title: "Remove", Question: "Remove this account?",
		Says: []string{"The person is signed out everywhere and cannot sign in again. Their drafts are removed. Events that they created stay, and the audit log keeps what they did."},
		Keep: "Keep the account", Do: "Remove the account"})
}

func (p *Pages) askUnlinkStaff(c *site.Call) error {
	on := p.cfg.SignOn
	if on == nil {
		return schoolbell.NotFound("page", "unlink")
	}
	a, err := p.cfg.Staff.Account(c.Ctx(), c.R.PathValue("id"))
	if err != nil {
		return err
	}
	at, err := on.Identities.Of(c.Ctx(), a.ID, on.Issuer)
	if err != nil {
		return err
	}
	return p.ask(c, a, site.Confirmation{Title: "Remove the link", Question: "Remove the link to " + on.Name + "?",
		Says:  []string{"The person is signed out everywhere. The next one who signs in there with the email address of this account is linked."},
		Facts: []site.Fact{{Name: "Linked", When: p.site.When(at)}},
		Keep:  "Keep the link", Do: "Remove the link and sign out"})
}

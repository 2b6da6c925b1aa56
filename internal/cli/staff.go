package cli

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/internal/app"
	"schoolbell/internal/auth"
	"schoolbell/internal/config"
	"schoolbell/internal/ledger"
	"schoolbell/internal/staff"
	"schoolbell/wire"
)

type staffCmd struct {
	Add    staffAddCmd    `cmd:"" help:"Add an account and print the link with which its owner chooses a password."`
	List   staffListCmd   `cmd:"" help:"List the accounts."`
	Change staffChangeCmd `cmd:"" help:"Change the name, the role or the groups of an account."`
	Link   staffLinkCmd   `cmd:"" help:"Print a new link with which the owner of an account chooses a password."`
	Remove staffRemoveCmd `cmd:"" help:"Remove an account and end its sessions."`
}

// staffroom is what the staff commands have in common: as the key commands do, they work on the ledger itself.
type staffroom struct {
	JSON   bool         `name:"json" help:"Print as JSON."`
	Config config.Staff `embed:""`
}

// open opens the accounts in the ledger that the settings name; shut must be called.
func (c *staffroom) open(ctx context.Context, a *program) (accounts *staff.Service, shut func() error, err error) {
	if err := a.load(&c.Config); err != nil {
		return nil, nil, err
	}
	log := newLogger(a.Err, c.Config.General)
	l, err := app.ReadyLedger(ctx, &c.Config.Core, log)
	if err != nil {
		return nil, nil, err
	}
	if accounts, err = app.OpenStaff(ctx, l, log); err != nil {
		return nil, nil, errors.Join(err, l.Close())
	}
	return accounts, l.Close, nil
}

// changingStaff returns a context whose calls the account of this command makes, with an entry in the audit.
func changingStaff(ctx context.Context, action, id string) context.Context {
	ctx = asAccount(ctx)
	return ledger.WithChange(ctx, ledger.NewChange(schoolbell.AuditEntry{At: time.Now(), Actor: auth.PrincipalOf(ctx).Actor(), Action: action,
		Target: schoolbell.Target{Kind: "staff", ID: id}}))
}

type staffJSON struct {
	ID         string               `json:"id"`
	Email      string               `json:"email"`
	Name       string               `json:"name"`
	Role       schoolbell.StaffRole `json:"role"`
	Urgent     bool                 `json:"urgent"`
	Groups     []string             `json:"groups,omitempty"` // to which it is limited
	Password   bool                 `json:"has_password"`
	CreatedAt  wire.Time            `json:"created_at"`
	SignedInAt wire.Time            `json:"signed_in_at,omitzero"`
	Link       string               `json:"link,omitempty"` // with which the owner chooses a password
}

func newStaffJSON(a schoolbell.StaffAccount) staffJSON {
	return staffJSON{ID: a.ID, Email: a.Email, Name: a.Name, Role: a.Role, Urgent: a.MayUrgent(), Groups: a.Groups, Password: a.Password,
		CreatedAt: wire.At(a.CreatedAt), SignedInAt: wire.At(a.SignedInAt)}
}

// link shows the link of an account.
func (c *staffroom) link(a *program, of schoolbell.StaffAccount, secret string) error {
	url := app.PasswordURL(c.Config.HTTP.PublicURL, secret)
	if c.JSON {
		made := newStaffJSON(of)
		made.Link = url
		return a.printJSON(made)
	}
	a.say("Link for %s to choose a password, once, within 48 hours: %s", of.Email, a.style.bold(url))
	return nil
}

type staffAddCmd struct {
	staffroom
	Email  string `arg:"" name:"email" help:"Email address with which the person signs in."`
	Name   string `name:"name" required:"" placeholder:"NAME" help:"Name of the person."`
	Role   string `name:"role" default:"viewer" placeholder:"ROLE" help:"Role: viewer (sees events and people), sender (also sends) or admin (everything)."`
	Urgent bool   `name:"urgent" help:"Allow a sender to send urgent events."`

	Groups []string `name:"groups" placeholder:"GROUP,…" help:"Limit the account to these groups, the groups below them and the guardians."`
}

// Run adds an account.
func (c *staffAddCmd) Run(ctx context.Context, a *program) (err error) {
	accounts, shut, err := c.open(ctx, a)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shut()) }()
	added, secret, err := accounts.Add(changingStaff(ctx, "staff.add", ""),
		schoolbell.StaffAccount{Email: c.Email, Name: c.Name, Role: schoolbell.StaffRole(c.Role), Urgent: c.Urgent, Groups: c.Groups})
	if err != nil {
		return err
	}
	return c.link(a, added, secret)
}

type staffListCmd struct{ staffroom }

// Run lists the accounts.
func (c *staffListCmd) Run(ctx context.Context, a *program) (err error) {
	accounts, shut, err := c.open(ctx, a)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shut()) }()
	all, err := accounts.Accounts(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		out := make([]staffJSON, len(all))
		for i, of := range all {
			out[i] = newStaffJSON(of)
		}
		return a.printJSON(map[string]any{"staff": out})
	}
	if len(all) == 0 {
		a.say("No staff accounts.")
		return nil
	}
	t := newTable("EMAIL", "ROLE", "URGENT", "GROUPS", "SIGNED IN", "NAME")
	for _, of := range all {
		t.add(of.Email, string(of.Role), yesNo(of.MayUrgent()), cmp.Or(strings.Join(of.Groups, ","), "all"), when(of.SignedInAt), of.Name)
	}
	t.print(a.Out, a.style)
	return nil
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

type staffChangeCmd struct {
	staffroom
	Email  string  `arg:"" name:"email" help:"Email address of the account."`
	Name   *string `name:"name" placeholder:"NAME" help:"New name."`
	Role   *string `name:"role" placeholder:"ROLE" help:"New role: viewer, sender or admin."`
	Urgent *bool   `name:"urgent" negatable:"" help:"Allow a sender to send urgent events, or no longer."`
	Groups *string `name:"groups" placeholder:"GROUP,…" help:"New groups to which the account is limited; empty for no limit."`
}

// Run changes an account.
func (c *staffChangeCmd) Run(ctx context.Context, a *program) (err error) {
	accounts, shut, err := c.open(ctx, a)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shut()) }()
	of, err := accounts.AccountOf(ctx, c.Email)
	if err != nil {
		return err
	}
	if c.Name != nil {
		of.Name = *c.Name
	}
	if c.Role != nil {
		of.Role = schoolbell.StaffRole(*c.Role)
	}
	if c.Urgent != nil {
		of.Urgent = *c.Urgent
	}
	if c.Groups != nil {
		of.Groups = strings.FieldsFunc(*c.Groups, func(r rune) bool { return r == ',' || r == ' ' })
	}
	if err := accounts.Change(changingStaff(ctx, "staff.change", of.ID), of); err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(newStaffJSON(of))
	}
	a.say("%s is %s, role %s.", of.Email, of.Name, of.Role)
	return nil
}

type staffLinkCmd struct {
	staffroom
	Email string `arg:"" name:"email" help:"Email address of the account."`
}

// Run makes a new link.
func (c *staffLinkCmd) Run(ctx context.Context, a *program) (err error) {
	accounts, shut, err := c.open(ctx, a)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shut()) }()
	of, err := accounts.AccountOf(ctx, c.Email)
	if err != nil {
		return err
	}
	secret, err := accounts.PasswordLink(changingStaff(ctx, "staff.link", of.ID), of.ID)
	if err != nil {
		return err
	}
	return c.link(a, of, secret)
}

type staffRemoveCmd struct {
	staffroom
	Email string `arg:"" name:"email" help:"Email address of the account."`
}

// Run removes an account.
func (c *staffRemoveCmd) Run(ctx context.Context, a *program) (err error) {
	accounts, shut, err := c.open(ctx, a)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shut()) }()
	of, err := accounts.AccountOf(ctx, c.Email)
	if err != nil {
		return err
	}
	if err := accounts.Remove(changingStaff(ctx, "staff.remove", of.ID), of.ID); err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(newStaffJSON(of))
	}
	a.say("%s is removed and signed out.", of.Email)
	return nil
}

// inviteAdmin says how to make the first account of the panel, if there is none. The link is for people at a terminal
// only: elsewhere the output is a log that others may read.
func (a *program) inviteAdmin(ctx context.Context, r *app.Runtime, base string) error {
	if !r.Config.HTTP.Panel {
		return nil
	}
	accounts, err := app.OpenStaff(ctx, r.Ledger, r.Log)
	if err != nil {
		return err
	}
	all, err := accounts.Accounts(ctx)
	if err != nil || len(all) > 0 {
		return err
	}
	if !isTerminal(a.Out) {
		a.say("  The panel %s has no staff account yet: make one by schoolbell staff add", base+"/panel/")
		return nil
	}
	secret, err := accounts.FirstLink(changingStaff(ctx, "staff.link", ""))
	if err == nil && secret != "" {
		a.say("  Panel: make the first account at %s", a.style.bold(app.PasswordURL(base, secret)))
	}
	return err
}

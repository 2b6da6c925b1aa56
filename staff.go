package schoolbell

import (
	"slices"
	"strings"
	"time"
)

// StaffRole is what a member of the staff may do in the panel.
type StaffRole string

const (
	RoleViewer StaffRole = "viewer" // sees events and people
	RoleSender StaffRole = "sender" // also creates, changes and cancels events
	RoleAdmin  StaffRole = "admin"  // everything
)

// StaffRoles lists every role, widest first.
func StaffRoles() []StaffRole { return []StaffRole{RoleAdmin, RoleSender, RoleViewer} }

// Scope is what an API key would need to allow the same; empty for an unknown role.
func (r StaffRole) Scope() Scope {
	return map[StaffRole]Scope{RoleViewer: ScopeRead, RoleSender: ScopeSend, RoleAdmin: ScopeAdmin}[r]
}

const (
	// MaxStaff is how many staff accounts there may be.
	MaxStaff = 1000

	// MaxDrafts is how many drafts of events an account may have.
	MaxDrafts = 50

	// MaxStaffGroups is how many groups an account may be limited to.
	MaxStaffGroups = 100

	maxStaffName = 200 // bytes
)

// StaffAccount is the account of somebody who works with the panel.
type StaffAccount struct {
	ID         string // a UUID
	Email      string // with which they sign in, in lower case
	Name       string
	Role       StaffRole
	Urgent     bool     // may send urgent events; admins may always
	Groups     []string // that it is limited to, with all groups below them, in order; empty for no limit
	Password   bool     // has a password; without one its owner signs in at the identity provider, if there is one
	CreatedAt  time.Time
	SignedInAt time.Time // zero if never
}

// MayUrgent reports whether the account may send urgent events.
func (a StaffAccount) MayUrgent() bool {
	return a.Role == RoleAdmin || a.Role == RoleSender && a.Urgent
}

// Limited reports whether the account is limited to groups.
func (a StaffAccount) Limited() bool { return len(a.Groups) > 0 }

// Normalize trims the name and the email address, makes the address lower case, and puts the groups in order, each once.
func (a *StaffAccount) Normalize() {
	a.Name, a.Email = strings.TrimSpace(a.Name), NormalizeStaffEmail(a.Email)
	a.Groups = slices.Compact(slices.Sorted(slices.Values(a.Groups)))
}

// NormalizeStaffEmail returns an email address as accounts have it.
func NormalizeStaffEmail(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

// Validate returns [Faults] if a normalized account breaks a rule.
func (a StaffAccount) Validate() error {
	var f Faults
	if err := ValidateEmail(a.Email); err != nil {
		f.Add("email", "must be an email address: %v", err)
	}
	switch {
	case a.Name == "":
		f.Add("name", "is required")
	case CheckLine("name", a.Name, maxStaffName) != nil:
		f.Add("name", "must be one line of at most %d bytes", maxStaffName)
	}
	if a.Role.Scope() == "" {
		f.Add("role", "must be viewer, sender or admin")
	}
	a.validateGroups(&f)
	return f.Err()
}

func (a StaffAccount) validateGroups(f *Faults) {
	switch {
	case len(a.Groups) > MaxStaffGroups:
		f.Add("groups", "must be at most %d", MaxStaffGroups)
	case a.Limited() && a.Role == RoleAdmin:
		f.Add("groups", "must be empty for an admin, who sees everything")
	}
	for _, id := range a.Groups {
		if !ValidID(id) {
			f.Add("groups", "%q is not the id of a group", id)
			return
		}
	}
}

package schoolbell

import (
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

	maxStaffName = 200 // bytes
)

// StaffAccount is the account of somebody who works with the panel.
type StaffAccount struct {
	ID         string // a UUID
	Email      string // with which they sign in, in lower case
	Name       string
	Role       StaffRole
	Urgent     bool // may send urgent events; admins may always
	Password   bool // has a password; without one nobody can sign in
	CreatedAt  time.Time
	SignedInAt time.Time // zero if never
}

// MayUrgent reports whether the account may send urgent events.
func (a StaffAccount) MayUrgent() bool {
	return a.Role == RoleAdmin || a.Role == RoleSender && a.Urgent
}

// Normalize trims the name and the email address, and makes the address lower case.
func (a *StaffAccount) Normalize() {
	a.Name, a.Email = strings.TrimSpace(a.Name), NormalizeStaffEmail(a.Email)
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
	return f.Err()
}

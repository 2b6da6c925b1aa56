package schoolbell

import (
	"fmt"
	"regexp"
	"strings"
)

// Role is what a person is at school. One person may have several.
type Role string

const (
	RoleStudent Role = "student"
	RoleTeacher Role = "teacher"
	RoleParent  Role = "parent"
	RoleStaff   Role = "staff"
)

// Roles lists every role in the order in which they are shown.
func Roles() []Role { return []Role{RoleStudent, RoleTeacher, RoleParent, RoleStaff} }

// Valid reports whether r is a known role.
func (r Role) Valid() bool {
	switch r {
	case RoleStudent, RoleTeacher, RoleParent, RoleStaff:
		return true
	}
	return false
}

// Limits on people and groups.
const (
	MaxIDLength   = 128 // bytes
	MaxNameLength = 200 // characters
	MaxUserGroups = 100
	MaxGuardianOf = 50
	MaxGroupDepth = 16
)

// User is a person: student, teacher, parent or staff.
type User struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email,omitempty"` // the first address of the channel email
	Phone string `json:"phone,omitempty"` // the first address of the channel sms: E.164, such as +442079460018

	// Addresses are all addresses, by channel, the first of a channel first. When a user is
	// put, nil leaves those beside Email and Phone as they are.
	Addresses []Address `json:"addresses,omitzero"`

	Roles      []Role   `json:"roles"`
	Groups     []string `json:"groups,omitempty"`      // ids of the groups the user belongs to
	Locale     string   `json:"locale,omitempty"`      // BCP 47; the school's language when empty
	Timezone   string   `json:"timezone,omitempty"`    // IANA name; the school's when empty
	GuardianOf []string `json:"guardian_of,omitempty"` // ids of the students this user is a guardian of
}

// UserFilter narrows a list of people; empty fields do not.
type UserFilter struct {
	Role   Role
	Text   string   // in the name, or the beginning of the id or of an email address or phone number; case matters in ids, and in SQLite beyond A to Z
	Within []string // groups: only people in one of them or in a group below, and the guardians of those people
}

// UserPlace is a person's place in the list of people by name. The zero value is before everybody.
type UserPlace struct{ Name, ID string }

// Change says what putting a user did.
type Change string

const (
	ChangeCreated Change = "created"
	ChangeUpdated Change = "updated"
	ChangeNone    Change = "none" // the user was there before and is as before
)

var phonePattern = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// ValidID reports whether id may name a user or a group: up to MaxIDLength
// letters, digits and . _ @ + ~ - of ASCII, beginning with a letter or digit.
func ValidID(id string) bool {
	if id == "" || len(id) > MaxIDLength || !isASCIIAlnum(id[0]) {
		return false
	}
	for i := 1; i < len(id); i++ {
		if c := id[i]; !isASCIIAlnum(c) && strings.IndexByte("._@+~-", c) < 0 {
			return false
		}
	}
	return true
}

// isASCIIAlnum reports whether c is a letter or digit of ASCII.
func isASCIIAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z'
}

// Normalize writes u in its usual form and drops what is said twice. Call it before Validate.
func (u *User) Normalize() {
	u.Name = strings.TrimSpace(u.Name)
	u.Email = strings.TrimSpace(u.Email)
	u.Phone = normalizePhone(u.Phone)
	for i := range u.Addresses {
		a := &u.Addresses[i]
		a.Address = normalizeAddress(a.Channel, strings.TrimSpace(a.Address))
		a.Label = strings.TrimSpace(a.Label)
	}
	u.Roles = unique(u.Roles)
	u.Groups = unique(u.Groups)
	u.GuardianOf = unique(u.GuardianOf)
}

// normalizeAddress writes an address of a channel in its usual form.
func normalizeAddress(c Channel, address string) string {
	switch c {
	case ChannelSMS:
		return normalizePhone(address)
	case ChannelPush:
		if s, err := ParsePushSubscription(address); err == nil {
			return s.Address()
		}
	}
	return address
}

// phoneMarks are what people write between the digits of a phone number.
var phoneMarks = strings.NewReplacer(" ", "", "-", "", "(", "", ")", "")

// normalizePhone removes the marks, and the trunk prefix that only national numbers have: +44 (0)20 is +4420.
func normalizePhone(s string) string {
	if s = strings.TrimSpace(s); strings.HasPrefix(s, "+") {
		s = strings.Replace(s, "(0)", "", 1)
	}
	return phoneMarks.Replace(s)
}

// Validate reports everything that is wrong with u as [Faults]. It knows the
// rules only; whether the students of GuardianOf exist, the ledger knows.
func (u *User) Validate() error {
	var f Faults
	if !ValidID(u.ID) {
		f.Add("id", "must be 1 to %d letters, digits or . _ @ + ~ - and begin with a letter or digit", MaxIDLength)
	}
	checkLine(&f, "name", u.Name, MaxNameLength, true)
	if u.Email != "" {
		if err := ValidateEmail(u.Email); err != nil {
			f.Add("email", "%v", err)
		}
	}
	if u.Phone != "" && !phonePattern.MatchString(u.Phone) {
		f.Add("phone", "must be an international number such as +442079460018")
	}
	checkAddresses(&f, u.Addresses)
	if len(u.Roles) == 0 {
		f.Add("roles", "must name at least one of %s", join(Roles()))
	}
	checkRoles(&f, "roles", u.Roles)
	checkIDs(&f, "groups", u.Groups, MaxUserGroups)
	checkIDs(&f, "guardian_of", u.GuardianOf, MaxGuardianOf)
	for i, id := range u.GuardianOf {
		if id == u.ID {
			f.Add(fmt.Sprintf("guardian_of[%d]", i), "a user cannot be their own guardian")
		}
	}
	if u.Locale != "" {
		if err := ValidateLanguage(u.Locale); err != nil {
			f.Add("locale", "%v", err)
		}
	}
	if u.Timezone != "" && !ValidTimezone(u.Timezone) {
		f.Add("timezone", "must be an IANA time zone such as Europe/London")
	}
	return f.Err()
}

func checkRoles(f *Faults, field string, roles []Role) {
	if len(roles) > MaxRoles {
		f.Add(field, "must name at most %d", MaxRoles)
		return
	}
	for i, r := range roles {
		if !r.Valid() {
			f.Add(fmt.Sprintf("%s[%d]", field, i), "unknown role %q; must be one of %s", r, join(Roles()))
		}
	}
}

func checkIDs(f *Faults, field string, ids []string, limit int) {
	if len(ids) > limit {
		f.Add(field, "must name at most %d", limit)
		return
	}
	for i, id := range ids {
		if !ValidID(id) {
			f.Add(fmt.Sprintf("%s[%d]", field, i), "is not a valid id")
		}
	}
}

// unique returns s without repetitions, in the order of first mention.
func unique[T comparable](s []T) []T {
	if len(s) < 2 || len(s) == 2 && s[0] != s[1] {
		return s
	}
	seen := make(map[T]struct{}, len(s))
	out := make([]T, 0, len(s))
	for _, v := range s {
		if _, dup := seen[v]; !dup {
			seen[v] = struct{}{}
			out = append(out, v)
		}
	}
	return out
}

func join[T ~string](s []T) string {
	texts := make([]string, len(s))
	for i, v := range s {
		texts[i] = string(v)
	}
	return strings.Join(texts, ", ")
}

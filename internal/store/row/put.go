package row

import (
	"slices"

	"schoolbell"
)

// User is the row of a user.
type User struct {
	Seq                        int64
	State                      int
	ID, Name, Locale, Timezone string
	LocaleChosen               bool // by the user: it stays
}

// Put is what storing some users with distinct ids changes. An engine gives it the rows
// that exist, in the order of its methods, and gets the rows to write.
type Put struct {
	Users []*schoolbell.User

	found   map[string]User  // the rows that exist, by id
	numbers []int64          // of the users, in their order
	other   map[string]int64 // the numbers of students who are not among the users, by id
	place   map[string]int   // of each user in the list, by id
	differ  map[int64]bool   // numbers of users of whom something is written
}

// NewPut returns a Put that knows of no row.
func NewPut(users []*schoolbell.User) *Put {
	p := &Put{Users: users, found: map[string]User{}, numbers: make([]int64, len(users)),
		other: map[string]int64{}, place: make(map[string]int, len(users)), differ: map[int64]bool{}}
	for i, u := range users {
		p.place[u.ID] = i
	}
	return p
}

// IDs returns the ids of the users and then those of their students who are not among them, each once.
func (p *Put) IDs() []string {
	ids := make([]string, 0, len(p.Users))
	for _, u := range p.Users {
		ids = append(ids, u.ID)
	}
	seen := map[string]struct{}{}
	for _, u := range p.Users {
		for _, student := range u.GuardianOf {
			if _, among := p.place[student]; among {
				continue
			}
			if _, twice := seen[student]; !twice {
				seen[student] = struct{}{}
				ids = append(ids, student)
			}
		}
	}
	return ids
}

// Found adds a row that exists.
func (p *Put) Found(u User) { p.found[u.ID] = u }

// Rows returns the rows of users to write: those of the ids that none was found for, which get the
// next numbers, and those that differ from the ones found. Students among the added ones are
// awaited. The ids are those that IDs returned.
func (p *Put) Rows(ids []string, next func() int64) (added, changed []User) {
	for i, id := range ids {
		old, exists := p.found[id]
		if !exists {
			old = User{Seq: next(), State: UserAwaited, ID: id}
		}
		row := old
		if i < len(p.Users) {
			u := p.Users[i]
			row = User{Seq: old.Seq, State: UserLive, ID: id, Name: u.Name, Locale: u.Locale, Timezone: u.Timezone}
			if old.LocaleChosen {
				row.Locale, row.LocaleChosen = old.Locale, true
			}
			p.numbers[i] = old.Seq
		} else {
			p.other[id] = old.Seq
		}
		switch {
		case !exists:
			added = append(added, row)
		case row != old:
			changed = append(changed, row)
			p.differ[row.Seq] = true
		}
	}
	return added, changed
}

// Missing returns how many of the ids have no row.
func (p *Put) Missing(ids []string) int { return len(ids) - len(p.found) }

// Old returns the numbers of those of the users who have a row already, and maybe links and addresses.
func (p *Put) Old() []int64 {
	var old []int64
	for _, u := range p.Users {
		if row, exists := p.found[u.ID]; exists {
			old = append(old, row.Seq)
		}
	}
	return old
}

// NoteLinks notes whose links are added or removed.
func NoteLinks[T comparable](p *Put, added, removed []Link[T]) {
	for _, links := range [][]Link[T]{added, removed} {
		for _, link := range links {
			p.differ[link.User] = true
		}
	}
}

// Changes says for each user whether storing it created or updated it, after everything was written.
func (p *Put) Changes() []schoolbell.Change {
	changes := make([]schoolbell.Change, len(p.Users))
	for i, u := range p.Users {
		changes[i] = schoolbell.ChangeCreated
		if row, exists := p.found[u.ID]; exists && row.State == UserLive {
			changes[i] = schoolbell.ChangeUpdated
			if !p.differ[row.Seq] {
				changes[i] = schoolbell.ChangeNone
			}
		}
	}
	return changes
}

// Groups returns the ids of the groups of the users, each once and in order.
func (p *Put) Groups() []string {
	seen := map[string]struct{}{}
	var ids []string
	for _, u := range p.Users {
		for _, g := range u.Groups {
			if _, twice := seen[g]; !twice {
				seen[g] = struct{}{}
				ids = append(ids, g)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// Link is a row that links a user, by number, to a role, a group or a student.
type Link[T comparable] struct {
	User  int64
	Other T
}

// Roles returns the links of the users to their roles, each once.
func (p *Put) Roles() []Link[string] {
	links := make([]Link[string], 0, len(p.Users))
	for i, u := range p.Users {
		for n, r := range u.Roles {
			if !slices.Contains(u.Roles[:n], r) {
				links = append(links, Link[string]{p.numbers[i], string(r)})
			}
		}
	}
	return links
}

// Memberships returns the links of the users to the numbers of their groups, each once. groups has the
// numbers by id.
func (p *Put) Memberships(groups map[string]int64) []Link[int64] {
	links := make([]Link[int64], 0, len(p.Users))
	for i, u := range p.Users {
		for n, g := range u.Groups {
			if !slices.Contains(u.Groups[:n], g) {
				links = append(links, Link[int64]{p.numbers[i], groups[g]})
			}
		}
	}
	return links
}

// Guardianships returns the links of the users to the numbers of their students, each once.
func (p *Put) Guardianships() []Link[int64] {
	var links []Link[int64]
	for i, u := range p.Users {
		for n, s := range u.GuardianOf {
			if !slices.Contains(u.GuardianOf[:n], s) {
				links = append(links, Link[int64]{p.numbers[i], p.number(s)})
			}
		}
	}
	return links
}

// number returns the number of a student.
func (p *Put) number(id string) int64 {
	if i, among := p.place[id]; among {
		return p.numbers[i]
	}
	return p.other[id]
}

// DiffLinks returns the links that are wanted and not old, and those that are old and not wanted. Both lists have each
// link once.
func DiffLinks[T comparable](old, wanted []Link[T]) (added, removed []Link[T]) {
	if len(old) == 0 {
		return wanted, nil
	}
	const isOld, isWanted = 1, 2
	seen := make(map[Link[T]]int, len(wanted))
	for _, link := range old {
		seen[link] = isOld
	}
	for _, link := range wanted {
		if seen[link] == 0 {
			added = append(added, link)
		}
		seen[link] |= isWanted
	}
	for _, link := range old {
		if seen[link] == isOld {
			removed = append(removed, link)
		}
	}
	return added, removed
}

// UserAddress is an address with the number of its user.
type UserAddress struct {
	User int64
	Address
}

// Addresses returns the addresses to insert, and the users whose old ones are deleted first. old are
// the addresses of the users who have some, by number. Users whose addresses stay as they
// are cost no writing.
func (p *Put) Addresses(old map[int64][]Address) (added []UserAddress, replaced []int64) {
	for i, u := range p.Users {
		number := p.numbers[i]
		merged, changed := MergeAddresses(old[number], u)
		if !changed {
			continue
		}
		p.differ[number] = true
		if len(old[number]) > 0 {
			replaced = append(replaced, number)
		}
		for _, a := range merged {
			added = append(added, UserAddress{number, a})
		}
	}
	return added, replaced
}

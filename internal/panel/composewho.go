package panel

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"schoolbell"
	"schoolbell/internal/panel/people"
	"schoolbell/internal/panel/site"
)

const (
	foundAtOnce = 20  // groups, and people, that a search in the form shows
	maxPicks    = 200 // people and exclusions that the form can show one by one
)

// pick is a person whom a form names, or somebody whom it leaves out. The field is that of the form.
type pick struct {
	Field, ID, Text string
	Minus           bool
}

// Value names a pick in the button that removes it.
func (p pick) Value() string { return p.Field + ":" + p.ID }

// foundView is what the search of a form has found.
type foundView struct {
	Text    string // that was searched for; empty for none
	Groups  []*schoolbell.Group
	People  []foundPerson
	Limited bool // the account is limited to groups
}

// foundPerson is a person whom a form can name.
type foundPerson struct {
	people.Row
	Student bool // whose guardians can be named
}

// picks returns the lists of people and groups that a form names one by one, by their field.
func (f *composeForm) picks() map[string]*[]string {
	return map[string]*[]string{"groups": &f.Groups, "guardians": &f.Guardians, "users": &f.Users, "students": &f.Students,
		"without_groups": &f.WithoutGroups, "without_users": &f.WithoutUsers, "without_roles": &f.WithoutRoles}
}

// pick adds to a form what a button names, as in "users:anna", or removes it.
func (f *composeForm) pick(add, remove string) {
	if field, id, ok := strings.Cut(add, ":"); ok && schoolbell.ValidID(id) {
		if list := f.picks()[field]; list != nil && !slices.Contains(*list, id) {
			*list = append(*list, id)
		}
	}
	if field, id, ok := strings.Cut(remove, ":"); ok {
		if list := f.picks()[field]; list != nil {
			*list = slices.DeleteFunc(*list, func(have string) bool { return have == id })
		}
	}
}

// selector is what names groups and people, or nil if there are none.
func selector(groups, users []string) *schoolbell.Selector {
	if len(groups) == 0 && len(users) == 0 {
		return nil
	}
	return &schoolbell.Selector{Groups: groups, Users: users}
}

// audience is the audience that a form describes.
func (f composeForm) audience() (a schoolbell.Audience) {
	a.Roles, a.Groups, a.Users = site.Typed[schoolbell.Role](f.Roles), f.Groups, f.Users
	a.GuardiansOf = selector(f.Guardians, f.Students)
	a.Exclude = selector(f.WithoutGroups, f.WithoutUsers)
	if len(f.WithoutRoles) > 0 {
		if a.Exclude == nil {
			a.Exclude = &schoolbell.Selector{}
		}
		a.Exclude.Roles = site.Typed[schoolbell.Role](f.WithoutRoles)
	}
	return a
}

// takeAudience makes the form describe as much of an audience as it can.
func (f *composeForm) takeAudience(a schoolbell.Audience) {
	f.Roles, f.Groups, f.Users = site.Typed[string](a.Roles), a.Groups, a.Users
	if g := a.GuardiansOf; g != nil {
		f.Guardians, f.Students = g.Groups, g.Users
	}
	if e := a.Exclude; e != nil {
		f.WithoutRoles, f.WithoutGroups, f.WithoutUsers = site.Typed[string](e.Roles), e.Groups, e.Users
	}
	if len(f.Users)+len(f.Students)+len(f.WithoutGroups)+len(f.WithoutUsers) > maxPicks {
		f.Users, f.Students, f.WithoutGroups, f.WithoutUsers = nil, nil, nil, nil
	}
}

// offerWho fills in whom a form can choose, whom it names, and what its search finds.
func (s *Server) offerWho(c *site.Call, v *composeView) error {
	groups, more, err := s.site.OfferedGroups(c)
	if err != nil {
		return err
	}
	names, err := s.chosenGroups(c, v.Form)
	if err != nil {
		return err
	}
	for _, g := range names { // those that the list would not have come first
		chosen := slices.Contains(v.Form.Groups, g.ID) || slices.Contains(v.Form.Guardians, g.ID)
		if chosen && !slices.ContainsFunc(groups, func(o *schoolbell.Group) bool { return o.ID == g.ID }) {
			groups = append([]*schoolbell.Group{g}, groups...)
		}
	}
	v.MoreGroups = more
	for _, g := range groups {
		v.Groups = append(v.Groups, groupChoice{g.ID, g.Name, string(g.Kind), slices.Contains(v.Form.Groups, g.ID), slices.Contains(v.Form.Guardians, g.ID)})
	}
	if v.Picks, err = s.picksOf(c, v.Form, names); err != nil {
		return err
	}
	v.Found, err = s.findWho(c, v.Form.Find)
	return err
}

// chosenGroups are the groups that a form names, of those that the account may know.
func (s *Server) chosenGroups(c *site.Call, f composeForm) ([]*schoolbell.Group, error) {
	ids := slices.Concat(f.Groups, f.Guardians, f.WithoutGroups)
	if len(ids) == 0 {
		return nil, nil
	}
	return s.cfg.Areas.FindGroups(c.Ctx(), schoolbell.GroupFilter{IDs: ids, Within: c.Account.Groups}, len(ids))
}

// picksOf are the people whom a form names, and whom it leaves out. Those whom the account may not know keep their ids.
func (s *Server) picksOf(c *site.Call, f composeForm, groups []*schoolbell.Group) (picks []pick, err error) {
	ids := slices.Concat(f.Users, f.Students, f.WithoutUsers)
	names := map[string]string{}
	if len(ids) > 0 {
		if names, err = s.cfg.Directory.Names(c.Ctx(), ids); err != nil {
			return nil, err
		}
		seen, err := s.site.Within(c, ids)
		if err != nil {
			return nil, err
		}
		for id := range names {
			if !seen[id] {
				delete(names, id)
			}
		}
	}
	for _, g := range groups {
		names["group "+g.ID] = g.Name
	}
	add := func(field, prefix, kind string, list []string) {
		for _, id := range list {
			picks = append(picks, pick{Field: field, ID: id, Text: prefix + cmp.Or(names[kind+id], id), Minus: strings.HasPrefix(field, "without")})
		}
	}
	add("users", "", "", f.Users)
	add("students", "Guardians of ", "", f.Students)
	for _, r := range f.WithoutRoles {
		picks = append(picks, pick{"without_roles", r, "Without " + site.RoleWord(schoolbell.Role(r)), true})
	}
	add("without_groups", "Without ", "group ", f.WithoutGroups)
	add("without_users", "Without ", "", f.WithoutUsers)
	return picks, nil
}

// findWho searches for groups and people. An account that is limited to groups finds only what is within them.
func (s *Server) findWho(c *site.Call, text string) (v foundView, err error) {
	v = foundView{Text: text, Limited: c.Account.Limited()}
	if text == "" {
		return v, nil
	}
	if v.Groups, err = s.cfg.Areas.FindGroups(c.Ctx(), schoolbell.GroupFilter{Text: text, Within: c.Account.Groups}, foundAtOnce); err != nil {
		return v, err
	}
	found, err := s.cfg.Directory.Find(c.Ctx(), schoolbell.UserFilter{Text: text, Within: c.Account.Groups}, schoolbell.UserPlace{}, foundAtOnce)
	if err != nil {
		return v, err
	}
	rows, err := s.people.Rows(c, found)
	for i, row := range rows {
		v.People = append(v.People, foundPerson{row, !v.Limited && slices.Contains(found[i].Roles, schoolbell.RoleStudent)})
	}
	return v, err
}

// readPicks reads the fields that name groups and people.
func (f *composeForm) readPicks(form url.Values) {
	for field, list := range f.picks() {
		*list = form[field]
	}
	f.Find = strings.TrimSpace(form.Get("find"))
}

// More reports whether a search may have found more than is shown.
func (v foundView) More() bool { return len(v.Groups) == foundAtOnce || len(v.People) == foundAtOnce }

// pickButton adds a group or a person to a form.
type pickButton struct{ Step, Value, Word, Name string }

func newPickButton(step, field, id, word, name string) pickButton {
	return pickButton{step, field + ":" + id, word, name}
}

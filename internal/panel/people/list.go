package people

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"schoolbell"
	"schoolbell/internal/panel/site"
)

var peoplePage = parse("people.html")

// peopleView is the list of people.
type peopleView struct {
	Tabs        []roleTab
	Role, Query string
	Filtered    bool
	Rows        []Row
	Shown       string
	First, Next string // URLs; empty for none
	Limit       string // groups to which the account is limited; empty for none
	Groups      []site.Option
	Group       string
}

// roleTab narrows the list to a role.
type roleTab struct {
	Name, URL string
	Current   bool
}

// Row is a person in the list.
type Row struct {
	ID, Name, Address string
	Roles, Groups     string
	Reached           string
	Failing           []string // names of channels on which no message can be sent to the person because of an address
}

func (p *Pages) listPeople(c *site.Call) error {
	query := c.R.URL.Query()
	filter := schoolbell.UserFilter{Role: schoolbell.Role(query.Get("role")), Text: strings.TrimSpace(query.Get("q"))}
	after := schoolbell.UserPlace{Name: query.Get("name"), ID: query.Get("after")}
	filter.Within = c.Account.Groups
	groups, group, err := p.groupOptions(c, query.Get("group"))
	if err != nil {
		return err
	}
	if group != "" {
		filter.Within = []string{group}
	}
	found, err := p.cfg.Directory.Find(c.Ctx(), filter, after, site.PageRows+1)
	if err != nil {
		return err
	}
	v := peopleView{Role: string(filter.Role), Query: filter.Text, Groups: groups, Group: group, Tabs: roleTabs(filter, group)}
	v.Filtered = filter.Role != "" || filter.Text != "" || group != "" || query.Has("after")
	if query.Has("after") {
		v.First = ListURL(filter, group, schoolbell.UserPlace{})
	}
	if len(found) > site.PageRows {
		found = found[:site.PageRows]
		last := found[site.PageRows-1]
		v.Next = ListURL(filter, group, schoolbell.UserPlace{Name: last.Name, ID: last.ID})
	}
	if v.Rows, err = p.Rows(c, found); err != nil {
		return err
	}
	if v.Limit, err = p.site.LimitWords(c); err != nil {
		return err
	}
	v.Shown = site.Count(len(v.Rows), "person", "people") + ", by name"
	return p.site.Write(c, peoplePage, site.Spec{Title: "People", Path: "people"}, v)
}

// groupOptions are the groups to which the list can be narrowed, and the one that the query names: an account that is limited to
// groups chooses among its own.
func (p *Pages) groupOptions(c *site.Call, wanted string) (options []site.Option, group string, err error) {
	groups, _, err := p.site.OfferedGroups(c)
	if err != nil {
		return nil, "", err
	}
	options = []site.Option{{Value: "", Name: "All groups", Current: wanted == ""}}
	for _, g := range groups {
		if g.ID == wanted {
			group = wanted
		}
		options = append(options, site.Option{Value: g.ID, Name: cmp.Or(g.Name, g.ID), Current: g.ID == wanted})
	}
	if wanted == "" || group != "" {
		return options, group, nil
	}
	if c.Account.Limited() {
		return nil, "", schoolbell.NotFound("group", wanted)
	}
	return append(options, site.Option{Value: wanted, Name: wanted, Current: true}), wanted, nil // one that is not among the first
}

// roleTabs lead to everybody and to the people with each role. They keep the text that is searched for, and the group.
func roleTabs(f schoolbell.UserFilter, group string) []roleTab {
	tabs := []roleTab{{"All", ListURL(schoolbell.UserFilter{Text: f.Text}, group, schoolbell.UserPlace{}), f.Role == ""}}
	for _, r := range schoolbell.Roles() {
		tabs = append(tabs, roleTab{site.StatusWord(site.RoleWord(r)), ListURL(schoolbell.UserFilter{Role: r, Text: f.Text}, group, schoolbell.UserPlace{}), r == f.Role})
	}
	return tabs
}

// ListURL is the list of people after a place, relative to itself.
func ListURL(f schoolbell.UserFilter, group string, after schoolbell.UserPlace) string {
	q := url.Values{}
	for name, value := range map[string]string{"role": string(f.Role), "q": f.Text, "group": group, "name": after.Name, "after": after.ID} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if len(q) == 0 {
		return "people"
	}
	return "people?" + q.Encode()
}

// Rows are people as lists show them, with the students whom the account may see.
func (p *Pages) Rows(c *site.Call, found []*schoolbell.User) ([]Row, error) {
	var students []string
	for _, u := range found {
		students = append(students, u.GuardianOf...)
	}
	names, err := p.cfg.Directory.Names(c.Ctx(), students)
	if err != nil {
		return nil, err
	}
	seen, err := p.site.Within(c, students)
	if err != nil {
		return nil, err
	}
	rows := make([]Row, 0, len(found))
	for _, u := range found {
		u.GuardianOf = slices.DeleteFunc(u.GuardianOf, func(id string) bool { return !seen[id] })
		rows = append(rows, newPersonRow(u, names))
	}
	return rows, nil
}

func newPersonRow(u *schoolbell.User, names map[string]string) Row {
	r := Row{ID: u.ID, Name: u.Name, Address: cmp.Or(u.Email, u.Phone, "no email address or phone number"), Roles: site.RolesOf(u)}
	belongs := site.FirstFew(u.Groups)
	for _, id := range site.FirstFew(u.GuardianOf) {
		belongs = append(belongs, cmp.Or(names[id], id))
	}
	r.Groups = cmp.Or(strings.Join(belongs, ", "), "–")
	var reached []string
	for _, c := range shownChannels {
		usable, any := reaches(u, c)
		switch {
		case usable:
			reached = append(reached, site.ChannelName(c))
		case any:
			r.Failing = append(r.Failing, site.ChannelName(c))
		}
	}
	r.Reached = cmp.Or(strings.Join(reached, ", "), "in the app only")
	return r
}

// shownChannels are those on which people are reached at an address.
var shownChannels = []schoolbell.Channel{schoolbell.ChannelEmail, schoolbell.ChannelSMS, schoolbell.ChannelPush}

// reaches reports whether a person has a usable address on a channel, and whether there is any.
func reaches(u *schoolbell.User, c schoolbell.Channel) (usable, any bool) {
	for _, a := range u.Addresses {
		if a.Channel == c {
			usable, any = usable || a.State.Usable(), true
		}
	}
	return usable, any
}

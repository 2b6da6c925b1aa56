package panel

import (
	"context"
	"net/url"
	"strings"

	"schoolbell"
)

var peoplePage = parse("people.html")

// peopleView is the list of people.
type peopleView struct {
	Tabs        []roleTab
	Role, Query string
	Filtered    bool
	Rows        []personRow
	Shown       string
	First, Next string // URLs; empty for none
}

// roleTab narrows the list to a role.
type roleTab struct {
	Name, URL string
	Current   bool
}

// personRow is a person in the list.
type personRow struct {
	ID, Name, Address string
	Roles, Groups     string
	Reached           string
	Failing           []string // names of channels on which no message can be sent to the person because of an address
}

func (s *Server) listPeople(c *call) error {
	query := c.r.URL.Query()
	filter := schoolbell.UserFilter{Role: schoolbell.Role(query.Get("role")), Text: strings.TrimSpace(query.Get("q"))}
	after := schoolbell.UserPlace{Name: query.Get("name"), ID: query.Get("after")}
	found, err := s.cfg.Directory.Find(c.ctx(), filter, after, pageRows+1)
	if err != nil {
		return err
	}
	v := peopleView{Role: string(filter.Role), Query: filter.Text, Tabs: roleTabs(filter), Filtered: filter != schoolbell.UserFilter{} || query.Has("after")}
	if query.Has("after") {
		v.First = peopleURL(filter, schoolbell.UserPlace{})
	}
	if len(found) > pageRows {
		found = found[:pageRows]
		last := found[pageRows-1]
		v.Next = peopleURL(filter, schoolbell.UserPlace{Name: last.Name, ID: last.ID})
	}
	if v.Rows, err = s.personRows(c.ctx(), found); err != nil {
		return err
	}
	v.Shown = count(len(v.Rows), "person", "people") + ", by name"
	return s.write(c, peoplePage, pageSpec{title: "People", path: "people"}, v)
}

// roleTabs lead to everybody and to the people with each role. They keep the text that is searched for.
func roleTabs(f schoolbell.UserFilter) []roleTab {
	tabs := []roleTab{{"All", peopleURL(schoolbell.UserFilter{Text: f.Text}, schoolbell.UserPlace{}), f.Role == ""}}
	for _, r := range schoolbell.Roles() {
		tabs = append(tabs, roleTab{statusWord(roleWord(r)), peopleURL(schoolbell.UserFilter{Role: r, Text: f.Text}, schoolbell.UserPlace{}), r == f.Role})
	}
	return tabs
}

// peopleURL is the list of people after a place, relative to itself.
func peopleURL(f schoolbell.UserFilter, after schoolbell.UserPlace) string {
	q := url.Values{}
	for name, value := range map[string]string{"role": string(f.Role), "q": f.Text, "name": after.Name, "after": after.ID} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if len(q) == 0 {
		return "people"
	}
	return "people?" + q.Encode()
}

func (s *Server) personRows(ctx context.Context, found []*schoolbell.User) ([]personRow, error) {
	var students []string
	for _, u := range found {
		students = append(students, u.GuardianOf...)
	}
	names, err := s.cfg.Directory.Names(ctx, students)
	if err != nil {
		return nil, err
	}
	rows := make([]personRow, 0, len(found))
	for _, u := range found {
		rows = append(rows, newPersonRow(u, names))
	}
	return rows, nil
}

func newPersonRow(u *schoolbell.User, names map[string]string) personRow {
	r := personRow{ID: u.ID, Name: u.Name, Address: firstOf(u.Email, u.Phone, "no email address or phone number"), Roles: rolesOf(u)}
	belongs := some(u.Groups)
	for _, id := range some(u.GuardianOf) {
		belongs = append(belongs, firstOf(names[id], id))
	}
	r.Groups = firstOf(strings.Join(belongs, ", "), "–")
	var reached []string
	for _, c := range shownChannels {
		usable, any := reaches(u, c)
		switch {
		case usable:
			reached = append(reached, channelName(c))
		case any:
			r.Failing = append(r.Failing, channelName(c))
		}
	}
	r.Reached = firstOf(strings.Join(reached, ", "), "in the app only")
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

// some are the first of a list, and how many more there are.
func some(list []string) []string {
	if len(list) <= namedAtMost {
		return append([]string(nil), list...)
	}
	return append([]string(nil), append(list[:namedAtMost:namedAtMost], number(len(list)-namedAtMost)+" more")...)
}

// rolesOf are the roles of a person, in words.
func rolesOf(u *schoolbell.User) string {
	words := make([]string, len(u.Roles))
	for i, r := range u.Roles {
		words[i] = string(r)
	}
	return statusWord(join(words))
}

package panel

import (
	"context"
	"slices"
	"strings"

	"schoolbell"
)

var personPage = parse("person.html")

// personView is what the panel shows of a person.
type personView struct {
	User            *schoolbell.User
	Initials, About string
	Language        string
	Addresses       []addressRow
	Family          []relative
	Channels        []string // names of the columns of Choices
	Choices         []choiceRow
	Quiet           string
}

// addressRow is an address or a device of a person.
type addressRow struct{ Icon, Text, Label, State, Status, Reason string }

// relative is a student or guardian of a person.
type relative struct{ ID, Name, Initials, Kind string }

// choiceRow is what a person chose about a category.
type choiceRow struct {
	Name  string
	Cells []choice
}

// choice is what a person chose about a category on a channel.
type choice struct {
	Channel, Word string
	Locked        bool // nobody can choose it
}

func (s *Server) showPerson(c *call) error {
	u, err := s.cfg.People.User(c.ctx(), c.r.PathValue("id"))
	if err != nil {
		return err
	}
	v := personView{User: u, Initials: initials(u.Name), Language: firstOf(u.Locale, "of the school")}
	if v.Family, err = s.family(c.ctx(), u); err != nil {
		return err
	}
	v.About = about(u, v.Family)
	if v.Addresses, err = s.addressRows(c.ctx(), u); err != nil {
		return err
	}
	for _, channel := range shownChannels {
		v.Channels = append(v.Channels, channelName(channel))
	}
	if v.Choices, err = s.choices(c.ctx(), u.ID); err != nil {
		return err
	}
	if v.Quiet, err = s.quietWords(c.ctx(), u.ID); err != nil {
		return err
	}
	return s.write(c, personPage, pageSpec{title: u.Name, path: "people", crumbs: []crumb{{"People", "people"}}}, v)
}

// about says in a line who a person is.
func about(u *schoolbell.User, family []relative) string {
	var students []string
	for _, r := range family {
		if r.Kind == kindStudent {
			students = append(students, r.Name)
		}
	}
	words := rolesOf(u)
	if len(students) > 0 {
		words += ", guardian of " + join(some(students))
	}
	if len(u.Groups) > 0 {
		words += ", in " + join(some(u.Groups))
	}
	return words
}

const (
	kindStudent  = "student"
	kindGuardian = "guardian"
)

// family is the students of whom a person is a guardian, and the person's guardians.
func (s *Server) family(ctx context.Context, u *schoolbell.User) (family []relative, err error) {
	guardians, err := s.cfg.Directory.Guardians(ctx, u.ID)
	if err != nil {
		return nil, err
	}
	names, err := s.cfg.Directory.Names(ctx, slices.Concat(u.GuardianOf, guardians))
	if err != nil {
		return nil, err
	}
	add := func(ids []string, kind string) {
		for _, id := range ids {
			if name, found := names[id]; found { // not erased a moment ago
				family = append(family, relative{id, name, initials(name), kind})
			}
		}
	}
	add(u.GuardianOf, kindStudent)
	add(guardians, kindGuardian)
	return family, nil
}

// addressRows are the addresses of a person. The endpoint of a device is a secret, so devices show their labels.
func (s *Server) addressRows(ctx context.Context, u *schoolbell.User) (rows []addressRow, err error) {
	for _, a := range u.Addresses {
		if a.Channel != schoolbell.ChannelPush {
			rows = append(rows, newAddressRow(a.Channel, a.Address, a.Label, a.State, a.Reason))
		}
	}
	devices, err := s.cfg.People.Devices(ctx, u.ID)
	if err != nil {
		return nil, err
	}
	for _, d := range devices {
		rows = append(rows, newAddressRow(schoolbell.ChannelPush, firstOf(d.Label, "A browser"), "", d.State, d.Reason))
	}
	return rows, nil
}

func newAddressRow(c schoolbell.Channel, text, label string, state schoolbell.AddressState, reason string) addressRow {
	r := addressRow{Icon: channelIcon(c), Text: text, Label: label, Reason: reason}
	switch state {
	case schoolbell.AddressGood:
		r.State, r.Status = "Works", "delivered"
	case schoolbell.AddressBounced:
		r.State, r.Status = "Bounced", "failed"
	case schoolbell.AddressComplained:
		r.State, r.Status = "Reported as unwanted", "failed"
	case schoolbell.AddressStopped:
		r.State, r.Status = "Asked for no more", "suppressed"
	case schoolbell.AddressSuspended:
		r.State, r.Status = "Suspended for a week", "suppressed"
	default:
		r.State, r.Status = "Not known yet", "pending"
	}
	return r
}

// choices are what a person chose, by category and channel.
func (s *Server) choices(ctx context.Context, id string) (rows []choiceRow, err error) {
	set, err := s.cfg.People.Preferences(ctx, id)
	if err != nil {
		return nil, err
	}
	categories, err := s.cfg.School.Categories(ctx)
	if err != nil {
		return nil, err
	}
	type what struct {
		category schoolbell.Category
		channel  schoolbell.Channel
	}
	modes := make(map[what]schoolbell.Mode, len(set))
	for _, p := range set {
		modes[what{p.Category, p.Channel}] = p.Mode
	}
	for _, info := range categories {
		r := choiceRow{Name: info.Name}
		for _, channel := range shownChannels {
			cell := choice{Channel: channelName(channel), Word: firstOf(string(modes[what{info.ID, channel}]), string(schoolbell.ModeInstant))}
			if info.Mandatory {
				cell.Word, cell.Locked = "always", true
			}
			r.Cells = append(r.Cells, cell)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// quietWords says when a person gets urgent messages only.
func (s *Server) quietWords(ctx context.Context, id string) (string, error) {
	own, zone, err := s.cfg.Schedules.Get(ctx, id)
	if err != nil {
		return "", err
	}
	school := s.cfg.Settings()
	quiet := own.Or(school).QuietHours
	if quiet.From == quiet.To {
		return "No quiet hours.", nil
	}
	zone = strings.ReplaceAll(firstOf(zone, school.Timezone), "_", " ")
	return "Quiet from " + string(quiet.From) + " to " + string(quiet.To) + ", " + zone + ". Urgent messages come at any time.", nil
}

package people

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"schoolbell"
	"schoolbell/internal/panel/site"
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
	Deliveries      deliveryPage
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

func (p *Pages) showPerson(c *site.Call) error {
	u, err := p.cfg.People.User(c.Ctx(), c.R.PathValue("id"))
	if err != nil {
		return err
	}
	v := personView{User: u, Initials: site.Initials(u.Name), Language: cmp.Or(u.Locale, "of the school")}
	if v.Family, err = p.family(c, u); err != nil {
		return err
	}
	v.About = about(u, v.Family)
	if v.Addresses, err = p.addressRows(c.Ctx(), u); err != nil {
		return err
	}
	for _, channel := range shownChannels {
		v.Channels = append(v.Channels, site.ChannelName(channel))
	}
	if v.Choices, err = p.choices(c.Ctx(), u.ID); err != nil {
		return err
	}
	if v.Quiet, err = p.quietWords(c.Ctx(), u.ID); err != nil {
		return err
	}
	if v.Deliveries, err = p.deliveries(c, u.ID); err != nil {
		return err
	}
	return p.site.Write(c, personPage, site.Spec{Title: u.Name, Path: "people", Crumbs: []site.Crumb{{Name: "People", Path: "people"}}}, v)
}

// about says in a line who a person is.
func about(u *schoolbell.User, family []relative) string {
	var students []string
	for _, r := range family {
		if r.Kind == kindStudent {
			students = append(students, r.Name)
		}
	}
	words := site.RolesOf(u)
	if len(students) > 0 {
		words += ", guardian of " + site.Join(site.FirstFew(students))
	}
	if len(u.Groups) > 0 {
		words += ", in " + site.Join(site.FirstFew(u.Groups))
	}
	return words
}

const (
	kindStudent  = "student"
	kindGuardian = "guardian"
)

// family is the students of whom a person is a guardian, and the person's guardians, as far as the account may see them.
func (p *Pages) family(c *site.Call, u *schoolbell.User) (family []relative, err error) {
	guardians, err := p.cfg.Directory.Guardians(c.Ctx(), u.ID)
	if err != nil {
		return nil, err
	}
	ids := slices.Concat(u.GuardianOf, guardians)
	names, err := p.cfg.Directory.Names(c.Ctx(), ids)
	if err != nil {
		return nil, err
	}
	seen, err := p.site.Within(c, ids)
	if err != nil {
		return nil, err
	}
	add := func(ids []string, kind string) {
		for _, id := range ids {
			if name, found := names[id]; found && seen[id] { // not erased a moment ago
				family = append(family, relative{id, name, site.Initials(name), kind})
			}
		}
	}
	add(u.GuardianOf, kindStudent)
	add(guardians, kindGuardian)
	return family, nil
}

// addressRows are the addresses of a person. The endpoint of a device is a secret, so devices show their labels.
func (p *Pages) addressRows(ctx context.Context, u *schoolbell.User) (rows []addressRow, err error) {
	for _, a := range u.Addresses {
		if a.Channel != schoolbell.ChannelPush {
			rows = append(rows, newAddressRow(a.Channel, a.Address, a.Label, a.State, a.Reason))
		}
	}
	devices, err := p.cfg.People.Devices(ctx, u.ID)
	if err != nil {
		return nil, err
	}
	for _, d := range devices {
		rows = append(rows, newAddressRow(schoolbell.ChannelPush, cmp.Or(d.Label, "A browser"), "", d.State, d.Reason))
	}
	return rows, nil
}

func newAddressRow(c schoolbell.Channel, text, label string, state schoolbell.AddressState, reason string) addressRow {
	r := addressRow{Icon: site.ChannelIcon(c), Text: text, Label: label, Reason: reason}
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
func (p *Pages) choices(ctx context.Context, id string) (rows []choiceRow, err error) {
	set, err := p.cfg.People.Preferences(ctx, id)
	if err != nil {
		return nil, err
	}
	categories, err := p.cfg.Categories.Categories(ctx)
	if err != nil {
		return nil, err
	}
	modes := modesOf(set)
	for _, info := range categories {
		r := choiceRow{Name: info.Name}
		for _, channel := range shownChannels {
			cell := choice{Channel: site.ChannelName(channel), Word: string(modes.of(info.ID, channel))}
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
func (p *Pages) quietWords(ctx context.Context, id string) (string, error) {
	own, zone, err := p.cfg.Schedules.Get(ctx, id)
	if err != nil {
		return "", err
	}
	school := p.cfg.Settings()
	quiet := own.Or(school).QuietHours
	if quiet.From == quiet.To {
		return "No quiet hours.", nil
	}
	zone = strings.ReplaceAll(cmp.Or(zone, school.Timezone), "_", " ")
	return "Quiet from " + string(quiet.From) + " to " + string(quiet.To) + ", " + zone + ". Urgent messages come at any time.", nil
}

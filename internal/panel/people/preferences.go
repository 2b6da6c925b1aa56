package people

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"schoolbell"
	"schoolbell/internal/panel/site"
)

var preferencesPage = parse("preferences.html")

// preferencesView is the form with which the staff changes what reaches a person, and when.
type preferencesView struct {
	site.Faults
	ID, Name string
	Channels []string // names of the columns
	Rows     []preferenceRow
	Schedule scheduleForm
}

// preferenceRow is a category.
type preferenceRow struct {
	Name   string
	Locked bool // it is always sent
	Cells  []preferenceCell
}

// preferenceCell is how a person wants a category on a channel.
type preferenceCell struct {
	Channel, Field, Legend string
	Options                []site.Option // none if there are no such messages
}

var preferencesFields = site.Fields{{Field: "quiet_hours_from", Label: "Quiet from"}, {Field: "quiet_hours_to", Label: "Quiet to"},
	{Field: "digest_at", Label: "Digests at"}, {Field: "digest_weekday", Label: "Digests on"}}

// chooser is a person whose choices are changed.
type chooser struct {
	user       *schoolbell.User
	categories []schoolbell.CategoryInfo
	modes      modes
	schedule   schoolbell.Schedule // the person's own
	timezone   string
}

// modes are how a person wants messages, where they have chosen it.
type modes map[cell]schoolbell.Mode

type cell struct {
	category schoolbell.Category
	channel  schoolbell.Channel
}

func modesOf(set []schoolbell.Preference) modes {
	m := make(modes, len(set))
	for _, chosen := range set {
		m[cell{chosen.Category, chosen.Channel}] = chosen.Mode
	}
	return m
}

func (m modes) of(category schoolbell.Category, channel schoolbell.Channel) schoolbell.Mode {
	return cmp.Or(m[cell{category, channel}], schoolbell.ModeInstant)
}

func (p *Pages) editPreferences(c *site.Call) error {
	ch, err := p.chooser(c)
	if err != nil {
		return err
	}
	return p.writePreferences(c, http.StatusOK, ch, ch.modes, newScheduleForm(ch.schedule), site.Faults{})
}

// putPreferences stores what is not as it was. Choices and schedule have an entry each in the audit, as over the API.
func (p *Pages) putPreferences(c *site.Call) error {
	ch, err := p.chooser(c)
	if err != nil {
		return err
	}
	changed := p.changedPreferences(ch, c.Form)
	form := newScheduleForm(ch.schedule).filled(c.Form)
	schedule, err := form.schedule()
	if err == nil && len(changed) > 0 {
		err = p.cfg.People.PutPreferences(c.Ctx(), ch.user.ID, changed)
	}
	if schoolbell.CodeOf(err) == schoolbell.CodeInvalid {
		wanted := modesOf(changed)
		for at, mode := range ch.modes {
			wanted[at] = cmp.Or(wanted[at], mode)
		}
		return p.writePreferences(c, http.StatusUnprocessableEntity, ch, wanted, form, preferencesFields.Faults(err))
	}
	if err == nil && schedule != ch.schedule {
		err = p.cfg.Schedules.Put(p.site.Changing(c, "user.put_schedule"), ch.user.ID, schedule)
	}
	if err != nil {
		return err
	}
	return c.Redirect("people/" + url.PathEscape(ch.user.ID) + "?done=saved")
}

func (p *Pages) chooser(c *site.Call) (ch chooser, err error) {
	if ch.user, err = p.cfg.People.User(c.Ctx(), c.R.PathValue("id")); err != nil {
		return ch, err
	}
	if ch.categories, err = p.cfg.Categories.Categories(c.Ctx()); err != nil {
		return ch, err
	}
	set, err := p.cfg.People.Preferences(c.Ctx(), ch.user.ID)
	if err != nil {
		return ch, err
	}
	ch.modes = modesOf(set)
	ch.schedule, ch.timezone, err = p.cfg.Schedules.Get(c.Ctx(), ch.user.ID)
	return ch, err
}

// choosable are the channels that people can refuse. The inbox has everything always.
func (p *Pages) choosable() (channels []schoolbell.Channel) {
	for _, channel := range p.cfg.Channels {
		if channel != schoolbell.ChannelInApp {
			channels = append(channels, channel)
		}
	}
	return channels
}

// preferenceField is the field of the form for a category on a channel. Its value is a mode.
func preferenceField(category schoolbell.Category, channel schoolbell.Channel) string {
	return string(category) + "." + string(channel) // neither has a dot
}

// changedPreferences are the choices of a form that differ from those of the person, also such that are refused later.
func (p *Pages) changedPreferences(ch chooser, form url.Values) (changed []schoolbell.Preference) {
	for _, info := range ch.categories {
		for _, channel := range p.choosable() {
			field := preferenceField(info.ID, channel)
			if mode := schoolbell.Mode(form.Get(field)); form.Has(field) && mode != ch.modes.of(info.ID, channel) {
				changed = append(changed, schoolbell.Preference{Category: info.ID, Channel: channel, Mode: mode})
			}
		}
	}
	return changed
}

// writePreferences shows the form as it is filled in.
func (p *Pages) writePreferences(c *site.Call, status int, ch chooser, wanted modes, form scheduleForm, faults site.Faults) error {
	school := p.cfg.Settings()
	form.Zone = strings.ReplaceAll(cmp.Or(ch.timezone, school.Timezone), "_", " ")
	form.NoDigest = !slices.Contains(p.choosable(), schoolbell.ChannelEmail)
	v := preferencesView{Faults: faults, ID: ch.user.ID, Name: ch.user.Name, Schedule: form.proposing(school)}
	for _, channel := range p.choosable() {
		v.Channels = append(v.Channels, site.ChannelName(channel))
	}
	for _, info := range ch.categories {
		row := preferenceRow{Name: info.Name, Locked: info.Mandatory}
		for _, channel := range p.choosable() {
			if !info.Mandatory {
				row.Cells = append(row.Cells, newPreferenceCell(info, channel, wanted.of(info.ID, channel)))
			}
		}
		v.Rows = append(v.Rows, row)
	}
	slices.SortStableFunc(v.Rows, func(a, b preferenceRow) int { // those that cannot be refused first
		switch {
		case a.Locked == b.Locked:
			return 0
		case a.Locked:
			return -1
		}
		return 1
	})
	spec := site.Spec{Title: "Preferences", Path: "people", Crumbs: []site.Crumb{{Name: "People", Path: "people"}, {Name: cmp.Or(v.Name, v.ID), Path: "people/" + url.PathEscape(v.ID)}}, Status: status}
	return p.site.Write(c, preferencesPage, spec, v)
}

func newPreferenceCell(info schoolbell.CategoryInfo, channel schoolbell.Channel, wanted schoolbell.Mode) preferenceCell {
	name := site.ChannelName(channel)
	shown := preferenceCell{Channel: name, Field: preferenceField(info.ID, channel), Legend: info.Name + ", " + name}
	for _, m := range schoolbell.ModesFor(info, channel) {
		shown.Options = append(shown.Options, site.Option{Value: string(m), Name: site.StatusWord(string(m)), Current: m == wanted})
	}
	return shown
}

package settings

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/panel/site"
)

var settingsPage = parse("settings.html", "settingsschool.html")

// settingsSections are the pages of the settings.
var settingsSections = []site.NavItem{
	{Path: "settings", Name: "School"}, {Path: "settings/categories", Name: "Categories"}, {Path: "settings/providers", Name: "Providers"}, {Path: "settings/keys", Name: "API keys"},
	{Path: "settings/webhooks", Name: "Webhooks"}, {Path: "settings/retention", Name: "Retention"},
}

// toSettings leads from the other pages to the first.
var toSettings = site.Crumb{Name: "Settings", Path: "settings"}

// settingsView is a page of the settings: the list of the pages, and one of them.
type settingsView struct {
	Sections []site.NavItem
	Section  string // path of the page
	Part     any
}

// writeSettings answers with a section of the settings.
func (p *Pages) writeSettings(c *site.Call, t *site.Template, section string, status int, part any) error {
	spec := site.Spec{Title: "Settings", Path: "settings", Status: status}
	for _, item := range settingsSections {
		if item.Path == section && section != "settings" {
			spec.Title, spec.Crumbs = item.Name, []site.Crumb{toSettings}
		}
	}
	return p.site.Write(c, t, spec, settingsView{settingsSections, section, part})
}

// schoolForm is the form of what the school says about itself.
type schoolForm struct {
	site.Faults
	Name, Logo, Primary, Accent, Signature, Language, Timezone string
	QuietFrom, QuietTo, DigestAt                               string
	Weekdays                                                   []site.Option
	Version                                                    int64
}

var schoolFields = site.Fields{{Field: "name", Label: "Name"}, {Field: "logo", Label: "Logo"}, {Field: "colours_primary", Label: "Main colour"},
	{Field: "colours_accent", Label: "Second colour"}, {Field: "signature", Label: "Signature"}, {Field: "language", Label: "Language"},
	{Field: "timezone", Label: "Time zone"}, {Field: "quiet_hours_from", Label: "Quiet from"}, {Field: "quiet_hours_to", Label: "Quiet to"},
	{Field: "digest_at", Label: "Digests at"}, {Field: "digest_weekday", Label: "Digests on"}}

func newSchoolForm(v schoolbell.SchoolSettings) schoolForm {
	f := schoolForm{Name: v.Name, Logo: v.Logo, Primary: v.Colours.Primary, Accent: v.Colours.Accent, Signature: v.Signature,
		Language: v.Language, Timezone: v.Timezone, QuietFrom: string(v.QuietHours.From), QuietTo: string(v.QuietHours.To),
		DigestAt: string(v.Digest.At), Version: v.Version}
	f.Weekdays = []site.Option{{Value: "", Name: "every day", Current: v.Digest.Weekday == ""}}
	for _, day := range schoolbell.Weekdays() {
		f.Weekdays = append(f.Weekdays, site.Option{Value: string(day), Name: site.StatusWord(string(day)), Current: day == v.Digest.Weekday})
	}
	return f
}

func (p *Pages) showSettings(c *site.Call) error {
	stored, err := p.cfg.Settings.Get(c.Ctx())
	if err != nil {
		return err
	}
	return p.writeSettings(c, settingsPage, "settings", http.StatusOK, newSchoolForm(stored))
}

// putSchool stores what the school says about itself. What other sections show stays as it is.
func (p *Pages) putSchool(c *site.Call) error {
	stored, err := p.cfg.Settings.Get(c.Ctx())
	if err != nil {
		return err
	}
	line := func(name string) string { return strings.TrimSpace(c.Form.Get(name)) }
	next := stored
	next.Name, next.Logo, next.Signature, next.Language, next.Timezone = line("name"), line("logo"), line("signature"), line("language"), line("timezone")
	next.Colours = schoolbell.Colours{Primary: line("colours_primary"), Accent: line("colours_accent")}
	next.QuietHours = schoolbell.QuietHours{From: schoolbell.ClockTime(line("quiet_hours_from")), To: schoolbell.ClockTime(line("quiet_hours_to"))}
	next.Digest = schoolbell.DigestWindow{At: schoolbell.ClockTime(line("digest_at")), Weekday: schoolbell.Weekday(line("digest_weekday"))}
	err = p.putSettings(c, stored, next)
	if fault := site.FaultOf(err, site.WholeForm); fault != nil {
		form := newSchoolForm(next)
		form.Faults = schoolFields.Faults(fault)
		return p.writeSettings(c, settingsPage, "settings", http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return err
	}
	return c.Redirect("settings?done=saved")
}

// settingsChanged is what is wrong with a form that shows settings which somebody has changed since.
const settingsChanged = "the settings were changed after this page was made; what you see is what you typed, save it again to replace them"

// putSettings stores settings, unless others than the form has shown were stored meanwhile.
func (p *Pages) putSettings(c *site.Call, stored, next schoolbell.SchoolSettings) error {
	shown, err := strconv.ParseInt(c.Form.Get("version"), 10, 64)
	if err != nil || shown != stored.Version {
		return &schoolbell.Error{Code: schoolbell.CodeConflict, Message: settingsChanged}
	}
	ledger.ChangeOf(c.Ctx()).Set("fields", changedFields(stored, next))
	_, err = p.cfg.Settings.Put(c.Ctx(), next)
	return err
}

// changedFields names the settings that differ.
func changedFields(a, b schoolbell.SchoolSettings) (names []string) {
	for name, same := range map[string]bool{"name": a.Name == b.Name, "logo": a.Logo == b.Logo, "colours": a.Colours == b.Colours, "signature": a.Signature == b.Signature,
		"language": a.Language == b.Language, "timezone": a.Timezone == b.Timezone, "quiet_hours": a.QuietHours == b.QuietHours, "digest": a.Digest == b.Digest,
		"retention": a.Retention == b.Retention} {
		if !same {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

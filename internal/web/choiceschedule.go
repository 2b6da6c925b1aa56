package web

import (
	"html/template"
	"net/url"
	"slices"

	"schoolbell"
	"schoolbell/internal/locale"
)

// The fields of the preference page beside those of [ChoiceField]. Those names have a dot.
const (
	QuietField     = "quiet" // of a checkbox: it is left out if there are no quiet hours
	QuietFromField = "quiet_from"
	QuietToField   = "quiet_to"
	DigestDayField = "digest_day" // a weekday, empty for each day
	DigestAtField  = "digest_at"
	LanguageField  = "language" // BCP 47

	CalendarField = "calendar" // of the buttons of a form of its own
	CalendarStart = "start"
	CalendarStop  = "stop"
)

// ScheduleChoice is when the person wants messages, as the fields of the page have it. Times are hh:mm, or what the person has written
// there.
type ScheduleChoice struct {
	Quiet              bool
	QuietFrom, QuietTo string
	NoDigest           bool // no channel has digests
	DigestDay          schoolbell.Weekday
	DigestAt           string
	Zone               string // IANA name

	Faults []ScheduleFault
}

// ScheduleFault is what is wrong with a field.
type ScheduleFault struct {
	Field string
	Same  bool // it must be another time; otherwise it is no time at all
}

// LanguageChoice is the language of the person's messages.
type LanguageChoice struct {
	Now    string // BCP 47
	Wanted string // the one that is selected
}

// CalendarChoice is the calendar feed of the person.
type CalendarChoice struct {
	URL     string // http or https; empty for no feed
	Changed bool   // the person has just created or revoked it
}

// scheduleView is what the template sees of a schedule.
type scheduleView struct {
	ScheduleChoice
	From, To, At timeField
	Days         []choiceOption
	ZoneText     string
}

// timeField is a field for a time.
type timeField struct {
	Label, Name, Value string
	Fault              string // empty for none
}

func (w *Words) times(c ScheduleChoice) scheduleView {
	field := func(label, name, value string) timeField {
		f := timeField{Label: label, Name: name, Value: value}
		for _, fault := range c.Faults {
			switch {
			case fault.Field == name && fault.Same:
				f.Fault = w.SameFault
			case fault.Field == name:
				f.Fault = w.TimeFault
			}
		}
		return f
	}
	v := scheduleView{ScheduleChoice: c, ZoneText: fill(w.Zone, "zone", leftToRight(c.Zone)),
		From: field(w.QuietFrom, QuietFromField, c.QuietFrom), To: field(w.QuietTo, QuietToField, c.QuietTo), At: field(w.DigestAt, DigestAtField, c.DigestAt)}
	v.Days = []choiceOption{{Name: w.EveryDay, Checked: c.DigestDay == ""}}
	for _, day := range schoolbell.Weekdays() {
		v.Days = append(v.Days, choiceOption{Value: string(day), Name: w.Weekdays[day], Checked: day == c.DigestDay})
	}
	return v
}

// languageOptions are the languages of the pages under their own names, and the person's own: with its region, or under its tag.
func languageOptions(c LanguageChoice) (options []choiceOption) {
	now, found := locale.For(c.Now).Tag, locale.Known(c.Now)
	for _, l := range locale.Languages() {
		o := choiceOption{Value: l.Tag, Name: wordsOf[l].LanguageName, Language: l.Tag}
		if found && l.Tag == now {
			o.Value = c.Now
		}
		options = append(options, o)
	}
	if !found {
		options = append(options, choiceOption{Value: c.Now, Name: c.Now})
	}
	for i := range options {
		options[i].Checked = options[i].Value == c.Wanted
	}
	return options
}

// Offers reports whether a language can be chosen.
func (c LanguageChoice) Offers(tag string) bool {
	return slices.ContainsFunc(languageOptions(c), func(o choiceOption) bool { return o.Value == tag })
}

// addURL is the URL of a feed with the scheme by which calendar programs are found. It is no text of people, so it needs no filter.
func addURL(feed string) template.URL {
	u, err := url.Parse(feed)
	if err != nil || feed == "" {
		return ""
	}
	u.Scheme = "webcal"
	return template.URL(u.String())
}

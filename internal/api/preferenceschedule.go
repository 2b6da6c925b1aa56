package api

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"schoolbell"
	"schoolbell/internal/web"
)

// The quiet hours that the page proposes to people who have none.
const (
	proposedFrom = "21:00"
	proposedTo   = "07:00"
)

// chosen is what a person has now.
func (s *Server) chosen(c chooser) choices {
	school := s.cfg.Settings.Current()
	holds := c.schedule.Or(school)
	v := web.ScheduleChoice{
		Quiet: holds.QuietHours.From != holds.QuietHours.To, QuietFrom: string(holds.QuietHours.From), QuietTo: string(holds.QuietHours.To),
		NoDigest: !slices.Contains(s.pageChannels(), schoolbell.ChannelEmail), DigestDay: holds.Digest.Weekday, DigestAt: string(holds.Digest.At),
		Zone: cmp.Or(c.timezone, school.Timezone),
	}
	if !v.Quiet {
		v.QuietFrom, v.QuietTo = proposedFrom, proposedTo
	}
	return choices{wishes: c.wishes, schedule: v, language: s.languageOf(c)}
}

// languageOf is the language of the messages of a person, BCP 47.
func (s *Server) languageOf(c chooser) string {
	return cmp.Or(c.user.Locale, s.cfg.Settings.Current().Language)
}

// wanted is what a form asks for. What it does not have stays as it is. Times that are none are among the faults of the schedule; the
// error is about what nobody can choose on the page.
func (s *Server) wanted(c chooser, form url.Values) (wanted choices, err error) {
	wanted = s.chosen(c)
	wanted.wishes = c.wantedModes(s.pageChannels(), form)
	v := &wanted.schedule
	if form.Has(web.QuietFromField) && form.Has(web.QuietToField) {
		v.Quiet, v.QuietFrom, v.QuietTo = form.Has(web.QuietField), strings.TrimSpace(form.Get(web.QuietFromField)), strings.TrimSpace(form.Get(web.QuietToField))
	}
	if form.Has(web.DigestAtField) {
		v.DigestDay, v.DigestAt = schoolbell.Weekday(form.Get(web.DigestDayField)), strings.TrimSpace(form.Get(web.DigestAtField))
	}
	if form.Has(web.LanguageField) {
		wanted.language = form.Get(web.LanguageField)
	}
	if !(web.LanguageChoice{Now: s.languageOf(c)}).Offers(wanted.language) {
		return wanted, schoolbell.Invalid("language", "cannot be chosen")
	}
	if v.DigestDay != "" && !slices.Contains(schoolbell.Weekdays(), v.DigestDay) {
		return wanted, schoolbell.Invalid("digest.weekday", "must be a day such as friday")
	}
	v.Faults = scheduleFaults(*v)
	return wanted, nil
}

// scheduleFaults are the fields of a form whose times cannot be stored.
func scheduleFaults(v web.ScheduleChoice) (faults []web.ScheduleFault) {
	isTime := func(text string) bool {
		return schoolbell.Schedule{Digest: schoolbell.DigestWindow{At: schoolbell.ClockTime(cmp.Or(text, "none"))}}.Validate() == nil
	}
	check := func(field, text string) {
		if !isTime(text) {
			faults = append(faults, web.ScheduleFault{Field: field})
		}
	}
	check(web.DigestAtField, v.DigestAt)
	if !v.Quiet {
		return faults
	}
	check(web.QuietFromField, v.QuietFrom)
	check(web.QuietToField, v.QuietTo)
	if v.QuietFrom == v.QuietTo && isTime(v.QuietTo) {
		faults = append(faults, web.ScheduleFault{Field: web.QuietToField, Same: true})
	}
	return faults
}

// scheduleOf is the schedule that a person wants. A part that stays as it is also stays the school's, if it is.
func (s *Server) scheduleOf(c chooser, v web.ScheduleChoice) schoolbell.Schedule {
	schedule, now := c.schedule, s.chosen(c).schedule
	switch {
	case !v.Quiet && now.Quiet:
		schedule.QuietHours = schoolbell.QuietHours{From: "00:00", To: "00:00"}
	case v.Quiet && (!now.Quiet || v.QuietFrom != now.QuietFrom || v.QuietTo != now.QuietTo):
		schedule.QuietHours = schoolbell.QuietHours{From: schoolbell.ClockTime(v.QuietFrom), To: schoolbell.ClockTime(v.QuietTo)}
	}
	if v.DigestDay != now.DigestDay || v.DigestAt != now.DigestAt {
		schedule.Digest = schoolbell.DigestWindow{At: schoolbell.ClockTime(v.DigestAt), Weekday: v.DigestDay}
	}
	return schedule
}

// putCalendar creates or revokes the calendar feed of the person with a link.
func (s *Server) putCalendar(w http.ResponseWriter, r *http.Request, c chooser, wanted string) {
	var err error
	switch {
	case wanted == web.CalendarStart && c.feed.ID == 0:
		_, _, err = s.cfg.Calendars.Create(s.choosing(r, c.user, "user.create_calendar", "preferences"), c.user.ID)
	case wanted == web.CalendarStop && c.feed.ID != 0:
		err = s.cfg.Calendars.Revoke(s.choosing(r, c.user, "user.revoke_calendar", "preferences"), c.user.ID)
	case wanted != web.CalendarStart && wanted != web.CalendarStop:
		written(s.frame(r, c.user.Locale).Failed(w, http.StatusBadRequest))
		return
	}
	switch schoolbell.CodeOf(err) {
	case "":
		seeOther(w, r, web.CalendarField+"#"+web.CalendarField)
	case schoolbell.CodeUnavailable:
		s.notSaved(w, r, c, s.chosen(c), err)
	default:
		s.failPage(w, r, err)
	}
}

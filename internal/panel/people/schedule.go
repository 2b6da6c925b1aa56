package people

import (
	"cmp"
	"net/url"
	"strings"

	"schoolbell"
	"schoolbell/internal/panel/site"
)

// Whose quiet hours and digest time hold.
const (
	ofSchool = "school"
	ofPerson = "own"
	ofNobody = "none" // no quiet hours
)

// The quiet hours that the form proposes where the school has none.
const (
	proposedFrom = "21:00"
	proposedTo   = "07:00"
)

// scheduleForm is when a person wants messages, as the fields of a form have it.
type scheduleForm struct {
	Quiet, QuietFrom, QuietTo string // Quiet is school, own or none
	SchoolQuiet               string // what the school has, in words
	Digest, DigestAt          string // Digest is school or own
	SchoolDigest              string
	weekday                   schoolbell.Weekday
	Weekdays                  []site.Option
	NoDigest                  bool // no channel has digests
	Zone                      string
}

// newScheduleForm is the form of a person's own schedule.
func newScheduleForm(own schoolbell.Schedule) scheduleForm {
	f := scheduleForm{Quiet: ofPerson, QuietFrom: string(own.QuietHours.From), QuietTo: string(own.QuietHours.To), Digest: ofPerson, DigestAt: string(own.Digest.At), weekday: own.Digest.Weekday}
	switch {
	case own.QuietHours == (schoolbell.QuietHours{}):
		f.Quiet = ofSchool
	case own.QuietHours.From == own.QuietHours.To:
		f.Quiet, f.QuietFrom, f.QuietTo = ofNobody, "", ""
	}
	if own.Digest == (schoolbell.DigestWindow{}) {
		f.Digest = ofSchool
	}
	return f
}

// filled is the form as somebody has filled it in. A field that is not sent stays as it is.
func (f scheduleForm) filled(form url.Values) scheduleForm {
	for field, value := range map[string]*string{"quiet": &f.Quiet, "quiet_hours_from": &f.QuietFrom, "quiet_hours_to": &f.QuietTo, "digest": &f.Digest, "digest_at": &f.DigestAt} {
		if form.Has(field) {
			*value = strings.TrimSpace(form.Get(field))
		}
	}
	if form.Has("digest_weekday") {
		f.weekday = schoolbell.Weekday(form.Get("digest_weekday"))
	}
	return f
}

// schedule is what the form asks for, or what is wrong with it as [schoolbell.Faults].
func (f scheduleForm) schedule() (v schoolbell.Schedule, err error) {
	var faults schoolbell.Faults
	switch f.Quiet {
	case ofSchool:
	case ofNobody:
		v.QuietHours = schoolbell.QuietHours{From: "00:00", To: "00:00"}
	case ofPerson:
		v.QuietHours = schoolbell.QuietHours{From: schoolbell.ClockTime(cmp.Or(f.QuietFrom, " ")), To: schoolbell.ClockTime(cmp.Or(f.QuietTo, " "))}
		if f.QuietFrom == f.QuietTo && f.QuietTo != "" {
			faults.Add("quiet_hours.to", "must be another time than the beginning")
		}
	default:
		faults.Add("quiet", "must be school, own or none")
	}
	switch f.Digest {
	case ofSchool:
	case ofPerson:
		v.Digest = schoolbell.DigestWindow{At: schoolbell.ClockTime(cmp.Or(f.DigestAt, " ")), Weekday: f.weekday}
	default:
		faults.Add("digest", "must be school or own")
	}
	for _, fault := range schoolbell.FaultsOf(v.Validate()) {
		faults.Add(fault.Field, "%s", fault.Message)
	}
	return v, faults.Err()
}

// proposing is the form with times of the school in fields that have none, and with what the school has.
func (f scheduleForm) proposing(school schoolbell.SchoolSettings) scheduleForm {
	f.SchoolQuiet, f.SchoolDigest = "no quiet hours", digestWords(school.Digest)
	if q := school.QuietHours; q.From != q.To {
		f.SchoolQuiet = string(q.From) + " to " + string(q.To)
	}
	if f.Quiet != ofPerson {
		f.QuietFrom, f.QuietTo = proposedFrom, proposedTo
		if q := school.QuietHours; q.From != q.To {
			f.QuietFrom, f.QuietTo = string(q.From), string(q.To)
		}
	}
	if f.Digest != ofPerson {
		f.DigestAt, f.weekday = string(school.Digest.At), school.Digest.Weekday
	}
	f.Weekdays = []site.Option{{Value: "", Name: "every day", Current: f.weekday == ""}}
	for _, day := range schoolbell.Weekdays() {
		f.Weekdays = append(f.Weekdays, site.Option{Value: string(day), Name: site.StatusWord(string(day)), Current: day == f.weekday})
	}
	return f
}

// digestWords say when digests are sent.
func digestWords(w schoolbell.DigestWindow) string {
	if w.Weekday == "" {
		return "every day at " + string(w.At)
	}
	return site.StatusWord(string(w.Weekday)) + " at " + string(w.At)
}

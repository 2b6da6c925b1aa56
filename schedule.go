package schoolbell

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Schedule is when a user wants messages. A part that is zero is as the school has it.
type Schedule struct {
	QuietHours QuietHours   // from equal to to: none, although the school has some
	Digest     DigestWindow // when the digests of the user are sent
}

// Validate reports what is wrong with s as [Faults].
func (s Schedule) Validate() error {
	var f Faults
	s.QuietHours.check(&f)
	s.Digest.check(&f)
	return f.Err()
}

// Or returns s with the parts of the school in place of those that are zero.
func (s Schedule) Or(school SchoolSettings) Schedule {
	if s.QuietHours == (QuietHours{}) {
		s.QuietHours = school.QuietHours
	}
	if s.Digest == (DigestWindow{}) {
		s.Digest = school.Digest
	}
	return s
}

// QuietHours is the part of each day, in the recipient's time zone, in which only urgent
// messages are sent. It may go over midnight. The zero value is none.
type QuietHours struct {
	From ClockTime `json:"from" doc:"Local time, as hh:mm." example:"21:00"`
	To   ClockTime `json:"to" doc:"Local time, as hh:mm. An earlier time than from is on the next day." example:"07:00"`
}

// String returns q as text, such as 21:00-07:00; the zero value as the empty text.
func (q QuietHours) String() string {
	if q == (QuietHours{}) {
		return ""
	}
	return string(q.From + "-" + q.To)
}

// ParseQuietHours is the inverse of String. It does not check the two times, see Validate of [Schedule] and [SchoolSettings].
func ParseQuietHours(text string) (QuietHours, error) {
	from, to, ok := strings.Cut(text, "-")
	if !ok && text != "" {
		return QuietHours{}, fmt.Errorf("%q is not from-to, such as 21:00-07:00", text)
	}
	return QuietHours{From: ClockTime(from), To: ClockTime(to)}, nil
}

func (q QuietHours) check(f *Faults) {
	if q == (QuietHours{}) {
		return
	}
	q.From.check(f, "quiet_hours.from")
	q.To.check(f, "quiet_hours.to")
}

// End returns when the quiet hours that now is in end, and false if it is in none. They begin when clocks in the zone first
// show From, and end when clocks show To for the last time: if clocks go back, people are left alone for the hour that comes
// twice, and a time that clocks skip is the moment after it.
func (q QuietHours) End(now time.Time, zone *time.Location) (end time.Time, quiet bool) {
	from, errFrom := q.From.minutes()
	to, errTo := q.To.minutes()
	if errFrom != nil || errTo != nil || from == to {
		return time.Time{}, false
	}
	nights := 0
	if to < from {
		nights = 1
	}
	today := dayOf(now, zone)
	for _, day := range []int{today - 1, today} {
		begin, _ := localTimes(day, from, zone)
		if _, end = localTimes(day+nights, to, zone); !now.Before(begin) && now.Before(end) {
			return end, true
		}
	}
	return time.Time{}, false
}

// DigestWindow is when digests are sent: each day at a local time, or each week.
type DigestWindow struct {
	At      ClockTime `json:"at" doc:"Local time, as hh:mm." example:"17:00"`
	Weekday Weekday   `json:"weekday,omitempty" doc:"Each day if left out." example:"friday"`
}

// DefaultDigestWindow is that of schools that have chosen none.
func DefaultDigestWindow() DigestWindow { return DigestWindow{At: "17:00"} }

// Weekday is a day of the week in English, in lower case.
type Weekday string

// Weekdays lists the days of a week, in the order of time.Weekday.
func Weekdays() []Weekday {
	return []Weekday{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}
}

// String returns w as text, such as 17:00 or friday 17:00; the zero value as the empty text.
func (w DigestWindow) String() string {
	if w.Weekday == "" {
		return string(w.At)
	}
	return string(w.Weekday) + " " + string(w.At)
}

// ParseDigestWindow is the inverse of String. It does not check the time and the day, see Validate of [Schedule] and [SchoolSettings].
func ParseDigestWindow(text string) DigestWindow {
	if day, at, ok := strings.Cut(text, " "); ok {
		return DigestWindow{At: ClockTime(at), Weekday: Weekday(day)}
	}
	return DigestWindow{At: ClockTime(text)}
}

func (w DigestWindow) check(f *Faults) {
	if w == (DigestWindow{}) {
		return
	}
	w.At.check(f, "digest.at")
	if w.Weekday != "" && !slices.Contains(Weekdays(), w.Weekday) {
		f.Add("digest.weekday", "must be a day such as friday")
	}
}

// LastClose returns the last time at or before now at which the window closed. A time that clocks show twice closes it once, the first time.
func (w DigestWindow) LastClose(now time.Time, zone *time.Location) time.Time {
	at, err := w.At.minutes()
	if err != nil {
		at, _ = DefaultDigestWindow().At.minutes()
	}
	weekday := slices.Index(Weekdays(), w.Weekday)
	for day := dayOf(now, zone); ; day-- {
		if weekday >= 0 && weekdayOf(day) != time.Weekday(weekday) {
			continue
		}
		if closes, _ := localTimes(day, at, zone); !closes.After(now) {
			return closes
		}
	}
}

// ClockTime is a local time from 00:00 to 23:59, written as hh:mm.
type ClockTime string

func (c ClockTime) check(f *Faults, field string) {
	if _, err := c.minutes(); err != nil {
		f.Add(field, "must be a time such as 07:00")
	}
}

// minutes returns c in minutes after midnight.
func (c ClockTime) minutes() (int, error) {
	if len(c) != len("hh:mm") || c[2] != ':' {
		return 0, fmt.Errorf("%q is not hh:mm", string(c))
	}
	for _, i := range []int{0, 1, 3, 4} {
		if c[i] < '0' || c[i] > '9' {
			return 0, fmt.Errorf("%q is not hh:mm", string(c))
		}
	}
	hours, minutes := int(c[0]-'0')*10+int(c[1]-'0'), int(c[3]-'0')*10+int(c[4]-'0')
	if hours > 23 || minutes > 59 {
		return 0, fmt.Errorf("there is no time %q", string(c))
	}
	return hours*60 + minutes, nil
}

const secondsOfDay = 24 * 60 * 60

// dayOf returns the number of the day that a calendar in the zone shows at a time, counted from 1 January 1970.
func dayOf(t time.Time, zone *time.Location) int {
	year, month, day := t.In(zone).Date()
	return int(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / secondsOfDay)
}

// weekdayOf returns the day of the week of a day.
func weekdayOf(day int) time.Weekday { return time.Unix(int64(day)*secondsOfDay, 0).UTC().Weekday() }

// localTimes returns the first and the last time at which clocks in the zone show so many minutes after the midnight of a day.
// They differ on a day on which clocks go back. If clocks skip that time, both are the moment at which they do.
func localTimes(day, minutes int, zone *time.Location) (first, last time.Time) {
	const far = 36 * time.Hour // beyond any change of the clocks on that day
	shown := time.Unix(int64(day)*secondsOfDay+int64(minutes)*60, 0).UTC()
	_, before := shown.Add(-far).In(zone).Zone()
	_, after := shown.Add(far).In(zone).Zone()
	var found []time.Time
	for _, offset := range []int{max(before, after), min(before, after)} { // the larger offset has the earlier time
		t := shown.Add(-time.Duration(offset) * time.Second)
		if _, is := t.In(zone).Zone(); is == offset {
			found = append(found, t)
		}
	}
	if len(found) == 0 { // clocks go from before to after at the beginning of the zone that holds then
		skipped, _ := shown.Add(-time.Duration(before) * time.Second).In(zone).ZoneBounds()
		return skipped.UTC(), skipped.UTC()
	}
	return found[0], found[len(found)-1]
}

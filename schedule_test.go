package schoolbell_test

import (
	"slices"
	"testing"
	"time"

	"schoolbell"
)

// in returns a time zone.
func in(t testing.TB, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// at returns a time in RFC 3339.
func at(t testing.TB, text string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestQuietHoursEnd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, hours, zone, now, end string }{ // end: empty if it is not quiet
		{"in the evening", "21:00-07:00", "Europe/London", "2027-01-15T23:30:00Z", "2027-01-16T07:00:00Z"},
		{"in the morning", "21:00-07:00", "Europe/London", "2027-01-16T06:59:59Z", "2027-01-16T07:00:00Z"},
		{"at their end", "21:00-07:00", "Europe/London", "2027-01-16T07:00:00Z", ""},
		{"at their begin", "21:00-07:00", "Europe/London", "2027-01-16T21:00:00Z", "2027-01-17T07:00:00Z"},
		{"in the day", "21:00-07:00", "Europe/London", "2027-01-16T12:00:00Z", ""},
		{"within a day", "12:00-14:00", "Europe/Berlin", "2027-01-16T12:30:00Z", "2027-01-16T13:00:00Z"},
		{"the same time elsewhere", "21:00-07:00", "America/New_York", "2027-01-16T12:30:00Z", ""},
		{"another day elsewhere", "21:00-07:00", "Pacific/Kiritimati", "2027-01-16T12:30:00Z", "2027-01-16T17:00:00Z"},
		{"a zone of a quarter of an hour", "21:00-07:00", "Asia/Kathmandu", "2027-01-16T16:00:00Z", "2027-01-17T01:15:00Z"},
		{"just before them there", "21:00-07:00", "Asia/Kathmandu", "2027-01-16T15:14:59Z", ""},
		{"on a leap day", "21:00-07:00", "Europe/London", "2028-02-28T22:00:00Z", "2028-02-29T07:00:00Z"},
		{"after a leap day", "21:00-07:00", "Europe/London", "2028-02-29T22:00:00Z", "2028-03-01T07:00:00Z"},
		{"over a new year", "21:00-07:00", "Asia/Kolkata", "2027-12-31T18:00:00Z", "2028-01-01T01:30:00Z"},

		{"in a short night", "21:00-07:00", "Europe/Berlin", "2027-03-27T22:00:00Z", "2027-03-28T05:00:00Z"},
		{"before a time that is skipped", "22:00-02:30", "Europe/Berlin", "2027-03-28T00:59:00Z", "2027-03-28T01:00:00Z"},
		{"after a time that is skipped", "22:00-02:30", "Europe/Berlin", "2027-03-28T01:00:00Z", ""},
		{"skipped as a whole", "02:10-02:50", "Europe/Berlin", "2027-03-28T01:00:00Z", ""},
		{"begin at a time that is skipped", "02:30-04:00", "Europe/Berlin", "2027-03-28T01:00:00Z", "2027-03-28T02:00:00Z"},
		{"in a long night", "21:00-07:00", "Europe/Berlin", "2027-10-30T22:00:00Z", "2027-10-31T06:00:00Z"},
		{"before a time that comes twice", "22:00-02:30", "Europe/Berlin", "2027-10-31T00:10:00Z", "2027-10-31T01:30:00Z"},
		{"between its two times", "22:00-02:30", "Europe/Berlin", "2027-10-31T00:45:00Z", "2027-10-31T01:30:00Z"},
		{"after its second time", "22:00-02:30", "Europe/Berlin", "2027-10-31T01:30:00Z", ""},
		{"begin at a time that comes twice", "02:30-04:00", "Europe/Berlin", "2027-10-31T00:30:00Z", "2027-10-31T03:00:00Z"},
		{"within the hour that comes twice", "02:10-02:50", "Europe/Berlin", "2027-10-31T01:00:00Z", "2027-10-31T01:50:00Z"},
		{"clocks that change by half an hour", "21:00-02:00", "Australia/Lord_Howe", "2027-04-03T14:45:00Z", "2027-04-03T15:30:00Z"},
		{"clocks that change at midnight", "23:30-00:30", "America/Havana", "2027-03-14T04:45:00Z", "2027-03-14T05:00:00Z"},

		{"from as to", "07:00-07:00", "Europe/London", "2027-01-16T07:00:00Z", ""},
		{"all but a minute", "07:00-06:59", "Europe/London", "2027-01-16T07:00:00Z", "2027-01-17T06:59:00Z"},
		{"in the minute that is left", "07:00-06:59", "Europe/London", "2027-01-16T06:59:30Z", ""},
		{"none", "", "Europe/London", "2027-01-16T07:00:00Z", ""},
		{"no times", "x-y", "Europe/London", "2027-01-16T07:00:00Z", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			q, err := schoolbell.ParseQuietHours(c.hours)
			if err != nil {
				t.Fatal(err)
			}
			end, quiet := q.End(at(t, c.now), in(t, c.zone))
			got := ""
			if quiet {
				got = end.UTC().Format(time.RFC3339)
			}
			if got != c.end {
				t.Errorf("ends at %q, want %q", got, c.end)
			}
			if got := q.String(); got != c.hours {
				t.Errorf("written as %q, want %q", got, c.hours)
			}
		})
	}
}

func TestLastClose(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, window, zone, now, want string }{
		{"today", "17:00", "Europe/London", "2027-01-15T18:00:00Z", "2027-01-15T17:00:00Z"},
		{"at the time", "17:00", "Europe/London", "2027-01-15T17:00:00Z", "2027-01-15T17:00:00Z"},
		{"yesterday", "17:00", "Europe/London", "2027-01-15T16:59:59Z", "2027-01-14T17:00:00Z"},
		{"another day elsewhere", "17:00", "Asia/Kathmandu", "2027-01-15T11:15:00Z", "2027-01-15T11:15:00Z"},
		{"on a Friday", "friday 17:00", "Europe/London", "2027-01-15T17:00:00Z", "2027-01-15T17:00:00Z"},
		{"after it", "friday 17:00", "Europe/London", "2027-01-21T12:00:00Z", "2027-01-15T17:00:00Z"},
		{"just before it", "friday 17:00", "Europe/London", "2027-01-22T16:59:59Z", "2027-01-15T17:00:00Z"},
		{"on a Sunday elsewhere", "sunday 00:30", "Pacific/Auckland", "2027-01-16T12:00:00Z", "2027-01-16T11:30:00Z"},
		{"on a leap day", "tuesday 08:00", "Europe/London", "2028-03-01T07:00:00Z", "2028-02-29T08:00:00Z"},
		{"on a day without that time", "02:30", "Europe/Berlin", "2027-03-28T12:00:00Z", "2027-03-28T01:00:00Z"},
		{"on a day with that time twice", "02:30", "Europe/Berlin", "2027-10-31T00:30:00Z", "2027-10-31T00:30:00Z"},
		{"at its second time", "02:30", "Europe/Berlin", "2027-10-31T01:45:00Z", "2027-10-31T00:30:00Z"},
		{"on a day that was left out", "17:00", "Pacific/Apia", "2011-12-30T12:00:00Z", "2011-12-30T10:00:00Z"},
		{"no window", "", "Europe/London", "2027-01-15T18:00:00Z", "2027-01-15T17:00:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := schoolbell.ParseDigestWindow(c.window)
			if got := w.LastClose(at(t, c.now), in(t, c.zone)).UTC().Format(time.RFC3339); got != c.want {
				t.Errorf("closed at %s, want %s", got, c.want)
			}
			if got := w.String(); got != c.window {
				t.Errorf("written as %q, want %q", got, c.window)
			}
		})
	}
}

// Quiet hours end when they say, whatever the time: the end is not quiet, and the moment before is.
func FuzzQuietHoursEnd(f *testing.F) {
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia", "America/Havana", "Africa/Casablanca"}
	f.Add(uint8(1), uint16(21*60), uint16(7*60), int64(1_800_000_000))
	f.Add(uint8(6), uint16(10), uint16(0), int64(1_805_000_400))
	f.Fuzz(func(t *testing.T, zone uint8, from, to uint16, seconds int64) {
		clock := func(minutes uint16) schoolbell.ClockTime {
			return schoolbell.ClockTime(time.Unix(int64(minutes%1440)*60, 0).UTC().Format("15:04"))
		}
		q := schoolbell.QuietHours{From: clock(from), To: clock(to)}
		now, where := time.Unix(seconds%4_000_000_000, 0), in(t, zones[int(zone)%len(zones)])
		end, quiet := q.End(now, where)
		if !quiet {
			return
		}
		if !end.After(now) || end.Sub(now) > 50*time.Hour {
			t.Fatalf("%s at %v in %v end at %v", q, now.UTC(), where, end)
		}
		if before, still := q.End(end.Add(-time.Second), where); !still || !before.Equal(end) {
			t.Errorf("%s: quiet until %v, but a second before until %v, %v", q, end, before, still)
		}
	})
}

func TestPreferenceValidate(t *testing.T) {
	t.Parallel()
	type preference = schoolbell.Preference
	for _, c := range []struct {
		name      string
		p         preference
		mandatory bool
		want      []string
	}{
		{"instant", preference{"event", "email", "instant"}, false, nil},
		{"in a digest", preference{"event", "email", "digest"}, false, nil},
		{"off", preference{"event", "email", "off"}, false, nil},
		{"mandatory and instant", preference{"urgent", "email", "instant"}, true, nil},
		{"mandatory and in a digest", preference{"urgent", "email", "digest"}, true, []string{"category"}},
		{"mandatory and off", preference{"urgent", "email", "off"}, true, []string{"category"}},
		{"a text message in a digest", preference{"event", "sms", "digest"}, false, []string{"channel"}},
		{"the inbox in a digest", preference{"event", "in_app", "digest"}, false, []string{"channel"}},
		{"the inbox off", preference{"event", "in_app", "off"}, false, []string{"channel"}},
		{"a digest in a digest", preference{"digest", "email", "digest"}, false, []string{"category"}},
		{"no digests", preference{"digest", "email", "off"}, false, nil},
		{"another mode", preference{"event", "email", "weekly"}, false, []string{"mode"}},
		{"no mode", preference{"event", "email", ""}, false, []string{"mode"}},
		{"a channel that cannot be", preference{"event", "Y", "off"}, false, []string{"channel"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := fields(t, c.p.Validate(schoolbell.CategoryInfo{ID: c.p.Category, Mandatory: c.mandatory})); !slices.Equal(got, c.want) {
				t.Errorf("faults in %q, want %q", got, c.want)
			}
		})
	}
}

func TestScheduleValidate(t *testing.T) {
	t.Parallel()
	type schedule = schoolbell.Schedule
	for _, c := range []struct {
		name string
		s    schedule
		want []string
	}{
		{"that of the school", schedule{}, nil},
		{"everything", schedule{schoolbell.QuietHours{From: "21:00", To: "07:00"}, schoolbell.DigestWindow{At: "17:00", Weekday: "friday"}}, nil},
		{"no quiet hours", schedule{QuietHours: schoolbell.QuietHours{From: "00:00", To: "00:00"}}, nil},
		{"half of the quiet hours", schedule{QuietHours: schoolbell.QuietHours{To: "07:00"}}, []string{"quiet_hours.from"}},
		{"times that no day has", schedule{schoolbell.QuietHours{From: "24:00", To: "7:00"}, schoolbell.DigestWindow{At: "12:60"}},
			[]string{"quiet_hours.from", "quiet_hours.to", "digest.at"}},
		{"a day that no week has", schedule{Digest: schoolbell.DigestWindow{At: "17:00", Weekday: "Freitag"}}, []string{"digest.weekday"}},
		{"a day without a time", schedule{Digest: schoolbell.DigestWindow{Weekday: "friday"}}, []string{"digest.at"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := fields(t, c.s.Validate()); !slices.Equal(got, c.want) {
				t.Errorf("faults in %q, want %q", got, c.want)
			}
		})
	}
}

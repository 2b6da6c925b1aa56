package api_test

import (
	"context"
	"errors"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/internal/api"
	"schoolbell/wire"
)

func TestPreferencePageSchedule(t *testing.T) {
	t.Parallel()
	t.Run("it shows what holds and leaves what is the school's", testPageScheduleShows)
	t.Run("quiet hours and digests are stored", testPageScheduleSaves)
	t.Run("a field with a fault says so and nothing is stored", testPageScheduleFaults)
	t.Run("the language is stored and survives an import", testPageLanguage)
	t.Run("a calendar link is created and stopped", testPageCalendar)
	t.Run("what cannot be stored stays on the page", testPageScheduleUnavailable)
}

// fields are the values of the fields of a page, and the options that are selected.
func fields(page string) map[string]string {
	values := map[string]string{}
	for _, m := range regexp.MustCompile(`name="([a-z_]+)" type="time" value="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		values[m[1]] = m[2]
	}
	for _, m := range regexp.MustCompile(`(?s)<select [^>]*name="([a-z_]+)">(.*?)</select>`).FindAllStringSubmatch(page, -1) {
		if on := regexp.MustCompile(`<option value="([^"]*)"[^>]* selected>([^<]*)<`).FindStringSubmatch(m[2]); on != nil {
			values[m[1]] = on[1] + " " + on[2]
		}
	}
	if strings.Contains(page, `name="quiet" value="on" checked`) {
		values["quiet"] = "on"
	}
	return values
}

func (s *server) wantFields(when, page string, want map[string]string) {
	s.t.Helper()
	got := fields(page)
	for name, value := range want {
		if got[name] != value {
			s.t.Errorf("%s: %s is %q, want %q", when, name, got[name], value)
		}
	}
}

// full is a form as a browser sends it, with other values for some fields.
func full(page string, change map[string]string) url.Values {
	form := url.Values{}
	for name, value := range fields(page) {
		value, _, _ = strings.Cut(value, " ")
		form.Set(name, value)
	}
	for name, value := range change {
		form.Set(name, value)
	}
	return form
}

func (s *server) ownSchedule(user string) string {
	s.t.Helper()
	got, err := s.Schedule(s.t.Context(), user)
	must(s.t, err)
	return got.QuietHours.String() + ", " + got.Digest.String()
}

func testPageScheduleShows(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.setSchool(func(v *wire.Settings) {
		v.QuietHours, v.Digest = schoolbell.QuietHours{From: "20:30", To: "06:45"}, schoolbell.DigestWindow{At: "16:00", Weekday: "friday"}
		v.Timezone = "Europe/London"
	})
	s.user("u1")
	path := s.choicesOf("u1")
	page := s.visit(path).body
	s.wantFields("at first", page, map[string]string{"quiet": "on", "quiet_from": "20:30", "quiet_to": "06:45", "digest_day": "friday Friday", "digest_at": "16:00", "language": "en English"})
	if !strings.Contains(page, "time zone \u2066Europe/London\u2069") || strings.Contains(page, "aria-invalid") {
		t.Errorf("the page is\n%s", page)
	}
	if a := s.saves(path, full(page, nil)); a.StatusCode != 303 {
		t.Errorf("%d\n%s", a.StatusCode, a.body)
	}
	if got := s.ownSchedule("u1"); got != ", " || len(s.entries("u1")) != 0 {
		t.Errorf("a form without changes stores %q and %+v", got, s.entries("u1"))
	}
	s.setSchool(func(v *wire.Settings) { v.QuietHours = schoolbell.QuietHours{} })
	s.wantFields("without quiet hours", s.visit(path).body, map[string]string{"quiet": "", "quiet_from": "21:00", "quiet_to": "07:00"})
	none := newServer(t, func(c *api.Config) { c.Channels = []schoolbell.Channel{"in_app", "sms"} })
	none.user("u1")
	if page := none.visit(none.choicesOf("u1")).body; strings.Contains(page, "digest_at") {
		t.Errorf("a school without email has digests:\n%s", page)
	}
}

func testPageScheduleSaves(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	path := s.choicesOf("u1")
	for _, c := range []struct {
		name   string
		change map[string]string
		drop   string
		want   string
	}{
		{"quiet hours", map[string]string{"quiet": "on", "quiet_from": "22:00", "quiet_to": " 06:00 "}, "", "22:00-06:00, "},
		{"a weekly digest", map[string]string{"digest_day": "monday"}, "", "22:00-06:00, monday 17:00"},
		{"a daily digest", map[string]string{"digest_day": "", "digest_at": "07:15"}, "", "22:00-06:00, 07:15"},
		{"other quiet hours", map[string]string{"quiet_to": "05:00"}, "", "22:00-05:00, 07:15"},
		{"no quiet hours", nil, "quiet", "00:00-00:00, 07:15"},
		{"none again", map[string]string{"quiet_from": "x"}, "quiet", "00:00-00:00, 07:15"},
		{"quiet hours again", map[string]string{"quiet": "on"}, "", "21:00-07:00, 07:15"},
	} {
		form := full(s.visit(path).body, c.change)
		form.Del(c.drop)
		if a := s.saves(path, form); a.StatusCode != 303 || !strings.HasSuffix(a.Header.Get("Location"), "?saved") {
			t.Errorf("%s: %d\n%s", c.name, a.StatusCode, a.body)
		}
		if got := s.ownSchedule("u1"); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	got := s.entries("u1")
	if len(got) != 6 || got[0].Action != "user.put_schedule" || got[0].Changes["page"] != "preferences" {
		t.Errorf("the audit has %+v", got)
	}
	s.saves(path, url.Values{"event.email": {"off"}})
	if got := s.ownSchedule("u1"); got != "21:00-07:00, 07:15" {
		t.Errorf("a form without times stores %q", got)
	}
}

func testPageScheduleFaults(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	path := s.choicesOf("u1")
	page := s.visit(path).body
	for _, c := range []struct {
		name   string
		change map[string]string
		fields []string
	}{
		{"no time", map[string]string{"quiet": "on", "quiet_from": ""}, []string{"quiet_from"}},
		{"no times", map[string]string{"quiet": "on", "quiet_from": "", "quiet_to": ""}, []string{"quiet_from", "quiet_to"}},
		{"another time", map[string]string{"quiet": "on", "quiet_to": "25:00"}, []string{"quiet_to"}},
		{"the same time", map[string]string{"quiet": "on", "quiet_from": "07:00"}, []string{"quiet_to"}},
		{"markup", map[string]string{"digest_at": `"><script>`}, []string{"digest_at"}},
		{"no digest", map[string]string{"digest_at": ""}, []string{"digest_at"}},
	} {
		form := full(page, c.change)
		form.Set("event.email", "off")
		a := s.saves(path, form)
		var marked []string
		for _, m := range regexp.MustCompile(`name="([a-z_]+)" type="time" value="[^"]*" aria-invalid="true" aria-describedby="([a-z_]+)-fault"`).FindAllStringSubmatch(a.body, -1) {
			if m[1] == m[2] && strings.Contains(a.body, `id="`+m[1]+`-fault"`) {
				marked = append(marked, m[1])
			}
		}
		if a.StatusCode != 422 || !strings.Contains(a.body, "Please correct what is marked.") || strings.Contains(a.body, "<script") {
			t.Errorf("%s: %d\n%s", c.name, a.StatusCode, a.body)
		}
		want := map[string]bool{}
		for _, f := range c.fields {
			want[f] = true
		}
		for _, m := range marked {
			if !want[m] {
				t.Errorf("%s: %s is marked", c.name, m)
			}
		}
		if len(marked) != len(want) || !strings.Contains(strings.Join(checked(a.body), " "), "event.email=off") {
			t.Errorf("%s: marked are %v in\n%s", c.name, marked, a.body)
		}
		if name := c.fields[0]; name != "digest_at" && c.change[name] != "" && fields(a.body)[name] != c.change[name] {
			t.Errorf("%s: the field has %q", c.name, fields(a.body)[name])
		}
	}
	for name, change := range map[string]map[string]string{"a day": {"digest_day": "Friday"}, "a language": {"language": "tlh"}, "no language": {"language": ""}, "a button": {"calendar": "sell"}} {
		if a := s.saves(path, full(page, change)); a.StatusCode != 422 && a.StatusCode != 400 {
			t.Errorf("%s: %d\n%s", name, a.StatusCode, a.body)
		}
	}
	s.wantModes("after forms with faults", "u1")
	if got := s.ownSchedule("u1"); got != ", " || len(s.entries("u1")) != 0 {
		t.Errorf("stored is %q and %+v", got, s.entries("u1"))
	}
}

func testPageLanguage(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	put := func(locale string) {
		t.Helper()
		_, _, err := s.PutUser(t.Context(), schoolbell.User{ID: "u1", Name: "Yara", Locale: locale, Roles: []schoolbell.Role{schoolbell.RoleParent}})
		must(t, err)
	}
	language := func() string {
		t.Helper()
		u, err := s.User(t.Context(), "u1")
		must(t, err)
		return u.Locale
	}
	put("pl")
	path := s.choicesOf("u1")
	page := s.visit(path).body
	s.wantFields("of an imported person", page, map[string]string{"language": "pl pl"})
	put("es-MX")
	page = s.visit(path).body
	s.wantFields("of a region", page, map[string]string{"language": "es-MX Español"})
	s.saves(path, full(page, nil))
	if got := s.entries("u1"); language() != "es-MX" || len(got) > 0 {
		t.Errorf("a form without changes stores %s and %+v", language(), got)
	}
	// A form with a fault keeps the choice, and the language before can still be chosen.
	again := s.saves(path, full(page, map[string]string{"language": "ar", "digest_at": ""})).body
	s.wantFields("after a fault", again, map[string]string{"language": "ar العربية"})
	if a := s.saves(path, full(again, map[string]string{"language": "es-MX", "digest_at": "17:00"})); a.StatusCode != 303 {
		t.Errorf("%d\n%s", a.StatusCode, a.body)
	}
	s.saves(path, full(page, map[string]string{"language": "ar"}))
	if a := s.visit(path + "?saved"); !strings.Contains(a.body, `<html lang="ar" dir="rtl">`) || !strings.Contains(a.body, "تم الحفظ.") {
		t.Errorf("after the choice the page is\n%s", a.body)
	}
	put("es-MX")
	if got := s.entries("u1"); language() != "ar" || len(got) != 1 || got[0].Action != "user.put_language" {
		t.Errorf("after an import it is %s, and the audit has %+v", language(), got)
	}
}

func testPageCalendar(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	path := s.choicesOf("u1")
	feed := func() string {
		t.Helper()
		page := s.visit(path + "?calendar").body
		found := regexp.MustCompile(`readonly value="https://bell\.school\.example(/calendar/[^"]+)"`).FindStringSubmatch(page)
		if found == nil {
			return ""
		}
		if !strings.Contains(page, `href="webcal://bell.school.example`+found[1]+`"`) || !strings.Contains(page, "Your calendar link is ready.") {
			t.Errorf("the page is\n%s", page)
		}
		return found[1]
	}
	press := func(button string) {
		t.Helper()
		if a := s.saves(path, url.Values{"calendar": {button}}); a.StatusCode != 303 || "/preferences/"+a.Header.Get("Location") != path+"?calendar#calendar" {
			t.Errorf("%s: %d %v\n%s", button, a.StatusCode, a.Header, a.body)
		}
	}
	if got := feed(); got != "" {
		t.Errorf("there is a feed at first: %s", got)
	}
	press("start")
	first := feed()
	press("start") // a second time changes nothing
	if again := feed(); first == "" || again != first {
		t.Errorf("the feed is %q, then %q", first, again)
	}
	s.feedLines(first)
	press("stop")
	press("stop")
	if got := feed(); got != "" {
		t.Errorf("there is a feed after Stop: %s", got)
	}
	if a := s.visit(first); a.StatusCode != 404 {
		t.Errorf("the feed after Stop: %d", a.StatusCode)
	}
	got := s.entries("u1")
	if len(got) != 2 || got[0].Action != "user.revoke_calendar" || got[1].Action != "user.create_calendar" || got[1].Changes["page"] != "preferences" {
		t.Errorf("the audit has %+v", got)
	}
}

// unsavedSchedules keeps no schedules.
type unsavedSchedules struct{ api.Schedules }

func (unsavedSchedules) Put(context.Context, string, schoolbell.Schedule) error {
	return &schoolbell.Error{Code: schoolbell.CodeUnavailable, Message: "the ledger is unavailable", Err: errors.New(secretText)}
}

func testPageScheduleUnavailable(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *api.Config) { c.Schedules = unsavedSchedules{c.Schedules} })
	s.user("u1")
	path := s.choicesOf("u1")
	a := s.saves(path, full(s.visit(path).body, map[string]string{"quiet": "on", "quiet_from": "22:22", "language": "fr"}))
	if a.StatusCode != 503 || !strings.Contains(a.body, "Not saved. Please try again.") || strings.Contains(a.body, "hunter2") {
		t.Errorf("%d %v\n%s", a.StatusCode, a.Header, a.body)
	}
	s.wantFields("after a failure", a.body, map[string]string{"quiet": "on", "quiet_from": "22:22", "language": "fr Français"})
}

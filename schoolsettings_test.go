package schoolbell_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"schoolbell"
)

func TestSchoolSettingsValidate(t *testing.T) {
	t.Parallel()
	type settings = schoolbell.SchoolSettings
	for _, c := range []struct {
		name   string
		change func(*settings)
		want   []string
	}{
		{"the defaults", func(*settings) {}, nil},
		{"everything set", func(s *settings) {
			s.Logo, s.Colours = "https://school.example:8443/logo.png?v=2", schoolbell.Colours{Primary: "#1c5fb8", Accent: "#1a7346"}
			s.Signature, s.Language, s.Timezone = "Kind regards,\nthe office", "pt-BR", "Europe/Lisbon"
			s.Digest, s.QuietHours = schoolbell.DigestWindow{At: "00:00", Weekday: "friday"}, schoolbell.QuietHours{From: "21:00", To: "07:00"}
		}, nil},
		{"no name", func(s *settings) { s.Name = "" }, []string{"name"}},
		{"a name of two lines", func(s *settings) { s.Name = "a\nb" }, []string{"name"}},
		{"a name too long", func(s *settings) { s.Name = strings.Repeat("ß", schoolbell.MaxNameLength+1) }, []string{"name"}},
		{"a logo over http", func(s *settings) { s.Logo = "http://school.example/logo.png" }, []string{"logo"}},
		{"a logo in the settings", func(s *settings) { s.Logo = "data:image/png;base64,iVBORw0KGgo=" }, []string{"logo"}},
		{"a logo on this machine", func(s *settings) { s.Logo = "https://localhost/logo.png" }, []string{"logo"}},
		{"a logo behind a password", func(s *settings) { s.Logo = "https://a:b@school.example/logo.png" }, []string{"logo"}},
		{"a logo with a space", func(s *settings) { s.Logo = "https://school.example/a b.png" }, []string{"logo"}},
		{"a logo too long", func(s *settings) { s.Logo = "https://school.example/" + strings.Repeat("x", schoolbell.MaxLogoLength) }, []string{"logo"}},
		{"colours by name", func(s *settings) { s.Colours = schoolbell.Colours{Primary: "red", Accent: "#12"} }, []string{"colours.primary", "colours.accent"}},
		{"a signature with a control character", func(s *settings) { s.Signature = "a\x00b" }, []string{"signature"}},
		{"a signature too long", func(s *settings) { s.Signature = strings.Repeat("ß", schoolbell.MaxSignatureLength+1) }, []string{"signature"}},
		{"no language and no time zone", func(s *settings) { s.Language, s.Timezone = "", "" }, []string{"language", "timezone"}},
		{"an unknown time zone", func(s *settings) { s.Timezone = "Mars/Olympus" }, []string{"timezone"}},
		{"a digest at no time, on no day", func(s *settings) { s.Digest = schoolbell.DigestWindow{At: "24:00", Weekday: "Friday"} }, []string{"digest.at", "digest.weekday"}},
		{"a digest without a time", func(s *settings) { s.Digest = schoolbell.DigestWindow{Weekday: "friday"} }, []string{"digest.at"}},
		{"quiet hours that no day has", func(s *settings) { s.QuietHours = schoolbell.QuietHours{From: "24:00", To: "7:00"} }, []string{"quiet_hours.from", "quiet_hours.to"}},
		{"quiet hours without an end", func(s *settings) { s.QuietHours.From = "21:00" }, []string{"quiet_hours.to"}},
		{"quiet hours of a whole day", func(s *settings) { s.QuietHours = schoolbell.QuietHours{From: "07:00", To: "07:00"} }, []string{"quiet_hours.to"}},
		{"retention in words", func(s *settings) { s.Retention.Events, s.Retention.Inbox = "two years", "0" }, []string{"retention.events", "retention.inbox"}},
		{"retention left to the server, or without an end", func(s *settings) { s.Retention.Events, s.Retention.Audit = "", schoolbell.Forever }, nil},
		{"retention too short", func(s *settings) { s.Retention.Deliveries, s.Retention.Idempotency = "23h", "0h" }, []string{"retention.deliveries", "retention.idempotency"}},
		{"retention too long", func(s *settings) { s.Retention.Audit, s.Retention.Receipts = "36501d", "99999d" }, []string{"retention.receipts", "retention.audit"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := schoolbell.DefaultSchoolSettings()
			c.change(&s)
			if got := fields(t, s.Validate()); !slices.Equal(got, c.want) {
				t.Errorf("faults in %q, want %q", got, c.want)
			}
		})
	}
}

func TestSchoolSettingsNormalize(t *testing.T) {
	t.Parallel()
	s := schoolbell.DefaultSchoolSettings()
	s.Name, s.Logo, s.Signature, s.Colours.Primary = " Hill School ", " https://school.example/l.png ", "\r\nKind regards,\r\nthe office\r\n", "#1C5FB8"
	s.Normalize()
	if s.Name != "Hill School" || s.Logo != "https://school.example/l.png" || s.Signature != "Kind regards,\nthe office" || s.Colours.Primary != "#1c5fb8" {
		t.Errorf("normalized into %+v", s)
	}
}

func TestPeriods(t *testing.T) {
	t.Parallel()
	for text, want := range map[schoolbell.Period]time.Duration{
		"1h": time.Hour, "36h": 36 * time.Hour, "7d": 168 * time.Hour, "99999d": 99999 * 24 * time.Hour,
		"": 0, "d": 0, "0d": 0, "07d": 0, "7": 0, "7d\n": 0, "7m": 0, "-7d": 0, "100000d": 0, "7d7h": 0, "١d": 0,
	} {
		if got, ok := text.Duration(); got != want || ok != (want != 0) {
			t.Errorf("%q is %v, %v; want %v", text, got, ok, want)
		}
	}
}

// Settings that are accepted keep their form, and have periods that are in the limits.
func FuzzSchoolSettings(f *testing.F) {
	for _, seed := range []string{
		`{"name":"Hill School","language":"en","timezone":"UTC","digest":{"at":"17:00"},"retention":{"events":"730d","deliveries":"365d","inbox":"365d","receipts":"90d","audit":"1095d","idempotency":"7d"}}`,
		`{"name":"A","logo":"https://school.example/l.png","colours":{"primary":"#FFFFFF"},"signature":"a\r\nb","language":"pt-BR","timezone":"Europe/Lisbon","digest":{"at":"00:00","weekday":"friday"},"quiet_hours":{"from":"21:00","to":"07:00"},"retention":{"events":"24h","deliveries":"1d","inbox":"1d","receipts":"1d","audit":"36500d","idempotency":"1h"}}`,
		`{}`, `null`, `{"logo":"https://"}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s schoolbell.SchoolSettings
		if json.Unmarshal([]byte(text), &s) != nil {
			return
		}
		s.Normalize()
		if s.Validate() != nil {
			return
		}
		stored, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back schoolbell.SchoolSettings
		if err := json.Unmarshal(stored, &back); err != nil {
			t.Fatal(err)
		}
		back.Normalize()
		if diff := cmp.Diff(s, back); diff != "" || back.Validate() != nil {
			t.Errorf("changes when it is stored: %s", diff)
		}
		if d, ok := s.Retention.Events.Duration(); !ok || d < 24*time.Hour || d > 36_500*24*time.Hour {
			t.Errorf("events are kept for %v", d)
		}
		if s.Logo != "" && !strings.HasPrefix(strings.ToLower(s.Logo), "https://") {
			t.Errorf("the logo is %q", s.Logo)
		}
	})
}

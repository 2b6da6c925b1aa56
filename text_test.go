package schoolbell_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"schoolbell"
)

func TestEventText(t *testing.T) {
	t.Parallel()
	t.Run("every kind of line break becomes a newline", testEventTextLineBreaks)
	t.Run("Unicode controls are valid only where text needs them", testEventTextUnicode)
	t.Run("a bidirectional isolate must end on its line", testEventTextIsolate)
}

func testEventTextLineBreaks(t *testing.T) {
	t.Parallel()
	e := sportsDay(func(e *schoolbell.Event) { e.Body = "a\r\nb\rc\vd\fe\u0085f\u2028g\u2029h\n" })
	e.Normalize()
	if want := "a\nb\nc\nd\ne\nf\ng\nh\n"; e.Body != want {
		t.Errorf("body %q, want %q", e.Body, want)
	}
	if err := e.Validate(now); err != nil {
		t.Error(err)
	}
}

func testEventTextUnicode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		title string
		want  bool
	}{
		{"a zero-width joiner in an emoji", "Family day 👨\u200d👩\u200d👧", true},
		{"a zero-width non-joiner in Persian", "می\u200cخواهم", true},
		{"left-to-right and right-to-left marks", "\u200eA\u200f ب", true},
		{"an isolate that is closed", "Class \u20685b\u2069 today", true},
		{"isolates within each other", "\u2067a\u2066b\u2069c\u2069", true},
		{"a combining accent", "Cafe\u0301", true},
		{"nothing but a zero-width space", "\u200b", false},
		{"nothing but joiners and marks", "\u200d\u200c\u200e\u2060\ufeff", false},
		{"nothing but a Hangul filler", "\u3164 \u115f", false},
		{"nothing but an empty Braille pattern", "\u2800", false},
		{"nothing but blanks of other scripts", "\uffa0\U00013441\U00013442\U0001d159", false},
		{"nothing but variation selectors", "\ufe0f\ufe0f", false},
		{"nothing but spaces of other widths", "\u2003\u00a0\u3000", false},
		{"a right-to-left override", "Sports \u202eyad", false},
		{"an embedding, closed too", "\u202aa\u202c", false},
		{"an isolate that stays open", "a \u2067b", false},
		{"an isolate that is closed twice", "\u2067a\u2069\u2069b", false},
		{"a close before the open", "\u2069a\u2067", false},
		{"a next-line control", "a\u0085b", false},
		{"a line separator", "a\u2028b", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := sportsDay(func(e *schoolbell.Event) {
				e.Title, e.Body, e.Location = c.title, strings.ReplaceAll(c.title, "\u2028", "\x00"), c.title
			})
			var want []string
			if !c.want {
				want = []string{"title", "body", "location"}
			}
			got := fields(t, e.Validate(now))
			if c.title == "a\u0085b" { // a control character anywhere, a line break in a body once it is normalized
				want = []string{"title", "body", "location"}
			}
			if !slices.Equal(got, want) {
				t.Errorf("faults in %q, want %q", got, want)
			}
			g := schoolbell.Group{ID: "x", Name: c.title, Kind: schoolbell.GroupClub}
			u := schoolbell.User{ID: "x", Name: c.title, Roles: []schoolbell.Role{schoolbell.RoleParent}}
			if (g.Validate() == nil) != c.want || (u.Validate() == nil) != c.want {
				t.Errorf("group %v, user %v; want valid %v", g.Validate(), u.Validate(), c.want)
			}
		})
	}
}

func testEventTextIsolate(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]bool{"\u2067a\u2069\n\u2067b\u2069": true, "\u2067a\nb\u2069": false, "a\n\u2069": false} {
		e := sportsDay(func(e *schoolbell.Event) { e.Body = body })
		if err := e.Validate(now); (err == nil) != want {
			t.Errorf("%q: %v, want valid %v", body, err, want)
		}
	}
}

func TestTimeRange(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"1970-01-01T00:00:00Z": true, "9999-12-31T23:59:59Z": true, "9999-12-31T23:59:59+01:00": true,
		"9999-12-31T23:59:59-23:59": false, "1970-01-01T00:00:00+00:01": false, "1969-12-31T23:59:59Z": false, "0001-01-02T00:00:00Z": false,
	} {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		e := sportsDay(func(e *schoolbell.Event) { e.StartsAt, e.EndsAt = at, at })
		e.Normalize()
		var blamed []string
		if !want {
			blamed = []string{"starts_at", "ends_at"}
		}
		if got := fields(t, e.Validate(now)); !slices.Equal(got, blamed) {
			t.Errorf("%s: faults in %q, want %q", text, got, blamed)
		}
		e = sportsDay(func(e *schoolbell.Event) { e.SendAt = at })
		if got := fields(t, e.Validate(now)); !want && !slices.Contains(got, "send_at") {
			t.Errorf("send_at %s: faults in %q", text, got)
		}
		e = sportsDay(func(e *schoolbell.Event) { e.ExpiresAt = at })
		if got := fields(t, e.Validate(now)); !want && !slices.Contains(got, "expires_at") {
			t.Errorf("expires_at %s: faults in %q", text, got)
		}
	}
}

func TestValidTimezone(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"Europe/London": true, "UTC": true, "America/Argentina/Buenos_Aires": true, "Etc/GMT+5": true,
		"": false, "Local": false, "localtime": false, "posixrules": false, "Factory": false, "posix/Europe/London": false,
		"right/UTC": false, "./UTC": false, "Europe//London": false, "Europe/./London": false, "Europe/London/": false, `Europe\London`: false, "../etc/passwd": false, "/etc/localtime": false, "Europe": false, "Mars/Olympus": false, "zone.tab": false,
		"tzdata.zi": false, "leapseconds": false,
	} {
		if got := schoolbell.ValidTimezone(name); got != want {
			t.Errorf("%q: valid %v, want %v", name, got, want)
		}
		u := schoolbell.User{ID: "x", Name: "X", Roles: []schoolbell.Role{schoolbell.RoleParent}, Timezone: name}
		if got := fields(t, u.Validate()); name != "" && (len(got) == 0) != want {
			t.Errorf("a user in %q: faults in %q, want valid %v", name, got, want)
		}
	}
}

func TestValidJSONText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`{"a":"b"}`: true, `"\ud83c\udf93"`: true, `"\u00e9\\ud800"`: true, `"\\\\ud800"`: true, `"\uD83C\uDF93x"`: true,
		"\"caf\xe9\"": false, `"\ud800"`: false, `"\udc00"`: false, `"\ud800\ud800"`: false, `"\ud800 \udc00"`: false, `"\ud800\n"`: false,
		`"\uDBFF`: false, "\"\xed\xa0\x80\"": false,
	} {
		if got := schoolbell.ValidJSONText([]byte(text)); got != want {
			t.Errorf("%s: valid %v, want %v", text, got, want)
		}
	}
}

// Text that is called valid is decoded to what was written, without replacements.
func FuzzValidJSONText(f *testing.F) {
	for _, s := range []string{`"\ud83c\udf93"`, `"\\ud800"`, `"\ud800\\udc00"`, "\"\xff\"", `"\u`, `"\ud8`, `"\uFFFD"`, "\"\ufffd\""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		valid := schoolbell.ValidJSONText(data)
		var s string
		if json.Unmarshal(data, &s) != nil {
			return
		}
		replaced := strings.Count(s, "\ufffd") > strings.Count(string(data), "\ufffd")+strings.Count(strings.ToLower(string(data)), `\ufffd`)
		switch {
		case valid && replaced:
			t.Errorf("%q is called valid and decoded to %q", data, s)
		case !valid && !replaced && utf8.Valid(data):
			t.Errorf("%q is called invalid and decoded to %q", data, s)
		}
	})
}

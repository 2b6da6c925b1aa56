package schoolbell_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"schoolbell"
)

var now = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// sportsDay returns a valid event, changed.
func sportsDay(change func(*schoolbell.Event)) schoolbell.Event {
	e := schoolbell.Event{
		Title:    "Sports day moved to Friday",
		Body:     "Bring water.\n\n\tRain date: Monday.",
		Category: schoolbell.CategoryEvent,
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Roles: []schoolbell.Role{schoolbell.RoleParent}}},
		Channels: []schoolbell.Channel{schoolbell.ChannelInApp, schoolbell.ChannelEmail},
	}
	change(&e)
	return e
}

// fields returns the fields blamed, in order; every fault has to be one of invalid input.
func fields(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var faults schoolbell.Faults
	if !errors.As(err, &faults) {
		t.Fatalf("%v is not Faults", err)
	}
	var out []string
	for _, f := range faults {
		if f.Code != schoolbell.CodeInvalid || f.Message == "" {
			t.Errorf("fault %+v: want code invalid and a message", f)
		}
		out = append(out, f.Field)
	}
	return out
}

func ids(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("id-%d", i)
	}
	return out
}

func TestEventValidate(t *testing.T) {
	t.Parallel()
	type event = schoolbell.Event
	for _, c := range []struct {
		name   string
		change func(*event)
		want   []string
	}{
		{"a plain event is fine", func(*event) {}, nil},
		{"everything optional is fine", func(e *event) {
			e.Data, e.Location = json.RawMessage(`{"bus":4}`), "Main hall"
			e.StartsAt, e.EndsAt = now.Add(48*time.Hour), now.Add(50*time.Hour)
			e.SendAt, e.ExpiresAt = now.Add(time.Hour), now.Add(24*time.Hour)
		}, nil},
		{"no title", func(e *event) { e.Title = "" }, []string{"title"}},
		{"a title of blanks", func(e *event) { e.Title = " \t" }, []string{"title"}},
		{"the longest title is fine", func(e *event) { e.Title = strings.Repeat("é", schoolbell.MaxTitleLength) }, nil},
		{"a title too long", func(e *event) { e.Title = strings.Repeat("é", schoolbell.MaxTitleLength+1) }, []string{"title"}},
		{"a line break in the title", func(e *event) { e.Title = "Hello\r\nBcc: all@example.org" }, []string{"title"}},
		{"a Unicode line separator in the title", func(e *event) { e.Title = "Hello\u2028world" }, []string{"title"}},
		{"a title that is not UTF-8", func(e *event) { e.Title = "caf\xe9" }, []string{"title"}},
		{"no body", func(e *event) { e.Body = "\n" }, []string{"body"}},
		{"the longest body is fine", func(e *event) { e.Body = strings.Repeat("ß", schoolbell.MaxBodyLength) }, nil},
		{"a body too long", func(e *event) { e.Body = strings.Repeat("ß", schoolbell.MaxBodyLength+1) }, []string{"body"}},
		{"a zero byte in the body", func(e *event) { e.Body = "a\x00b" }, []string{"body"}},
		{"a body that is not UTF-8", func(e *event) { e.Body = "\xff" }, []string{"body"}},
		{"no category id", func(e *event) { e.Category = "Party!" }, []string{"category"}},
		{"an empty audience", func(e *event) { e.Audience = schoolbell.Audience{} }, []string{"audience"}},
		{"an audience of exclusions only", func(e *event) {
			e.Audience = schoolbell.Audience{Exclude: &schoolbell.Selector{Users: []string{"ada"}}}
		}, []string{"audience"}},
		{"guardians alone are an audience", func(e *event) {
			e.Audience = schoolbell.Audience{GuardiansOf: &schoolbell.Selector{Groups: []string{"7b"}}}
		}, nil},
		{"an unknown role", func(e *event) { e.Audience.Roles = []schoolbell.Role{"parent", "pirate"} }, []string{"audience.roles[1]"}},
		{"a group id with a space", func(e *event) { e.Audience.Groups = []string{"class 7b"} }, []string{"audience.groups[0]"}},
		{"a bad user among the guarded", func(e *event) {
			e.Audience.GuardiansOf = &schoolbell.Selector{Users: []string{"ok", "../etc"}}
		}, []string{"audience.guardians_of.users[1]"}},
		{"a bad group among the excluded", func(e *event) {
			e.Audience.Exclude = &schoolbell.Selector{Groups: []string{""}}
		}, []string{"audience.exclude.groups[0]"}},
		{"as many users as may be named are fine", func(e *event) { e.Audience.Users = ids(schoolbell.MaxAudienceUsers) }, nil},
		{"more users than may be named", func(e *event) { e.Audience.Users = ids(schoolbell.MaxAudienceUsers + 1) }, []string{"audience.users"}},
		{"more groups than may be named", func(e *event) { e.Audience.Groups = ids(schoolbell.MaxAudienceGroups + 1) }, []string{"audience.groups"}},
		{"no channel", func(e *event) { e.Channels = []schoolbell.Channel{} }, []string{"channels"}},
		{"no channel name", func(e *event) { e.Channels = []schoolbell.Channel{"email", "Fax"} }, []string{"channels[1]"}},
		{"data that is no object", func(e *event) { e.Data = json.RawMessage(`[1]`) }, []string{"data"}},
		{"data that is no JSON", func(e *event) { e.Data = json.RawMessage(`{"a":`) }, []string{"data"}},
		{"data too large", func(e *event) {
			e.Data = json.RawMessage(`{"a":"` + strings.Repeat("x", schoolbell.MaxDataSize) + `"}`)
		}, []string{"data"}},
		{"a location of two lines", func(e *event) { e.Location = "Hall\nroom 2" }, []string{"location"}},
		{"an end without a start", func(e *event) { e.EndsAt = now }, []string{"ends_at"}},
		{"an end before the start", func(e *event) { e.StartsAt, e.EndsAt = now, now.Add(-time.Second) }, []string{"ends_at"}},
		{"an end at the start is fine", func(e *event) { e.StartsAt, e.EndsAt = now, now }, nil},
		{"a send time in the past is fine", func(e *event) { e.SendAt = now.Add(-time.Hour) }, nil},
		{"a send time too far ahead", func(e *event) { e.SendAt = now.Add(schoolbell.MaxAhead + time.Second) }, []string{"send_at"}},
		{"expired before it is sent", func(e *event) { e.SendAt, e.ExpiresAt = now.Add(2*time.Hour), now.Add(time.Hour) }, []string{"expires_at"}},
		{"expired the moment it is sent", func(e *event) { e.SendAt, e.ExpiresAt = now.Add(time.Hour), now.Add(time.Hour) }, []string{"expires_at"}},
		{"expired already", func(e *event) { e.ExpiresAt = now }, []string{"expires_at"}},
		{"all faults are told at once", func(e *event) { *e = event{Category: "X", Channels: []schoolbell.Channel{}} }, []string{"title", "body", "category", "audience", "channels"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := sportsDay(c.change)
			if got := fields(t, e.Validate(now)); !slices.Equal(got, c.want) {
				t.Errorf("faults in %q, want %q", got, c.want)
			}
		})
	}
}

func TestEventNormalize(t *testing.T) {
	t.Parallel()
	kathmandu := time.FixedZone("+0545", 5*3600+45*60)
	e := schoolbell.Event{
		Title: "  Concert ", Body: "one\r\ntwo", Location: " Hall ", Data: json.RawMessage(" null "),
		Audience: schoolbell.Audience{
			Selector:    schoolbell.Selector{Roles: []schoolbell.Role{"staff", "parent", "staff"}, Users: []string{"b", "a", "b"}},
			GuardiansOf: &schoolbell.Selector{Groups: []string{"7b", "7b"}},
			Exclude:     &schoolbell.Selector{Users: []string{"x", "x"}},
		},
		Channels: []schoolbell.Channel{"email", "in_app", "email"},
		StartsAt: time.Date(2026, 12, 1, 18, 0, 0, 123_456_789, kathmandu),
	}
	want := schoolbell.Event{
		Title: "Concert", Body: "one\ntwo", Location: "Hall", Category: schoolbell.CategoryAnnouncement,
		Audience: schoolbell.Audience{
			Selector:    schoolbell.Selector{Roles: []schoolbell.Role{"staff", "parent"}, Users: []string{"b", "a"}},
			GuardiansOf: &schoolbell.Selector{Groups: []string{"7b"}},
			Exclude:     &schoolbell.Selector{Users: []string{"x"}},
		},
		Channels: []schoolbell.Channel{"email", "in_app"},
		StartsAt: time.Date(2026, 12, 1, 12, 15, 0, 123_000_000, time.UTC),
	}
	e.Normalize()
	if diff := cmp.Diff(want, e); diff != "" {
		t.Errorf("normalized (-want +got):\n%s", diff)
	}
	if e.StartsAt.Location() != time.UTC {
		t.Errorf("StartsAt is in %v", e.StartsAt.Location())
	}
	e.Normalize()
	if diff := cmp.Diff(want, e); diff != "" {
		t.Errorf("normalized twice (-want +got):\n%s", diff)
	}
}

func TestTime(t *testing.T) {
	t.Parallel()
	if got := schoolbell.Time(time.Time{}.In(time.FixedZone("", 3600))); !got.IsZero() || got.Location() != time.UTC {
		t.Errorf("the zero time became %v", got)
	}
	if got := schoolbell.Time(now.Add(1_999_999)); !got.Equal(now.Add(time.Millisecond)) {
		t.Errorf("1.999999 ms became %v", got.Sub(now))
	}
}

func TestEventStatusTerminal(t *testing.T) {
	t.Parallel()
	for status, want := range map[schoolbell.EventStatus]bool{
		schoolbell.EventScheduled: false, schoolbell.EventQueued: false, schoolbell.EventProcessing: false,
		schoolbell.EventCompleted: true, schoolbell.EventCancelled: true,
	} {
		if status.Terminal() != want {
			t.Errorf("%s: terminal %v", status, !want)
		}
	}
}

// What Validate lets through goes into subjects, headers and inboxes.
func FuzzEventText(f *testing.F) {
	for _, s := range []string{"Sports day", "a\r\nBcc: x@example.org", "\u2029", "caf\xe9", "学校 🏫", "\x00", strings.Repeat("x", 201)} {
		f.Add(s, s, s)
	}
	f.Fuzz(func(t *testing.T, title, body, location string) {
		e := sportsDay(func(e *schoolbell.Event) { e.Title, e.Body, e.Location = title, body, location })
		e.Normalize()
		if e.Validate(now) != nil {
			return
		}
		for _, line := range []string{e.Title, e.Location} {
			if strings.ContainsFunc(line, unicode.IsControl) || strings.ContainsAny(line, "\u2028\u2029") || strings.ToValidUTF8(line, "") != line {
				t.Errorf("%q was let through", line)
			}
		}
		if e.Title == "" || strings.ContainsAny(e.Body, "\x00\r\x1b") {
			t.Errorf("title %q, body %q were let through", e.Title, e.Body)
		}
		again := e
		again.Normalize()
		if diff := cmp.Diff(e, again); diff != "" {
			t.Errorf("normalizing twice changes it:\n%s", diff)
		}
	})
}

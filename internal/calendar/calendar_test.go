package calendar_test

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"schoolbell"
	"schoolbell/internal/calendar"
)

var made = time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)

func trip() calendar.Entry {
	return calendar.Entry{UID: calendar.UID("019a0000-0000-7000-8000-000000000001"), Stamp: made, Start: time.Date(2027, 3, 28, 7, 0, 0, 0, time.UTC),
		End: time.Date(2027, 3, 28, 9, 30, 0, 0, time.UTC), Summary: "Sports; day, moved"}
}

// unfolded are the lines of an object without folds.
func unfolded(t *testing.T, text string) []string {
	t.Helper()
	lines := strings.Split(text, "\r\n")
	if lines[len(lines)-1] != "" {
		t.Fatalf("the last line has no end: %q", text)
	}
	for _, l := range lines {
		if len(l) > 75 || !utf8.ValidString(l) || strings.ContainsAny(l, "\r\n") {
			t.Fatalf("line of %d octets: %q", len(l), l)
		}
	}
	return strings.Split(strings.TrimSuffix(strings.ReplaceAll(text, "\r\n ", ""), "\r\n"), "\r\n")
}

func TestCalendar(t *testing.T) {
	t.Parallel()
	got := string(calendar.Calendar{Method: calendar.Publish, Entries: []calendar.Entry{trip()}}.Append(nil))
	want := strings.Join([]string{"BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Schoolbell//Schoolbell//EN", "CALSCALE:GREGORIAN", "METHOD:PUBLISH",
		"BEGIN:VEVENT", "UID:019a0000-0000-7000-8000-000000000001@schoolbell", "DTSTAMP:20261125T100000Z", "SEQUENCE:0", "DTSTART:20270328T070000Z", "DTEND:20270328T093000Z",
		`SUMMARY:Sports\; day\, moved`, "STATUS:CONFIRMED", "END:VEVENT", "END:VCALENDAR", ""}, "\r\n")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestEntry(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*calendar.Entry)
		has    string
		lacks  string
	}{
		{"a moment", func(e *calendar.Entry) { e.End = time.Time{} }, "DTSTART:20270328T070000Z", "DTEND"},
		{"an end at the start", func(e *calendar.Entry) { e.End = e.Start }, "", "DTEND"},
		{"a zone east", func(e *calendar.Entry) { e.Start = e.Start.In(time.FixedZone("", 5*3600+45*60)) }, "DTSTART:20270328T070000Z", "TZID"},
		{"a leap day", func(e *calendar.Entry) { e.Start = time.Date(2028, 2, 29, 23, 59, 59, 999e6, time.UTC) }, "DTSTART:20280229T235959Z", ""},
		{"cancelled", func(e *calendar.Entry) { e.Cancelled, e.Sequence = true, 3 }, "STATUS:CANCELLED", "CONFIRMED"},
		{"a later version", func(e *calendar.Entry) { e.Sequence = 3 }, "SEQUENCE:3", ""},
		{"paragraphs", func(e *calendar.Entry) { e.Text = "One\r\n\r\nTwo\nThree\rFour" }, `DESCRIPTION:One\n\nTwo\nThree\nFour`, ""},
		{"a new property", func(e *calendar.Entry) { e.Location = "Gym\r\nATTENDEE:mailto:x@y.example" }, `LOCATION:Gym\nATTENDEE:mailto:x@y.example`, "\r\nATTENDEE"},
		{"other line breaks", func(e *calendar.Entry) { e.Summary = "a\u2028b\u2029c\u0085d\x0be" }, `SUMMARY:a\nb\nc\nde`, ""},
		{"a backslash", func(e *calendar.Entry) { e.Summary = `a\n;` }, `SUMMARY:a\\n\;`, ""},
		{"broken text", func(e *calendar.Entry) { e.Summary = "a\xff\x00b" }, "SUMMARY:ab", ""},
		{"right to left", func(e *calendar.Entry) {
			e.Summary = "تأجيل اليوم الرياضي إلى يوم الجمعة القادم بسبب الأمطار"
		}, "SUMMARY:تأجيل اليوم الرياضي إلى يوم الجمعة القادم بسبب الأمطار", ""},
		{"emoji", func(e *calendar.Entry) { e.Summary = strings.Repeat("👩‍👩‍👧‍👦🎒", 20) }, "SUMMARY:" + strings.Repeat("👩‍👩‍👧‍👦🎒", 20), ""},
		{"a long word", func(e *calendar.Entry) { e.Summary = strings.Repeat("W", 500) }, "SUMMARY:" + strings.Repeat("W", 500), ""},
		{"a hostile URL", func(e *calendar.Entry) { e.URL = "https://x.example/\r\nX:y" }, "URL:https://x.example/X:y", "\r\nX:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := trip()
			c.change(&e)
			lines := unfolded(t, string(calendar.Calendar{Entries: []calendar.Entry{e}}.Append(nil)))
			text := "\r\n" + strings.Join(lines, "\r\n") + "\r\n"
			if c.has != "" && !strings.Contains(text, "\r\n"+c.has+"\r\n") || c.lacks != "" && strings.Contains(text, c.lacks) {
				t.Errorf("want %q and no %q in\n%s", c.has, c.lacks, text)
			}
		})
	}
}

func TestFeed(t *testing.T) {
	t.Parallel()
	ev := &schoolbell.Event{ID: "e", Title: "Trip", CreatedAt: made, StartsAt: made, Status: schoolbell.EventCancelled}
	c := calendar.Calendar{Name: "Hill, School", Refresh: time.Hour, Entries: []calendar.Entry{calendar.EntryOf(ev, schoolbell.EventText{Title: "Viaje"}), trip()}}
	text := strings.Join(unfolded(t, string(c.Append(nil))), "\n")
	for _, want := range []string{`NAME:Hill\, School`, `X-WR-CALNAME:Hill\, School`, "REFRESH-INTERVAL;VALUE=DURATION:PT60M", "X-PUBLISHED-TTL:PT60M", "SUMMARY:Viaje", "STATUS:CANCELLED", "UID:e@schoolbell"} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "METHOD") || strings.Count(text, "BEGIN:VEVENT") != 2 {
		t.Errorf("the feed is\n%s", text)
	}
}

func FuzzCalendar(f *testing.F) {
	f.Add("Sports day", "Bring water.\n\nSee you", "Gym", "https://x.example/")
	f.Add("a\r\nEND:VEVENT", "\\", ";,:\"", "\n")
	f.Fuzz(func(t *testing.T, title, text, place, url string) {
		e := trip()
		e.Summary, e.Text, e.Location, e.URL = title, text, place, url
		lines := unfolded(t, string(calendar.Calendar{Method: calendar.Cancel, Name: title, Entries: []calendar.Entry{e}}.Append(nil)))
		known := map[string]bool{"BEGIN": true, "END": true, "VERSION": true, "PRODID": true, "CALSCALE": true, "METHOD": true, "NAME": true, "X-WR-CALNAME": true,
			"UID": true, "DTSTAMP": true, "SEQUENCE": true, "DTSTART": true, "DTEND": true, "SUMMARY": true, "DESCRIPTION": true, "LOCATION": true, "URL": true, "STATUS": true}
		for _, l := range lines {
			if name, _, ok := strings.Cut(l, ":"); !ok || !known[name] {
				t.Fatalf("line %q", l)
			}
		}
		if events := slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return l != "END:VEVENT" }); len(events) != 1 {
			t.Fatalf("lines %q", lines)
		}
	})
}

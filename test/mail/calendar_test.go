package mail

import (
	"slices"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/test/system"
	"schoolbell/wire"
)

// Emails of events with a time have them for calendars. A library that is not ours reads the same.
func TestCalendar(t *testing.T) {
	t.Parallel()
	catcher := startCatcher(t)
	s := system.New(t, system.Parts{SMTP: catcher.Addr(), Settings: []string{"EMAIL_FROM=office@hill.example"}})
	serve := s.Serve()
	s.AwaitReady()
	s.Import(1)
	day := func(y int, m time.Month, d, h, min int) time.Time { return time.Date(y, m, d, h, min, 0, 0, time.UTC) }
	for _, c := range []struct {
		name  string
		event wire.NewEvent
	}{
		{"plain", wire.NewEvent{Title: "Sports day", Body: "Bring water.", Location: "Gym", StartsAt: wire.At(day(2031, 7, 4, 8, 30)), EndsAt: wire.At(day(2031, 7, 4, 15, 0))}},
		{"a day on which clocks change", wire.NewEvent{Title: "Night walk", Body: "x", StartsAt: wire.At(day(2027, 10, 31, 0, 30)), EndsAt: wire.At(day(2027, 10, 31, 1, 30))}},
		{"a leap day", wire.NewEvent{Title: "Leap", Body: "x", StartsAt: wire.At(day(2028, 2, 29, 23, 0)), EndsAt: wire.At(day(2028, 3, 1, 1, 0))}},
		{"a moment", wire.NewEvent{Title: "Bell", Body: "x", StartsAt: wire.At(day(2031, 1, 1, 0, 0))}},
		{"a zone of a quarter of an hour", wire.NewEvent{Title: "Kathmandu", Body: "x", StartsAt: wire.At(time.Date(2031, 1, 1, 9, 0, 0, 0, time.FixedZone("", 5*3600+45*60)))}},
		{"a long title with emoji", wire.NewEvent{Title: strings.Repeat("🎒👩‍👧‍👦 ", 15) + "end", Body: strings.Repeat("long wörds, ", 200), StartsAt: wire.At(day(2031, 1, 1, 9, 0))}},
		{"right to left", wire.NewEvent{Title: "تأجيل اليوم الرياضي إلى يوم الجمعة", Body: "يرجى إحضار الماء، شكرًا.", Location: "الملعب", StartsAt: wire.At(day(2031, 1, 1, 9, 0))}},
		{"hostile", wire.NewEvent{Title: `a;b,c\n:"END:VEVENT`, Body: "x\nEND:VEVENT\nATTENDEE:mailto:x@y.example\n\nBEGIN:VALARM", Location: `\;\,`, StartsAt: wire.At(day(2031, 1, 1, 9, 0))}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ev := c.event
			ev.Audience, ev.Channels = schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{system.Person(0)}}}, []schoolbell.Channel{schoolbell.ChannelEmail}
			created, err := s.Client.CreateEvent(t.Context(), ev)
			if err != nil {
				t.Fatal(err)
			}
			s.AwaitStatus(created.ID, schoolbell.EventCompleted)
			newest, _ := catcher.Message(catcher.Messages(1)[0].ID)
			f := examine(t, newest.Raw, "")
			if len(f.Calendars) != 1 || len(f.Calendars[0].Events) != 1 {
				t.Fatalf("calendars %+v of\n%s", f.Calendars, newest.Raw)
			}
			file, e := f.Calendars[0], f.Calendars[0].Events[0]
			if file.File != "event.ics" || file.Disposition != "attachment" || file.Method != "PUBLISH" || file.ObjectMethod != "PUBLISH" {
				t.Errorf("attachment %+v", file)
			}
			end := ev.EndsAt
			if end.IsZero() {
				end = ev.StartsAt
			}
			iso := func(at wire.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }
			if e.UID != created.ID+"@schoolbell" || e.Sequence != 0 || e.Status != "CONFIRMED" || e.Start != iso(ev.StartsAt) || e.End != iso(end) {
				t.Errorf("event %+v", e)
			}
			if e.Summary != strings.TrimSpace(ev.Title) || e.Text != strings.TrimSpace(ev.Body) || e.Location != ev.Location {
				t.Errorf("texts %q, %q, %q", e.Summary, e.Text, e.Location)
			}
			if slices.Contains(e.Properties, "attendee") || f.Email.Text == "" || f.Email.HTML == "" {
				t.Errorf("properties %v, text %q", e.Properties, f.Email.Text)
			}
		})
	}
	serve.Stop()
}

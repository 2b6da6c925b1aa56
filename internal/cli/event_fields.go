package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/wire"
)

// eventFlags describe an event.
type eventFlags struct {
	Title    string   `name:"title" placeholder:"TEXT" help:"Title, one line."`
	Body     string   `name:"body" placeholder:"TEXT" help:"Text of the message. - reads it from standard input."`
	Role     []string `name:"role" placeholder:"ROLE" help:"Send to everybody with this role: student, teacher, parent or staff. May be repeated."`
	Group    []string `name:"group" placeholder:"ID" help:"Send to the members of this group and of the groups below it. May be repeated."`
	User     []string `name:"user" placeholder:"ID" help:"Send to this person. May be repeated."`
	Guardian []string `name:"guardians-of-group" placeholder:"ID" help:"Send to the guardians of the students in this group. May be repeated."`
	Students []string `name:"guardians-of-user" placeholder:"ID" help:"Send to the guardians of this student. May be repeated."`
	Except   []string `name:"except-user" placeholder:"ID" help:"Exclude this person. May be repeated."`
	Channel  []string `name:"channel" placeholder:"CHANNEL" help:"Channel, such as in_app or email. May be repeated. Those of the category if left out."`
	Category string   `name:"category" placeholder:"CATEGORY" help:"Category, such as announcement or urgent."`
	Location string   `name:"location" placeholder:"TEXT" help:"Where the event takes place."`
	StartsAt string   `name:"starts-at" placeholder:"TIME" help:"When the event starts."`
	EndsAt   string   `name:"ends-at" placeholder:"TIME" help:"When the event ends."`
	SendAt   string   `name:"send-at" placeholder:"TIME" help:"When to send the messages: 2026-12-01T08:00 in this machine's time zone, with Z or an offset for another one, or +2h."`
	Expires  string   `name:"expires-at" placeholder:"TIME" help:"Send nothing after this time."`
	Data     string   `name:"data" placeholder:"JSON" help:"JSON object that the inbox passes on unchanged."`
	ForEach  string   `name:"for-each" placeholder:"student" help:"student: tell each guardian about their own of the selected students."`
	Personal string   `name:"personal" placeholder:"FILE" help:"Data of single people for their messages: NDJSON, each line with user and data. - is standard input."`
}

// eventFlagNames lists the flags that describe an event.
func eventFlagNames() (names []string) {
	for f := range reflect.TypeFor[eventFlags]().Fields() {
		names = append(names, f.Tag.Get("name"))
	}
	return names
}

// event is what the flags, or the file if there is one, say.
func (c *eventFlags) event(a *program, file string, now time.Time) (wire.NewEvent, error) {
	if file != "" {
		return c.fromFile(a, file)
	}
	ev := wire.NewEvent{
		Title: c.Title, Body: c.Body, Category: schoolbell.Category(c.Category), Location: c.Location,
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Roles: as[schoolbell.Role](c.Role), Groups: c.Group, Users: c.User}},
		Channels: as[schoolbell.Channel](c.Channel), ForEach: schoolbell.ForEach(c.ForEach),
	}
	if len(c.Guardian)+len(c.Students) > 0 {
		ev.Audience.GuardiansOf = &schoolbell.Selector{Groups: c.Guardian, Users: c.Students}
	}
	if len(c.Except) > 0 {
		ev.Audience.Exclude = &schoolbell.Selector{Users: c.Except}
	}
	if c.Body == "-" {
		text, err := readAll(a.In)
		if err != nil {
			return ev, err
		}
		ev.Body = text
	}
	if c.Data != "" {
		if !json.Valid([]byte(c.Data)) {
			return ev, usage("--data: is not valid JSON")
		}
		ev.Data = json.RawMessage(c.Data)
	}
	if c.Personal == "-" && c.Body == "-" {
		return ev, usage("--body and --personal cannot both read standard input")
	}
	if c.Personal != "" {
		var err error
		if ev.Personal, err = a.readPersonal(c.Personal); err != nil {
			return ev, err
		}
	}
	for _, t := range []struct {
		flag, text string
		target     *wire.Time
	}{{"starts-at", c.StartsAt, &ev.StartsAt}, {"ends-at", c.EndsAt, &ev.EndsAt}, {"send-at", c.SendAt, &ev.SendAt}, {"expires-at", c.Expires, &ev.ExpiresAt}} {
		at, err := parseTime(t.text, now)
		if err == nil && t.text != "" && !schoolbell.ValidTime(at) {
			err = errYear
		}
		if err != nil {
			return ev, usage("--%s: %v", t.flag, err)
		}
		*t.target = wire.At(at)
	}
	return ev, nil
}

var errYear = errors.New("must be within the years 1970 to 9999 in UTC")

// impossibleTime names a time that no event can have.
func impossibleTime(ev wire.NewEvent) (field string) {
	for _, x := range []struct {
		name string
		at   wire.Time
	}{{"starts_at", ev.StartsAt}, {"ends_at", ev.EndsAt}, {"send_at", ev.SendAt}, {"expires_at", ev.ExpiresAt}} {
		if !x.at.IsZero() && !schoolbell.ValidTime(x.at.Time) {
			return x.name
		}
	}
	return ""
}

func (a *program) printEvent(e *wire.Event, asJSON bool) error {
	if asJSON {
		return a.printJSON(e)
	}
	a.say("%s", a.style.bold(e.Title))
	for _, l := range [][2]string{
		{"Id", e.ID}, {"Status", string(e.Status)}, {"Category", string(e.Category)}, {"Audience", audienceText(e.Audience)}, {"Channels", joined(e.Channels)},
		{"Location", e.Location}, {"Starts", optional(e.StartsAt)}, {"Ends", optional(e.EndsAt)}, {"Send at", optional(e.SendAt)},
		{"Expires", optional(e.ExpiresAt)}, {"For each", string(e.ForEach)}, {"Personal", personalText(e.PersonalCount)}, {"Job", e.JobID}, {"Created", when(e.CreatedAt.Time)}, {"Completed", optional(e.CompletedAt)}, {"Deliveries removed", optional(e.DeliveriesRemovedAt)},
	} {
		if l[1] != "" {
			a.say("  %-10s %s", l[0], l[1])
		}
	}
	if e.Progress != nil {
		a.say("")
		a.printProgress(*e.Progress)
	}
	if e.Costs != nil && e.Costs.SMS != nil {
		a.printSMSCost(*e.Costs.SMS)
	}
	return nil
}

// printSMSCost says what an event takes by text message.
func (a *program) printSMSCost(c wire.SMSCost) {
	text := fmt.Sprintf("Text messages: %s each, %s in all", count(c.SegmentsEach, "segment", "segments"), number(c.Segments))
	if c.Currency != "" {
		text += fmt.Sprintf(", about %.2f %s", c.Amount, c.Currency)
	}
	a.say("%s", text)
}

func audienceText(x schoolbell.Audience) string {
	parts := []string{selectorText(&x.Selector)}
	if !x.GuardiansOf.Empty() {
		parts = append(parts, "guardians of "+selectorText(x.GuardiansOf))
	}
	if !x.Exclude.Empty() {
		parts = append(parts, "except "+selectorText(x.Exclude))
	}
	return strings.TrimPrefix(strings.Join(parts, "; "), "; ")
}

func selectorText(s *schoolbell.Selector) string {
	var parts []string
	for _, p := range [][2]string{{"roles", joined(s.Roles)}, {"groups", joined(s.Groups)}, {"users", joined(s.Users)}} {
		if p[1] != "" {
			parts = append(parts, p[0]+" "+p[1])
		}
	}
	return strings.Join(parts, ", ")
}

func as[T ~string](list []string) []T {
	if len(list) == 0 {
		return nil
	}
	out := make([]T, len(list))
	for i, s := range list {
		out[i] = T(s)
	}
	return out
}

// parseTime reads a time with zone, one without as this machine's, or a time
// from now such as +2h. Nothing is the zero time.
func parseTime(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if text[0] == '+' {
		d, err := time.ParseDuration(text[1:])
		if err != nil || d < 0 {
			return time.Time{}, fmt.Errorf("%q is not a relative time such as +90m", text)
		}
		return now.Add(d), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04"} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time such as 2026-12-01T08:00 or +2h", text)
}

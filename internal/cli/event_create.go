package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/client"
)

type eventCreateCmd struct {
	remote
	Title    string   `name:"title" placeholder:"TEXT" help:"One line."`
	Body     string   `name:"body" placeholder:"TEXT" help:"The message; - reads it from the standard input."`
	Role     []string `name:"role" placeholder:"ROLE" help:"For everybody with this role: student, teacher, parent, staff. May be repeated."`
	Group    []string `name:"group" placeholder:"ID" help:"For the members of this group and of those below it. May be repeated."`
	User     []string `name:"user" placeholder:"ID" help:"For this person. May be repeated."`
	Guardian []string `name:"guardians-of-group" placeholder:"ID" help:"For the guardians of the students of this group. May be repeated."`
	Except   []string `name:"except-user" placeholder:"ID" help:"Not for this person. May be repeated."`
	Channel  []string `name:"channel" placeholder:"CHANNEL" help:"By in_app, email. May be repeated; both when left out."`
	Category string   `name:"category" placeholder:"CATEGORY" help:"announcement, event, attendance, urgent or digest."`
	Location string   `name:"location" placeholder:"TEXT" help:"Where it takes place."`
	StartsAt string   `name:"starts-at" placeholder:"TIME" help:"When it begins."`
	EndsAt   string   `name:"ends-at" placeholder:"TIME" help:"When it ends."`
	SendAt   string   `name:"send-at" placeholder:"TIME" help:"When to send it, as 2026-12-01T08:00, with Z or an offset for another zone than this machine's, or +2h."`
	Expires  string   `name:"expires-at" placeholder:"TIME" help:"After this nothing more is sent."`
	Data     string   `name:"data" placeholder:"JSON" help:"An object of your own that is handed on."`
	Key      string   `name:"idempotency-key" placeholder:"KEY" help:"Makes it safe to send the same event again: it is created once."`
	File     string   `name:"file" short:"f" placeholder:"FILE" help:"Read the event as JSON, as the API takes it; - is the standard input."`
	Watch    bool     `name:"watch" help:"Follow the event until everyone is reached."`
}

// Run creates an event.
func (c *eventCreateCmd) Run(ctx context.Context, a *program) error {
	ev, err := c.event(a, time.Now())
	if err != nil {
		return err
	}
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	e, err := server.CreateEvent(ctx, ev)
	if err != nil {
		return err
	}
	if c.JSON {
		err = a.printJSON(e)
	} else {
		c.announce(a, e)
	}
	if err != nil || !c.Watch {
		return err
	}
	return a.watch(ctx, server, e.ID, c.JSON)
}

func (c *eventCreateCmd) announce(a *program, e *client.Event) {
	switch {
	case e.Replayed:
		a.say("This event was created before: %s, %s.", e.ID, e.Status)
	case e.Status == schoolbell.EventScheduled:
		a.say("Event %s is scheduled for %s.", e.ID, when(e.SendAt))
	default:
		a.say("Event %s is %s.", e.ID, e.Status)
	}
	if !c.Watch {
		a.say("%s", a.style.dim("→ schoolbell event watch "+e.ID))
	}
}

// event is what the flags, or the file, say.
func (c *eventCreateCmd) event(a *program, now time.Time) (client.NewEvent, error) {
	if c.File != "" {
		return c.fromFile(a)
	}
	ev := client.NewEvent{
		Title: c.Title, Body: c.Body, Category: schoolbell.Category(c.Category), Location: c.Location, IdempotencyKey: c.Key,
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Roles: as[schoolbell.Role](c.Role), Groups: c.Group, Users: c.User}},
		Channels: as[schoolbell.Channel](c.Channel),
	}
	if len(c.Guardian) > 0 {
		ev.Audience.GuardiansOf = &schoolbell.Selector{Groups: c.Guardian}
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
	for _, t := range []struct {
		flag, text string
		target     *time.Time
	}{{"starts-at", c.StartsAt, &ev.StartsAt}, {"ends-at", c.EndsAt, &ev.EndsAt}, {"send-at", c.SendAt, &ev.SendAt}, {"expires-at", c.Expires, &ev.ExpiresAt}} {
		at, err := parseTime(t.text, now)
		if err == nil && t.text != "" && !schoolbell.ValidTime(at) {
			err = errYear
		}
		if err != nil {
			return ev, usage("--%s: %v", t.flag, err)
		}
		*t.target = at
	}
	return ev, nil
}

// fromFile reads the event as JSON. Flags that say something about the event
// would contradict it and are refused.
func (c *eventCreateCmd) fromFile(a *program) (client.NewEvent, error) {
	for _, name := range []string{"title", "body", "role", "group", "user", "guardians-of-group", "except-user", "channel", "category",
		"location", "starts-at", "ends-at", "send-at", "expires-at", "data"} {
		if a.flagged(name) {
			return client.NewEvent{}, usage("--%s cannot be used with --file, which says all about the event", name)
		}
	}
	ev := client.NewEvent{IdempotencyKey: c.Key}
	in, err := a.open(c.File)
	if err != nil {
		return ev, err
	}
	text, err := readAll(in)
	if err = errors.Join(err, in.Close()); err != nil {
		return ev, err
	}
	if !schoolbell.ValidJSONText([]byte(text)) {
		return ev, usage(`%s has an escape of half a character (\ud800 to \udfff)`, c.File)
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&ev); err != nil {
		return ev, usage("%s is not an event as the API takes it: %s", c.File, oneLine(err.Error()))
	}
	if dec.More() {
		return ev, usage("%s holds more than one JSON value", c.File)
	}
	if field := impossibleTime(text); field != "" {
		return ev, usage("%s: %s: %v", c.File, field, errYear)
	}
	return ev, nil
}

var errYear = errors.New("must be within the years 1970 to 9999 in UTC")

// impossibleTime names a time of an event in JSON that no event can have. The zero
// time is one: a client would leave it out as if it had not been written.
func impossibleTime(event string) (field string) {
	var times struct {
		StartsAt  *time.Time `json:"starts_at"`
		EndsAt    *time.Time `json:"ends_at"`
		SendAt    *time.Time `json:"send_at"`
		ExpiresAt *time.Time `json:"expires_at"`
	}
	_ = json.NewDecoder(strings.NewReader(event)).Decode(&times) // it was read before
	for _, x := range []struct {
		name string
		at   *time.Time
	}{{"starts_at", times.StartsAt}, {"ends_at", times.EndsAt}, {"send_at", times.SendAt}, {"expires_at", times.ExpiresAt}} {
		if x.at != nil && !schoolbell.ValidTime(*x.at) {
			return x.name
		}
	}
	return ""
}

// open opens a file that an argument names; - is the standard input.
func (a *program) open(name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(a.In), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, usage("%v", err)
	}
	return f, nil
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
			return time.Time{}, fmt.Errorf("%q is not a time from now such as +90m", text)
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

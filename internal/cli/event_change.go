package cli

import (
	"context"
	"slices"
	"time"

	"schoolbell/client"
	"schoolbell/wire"
)

// changeFlags are the flags of both commands that change an event.
type changeFlags struct {
	remote
	eventFlags
	ID     string   `arg:"" name:"id" help:"Id of the event."`
	Remove []string `name:"remove" placeholder:"FIELD" help:"Remove location, texts, data, starts_at, ends_at, expires_at or send_at. May be repeated."`
	File   string   `name:"file" short:"f" placeholder:"FILE" help:"Read the change from this file, as JSON in the form of the API. - is standard input."`
}

type eventChangeCmd struct{ changeFlags }

// Run changes an event before it is sent.
func (c *eventChangeCmd) Run(ctx context.Context, a *program) error {
	return c.send(ctx, a, (*client.Client).ChangeEvent)
}

type eventUpdateCmd struct{ changeFlags }

// Run changes an event that was sent.
func (c *eventUpdateCmd) Run(ctx context.Context, a *program) error {
	return c.send(ctx, a, (*client.Client).UpdateEvent)
}

func (c *changeFlags) send(ctx context.Context, a *program, call func(*client.Client, context.Context, string, wire.EventChange) (*wire.Event, error)) error {
	change, err := c.change(a, time.Now())
	if err != nil {
		return err
	}
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	e, err := call(server, ctx, c.ID, change)
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(e)
	}
	a.say("Event %s is changed (revision %d).", e.ID, e.Revision)
	a.sayTold(e)
	return nil
}

// sayTold says who is told of a change.
func (a *program) sayTold(e *wire.Event) {
	if e.Wave > 0 {
		a.say("Those whom it has reached are told by wave %d.", e.Wave)
		a.say("%s", a.style.dim("→ schoolbell event watch "+e.ID))
	}
}

// change is what the flags, or the file, say.
func (c *changeFlags) change(a *program, now time.Time) (change wire.EventChange, err error) {
	given := func(names ...string) bool { return slices.ContainsFunc(names, a.flagged) }
	if c.File != "" {
		if given(append(eventFlagNames(), "remove")...) {
			return change, usage("--file contains the whole change: leave the other flags out")
		}
		return change, a.decodeFile(c.File, "a change", &change)
	}
	if given("category") {
		return change, usage("the category of an event cannot be changed: cancel it and create another one")
	}
	if given("for-each", "personal") {
		return change, usage("--for-each and --personal cannot be changed: cancel the event and create another one")
	}
	ev, err := c.event(a, "", now)
	if err != nil {
		return change, err
	}
	change = wire.EventChange{Data: ev.Data, StartsAt: ev.StartsAt, EndsAt: ev.EndsAt, SendAt: ev.SendAt, ExpiresAt: ev.ExpiresAt, Channels: ev.Channels, Remove: c.Remove}
	for name, to := range map[string]struct {
		field **string
		text  *string
	}{"title": {&change.Title, &ev.Title}, "body": {&change.Body, &ev.Body}, "location": {&change.Location, &ev.Location}} {
		if given(name) {
			*to.field = to.text
		}
	}
	if given("role", "group", "user", "guardians-of-group", "guardians-of-user", "except-user") {
		change.Audience = &ev.Audience
	}
	return change, nil
}

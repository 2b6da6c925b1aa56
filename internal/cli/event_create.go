package cli

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/wire"
)

type eventCreateCmd struct {
	remote
	eventFlags
	Key   string `name:"idempotency-key" placeholder:"KEY" help:"Create the event once, even if the command is repeated."`
	File  string `name:"file" short:"f" placeholder:"FILE" help:"Read the event from this file, as JSON in the form of the API. - is standard input."`
	Watch bool   `name:"watch" help:"Follow the event until it is completed."`
}

// Run creates an event.
func (c *eventCreateCmd) Run(ctx context.Context, a *program) error {
	ev, err := c.event(a, c.File, time.Now())
	if err != nil {
		return err
	}
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	e, replayed, err := server.CreateEventOnce(ctx, ev, c.Key)
	if err != nil {
		return err
	}
	if c.JSON {
		err = a.printJSON(e)
	} else {
		c.announce(a, e, replayed)
	}
	if err != nil || !c.Watch {
		return err
	}
	return a.watch(ctx, server, e.ID, c.JSON)
}

func (c *eventCreateCmd) announce(a *program, e *wire.Event, replayed bool) {
	switch {
	case replayed:
		a.say("This event already exists: %s, %s.", e.ID, e.Status)
	case e.Status == schoolbell.EventScheduled:
		a.say("Event %s is scheduled for %s.", e.ID, when(e.SendAt.Time))
	default:
		a.say("Event %s is %s.", e.ID, e.Status)
	}
	if !c.Watch {
		a.say("%s", a.style.dim("→ schoolbell event watch "+e.ID))
	}
}

// fromFile reads an event as JSON. Flags that say something about the event
// would contradict it and are refused.
func (c *eventFlags) fromFile(a *program, file string) (wire.NewEvent, error) {
	for _, name := range eventFlagNames() {
		if a.flagged(name) {
			return wire.NewEvent{}, usage("--%s cannot be used with --file, which contains the whole event", name)
		}
	}
	var ev wire.NewEvent
	if err := a.decodeFile(file, "an event", &ev); err != nil {
		return ev, err
	}
	if field := impossibleTime(ev); field != "" {
		return ev, usage("%s: %s: %v", file, field, errYear)
	}
	return ev, nil
}

// decodeFile decodes the one JSON value in a file, which has nothing that into does not know. what names it in errors.
func (a *program) decodeFile(file, what string, into any) error {
	in, err := a.open(file)
	if err != nil {
		return err
	}
	text, err := readAll(in)
	if err = errors.Join(err, in.Close()); err != nil {
		return err
	}
	if !schoolbell.ValidJSONText([]byte(text)) {
		return usage(`%s has an escape of half a character (\ud800 to \udfff)`, file)
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return usage("%s is not %s in the form of the API: %s", file, what, oneLine(err.Error()))
	}
	if dec.More() {
		return usage("%s contains more than one JSON value", file)
	}
	return nil
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

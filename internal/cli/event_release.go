package cli

import (
	"context"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/advice"
)

type eventReleaseCmd struct {
	remote
	ID      string `arg:"" optional:"" name:"id" help:"Id of the event."`
	All     bool   `name:"all" help:"Release all held events."`
	Confirm int    `name:"confirm" placeholder:"N" help:"With --all: the number of held events. If it is another one, none is released."`
}

// Run releases a held event, or all.
func (c *eventReleaseCmd) Run(ctx context.Context, a *program) error {
	if c.All == (c.ID != "") {
		return usage("release needs the id of an event, or --all")
	}
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	if c.All {
		return c.releaseAll(ctx, a, server)
	}
	e, err := server.ReleaseEvent(ctx, c.ID)
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(e)
	}
	a.say("Event %s is released and %s.", e.ID, e.Status)
	return nil
}

// releaseAll releases all events if their number is confirmed.
func (c *eventReleaseCmd) releaseAll(ctx context.Context, a *program, server *client.Client) error {
	held, err := countHeld(ctx, server)
	if err != nil {
		return err
	}
	if held > 0 && c.Confirm != held {
		return advice.Add(usage("%s held: everybody whom the backup does not know as reached gets them, some people for the second time", count(held, "event is", "events are")),
			"to release all of them, add --confirm %d", held)
	}
	if held > 0 {
		if err := server.ReleaseEvents(ctx, held); err != nil {
			return err
		}
	}
	if c.JSON {
		return a.printJSON(map[string]any{"released": held})
	}
	a.say("%s released.", count(held, "event is", "events are"))
	return nil
}

// countHeld counts the held events.
func countHeld(ctx context.Context, server *client.Client) (int, error) {
	n, p := 0, client.Page{Limit: 500}
	for {
		page, err := server.Events(ctx, schoolbell.EventHeld, p)
		if err != nil {
			return 0, err
		}
		n += len(page.Events)
		if page.Next == "" {
			return n, nil
		}
		p.Cursor = page.Next
	}
}

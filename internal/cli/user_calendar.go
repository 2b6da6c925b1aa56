package cli

import "context"

type userCalendarCmd struct {
	remote
	ID     string `arg:"" name:"id" help:"Id of the person."`
	Revoke bool   `name:"revoke" help:"End the feed. Its link does not work any more."`
}

// Run shows the link to the calendar feed of a person, which is created if there is none, or revokes the feed.
func (c *userCalendarCmd) Run(ctx context.Context, a *program) error {
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	if !c.Revoke {
		feed, err := server.CreateCalendar(ctx, c.ID)
		if err != nil {
			return err
		}
		if c.JSON {
			return a.printJSON(feed)
		}
		a.say("%s", feed.URL)
		return nil
	}
	if err := server.RevokeCalendar(ctx, c.ID); err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(map[string]any{"id": c.ID, "revoked": true})
	}
	a.say("The calendar feed of %s is revoked. Its link does not work any more.", c.ID)
	return nil
}

package cli

import (
	"context"

	"schoolbell"
	"schoolbell/wire"
)

type suppressionCmd struct {
	List   suppressionListCmd   `cmd:"" help:"List the addresses to which nothing is sent."`
	Add    suppressionAddCmd    `cmd:"" help:"Send nothing more to an address."`
	Remove suppressionRemoveCmd `cmd:"" help:"Send to an address again."`
}

type suppressionListCmd struct {
	remote
	pageFlags
}

// Run lists the addresses.
func (c *suppressionListCmd) Run(ctx context.Context, a *program) error {
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	page, err := server.Suppressions(ctx, c.page())
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(page)
	}
	if len(page.Suppressions) == 0 {
		a.say("No suppressions.")
		return nil
	}
	a.printSuppressions(page.Suppressions)
	a.more(page.Next)
	return nil
}

func (a *program) printSuppressions(list []wire.Suppression) {
	t := newTable("ID", "PERSON", "CHANNEL", "ADDRESS", "STATE", "SINCE", "UNTIL", "REASON")
	for _, s := range list {
		t.add(s.ID, s.UserID, string(s.Channel), s.Address, string(s.State), when(s.Since.Time), when(s.Until.Time), s.Reason)
	}
	t.print(a.Out, a.style)
}

type suppressionAddCmd struct {
	remote
	Channel string `arg:"" name:"channel" help:"Channel of the address: email, sms or push."`
	Address string `arg:"" name:"address" help:"The address, such as ada@example.org. It concerns every person who has it."`
	Reason  string `name:"reason" placeholder:"TEXT" help:"Why, for the staff."`
}

// Run stops messages to an address.
func (c *suppressionAddCmd) Run(ctx context.Context, a *program) error {
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	made, err := server.Suppress(ctx, wire.NewSuppression{Channel: schoolbell.Channel(c.Channel), Address: c.Address, Reason: c.Reason})
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(wire.SuppressionPage{Suppressions: made})
	}
	a.printSuppressions(made)
	return nil
}

type suppressionRemoveCmd struct {
	remote
	ID string `arg:"" name:"id" help:"Id of the suppression, as suppression list shows it."`
}

// Run lets messages be sent to an address again.
func (c *suppressionRemoveCmd) Run(ctx context.Context, a *program) error {
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	if err := server.RemoveSuppression(ctx, c.ID); err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(map[string]any{"id": c.ID, "removed": true})
	}
	a.say("The suppression %s is removed: the address is used again. A provider may have a list of its own.", c.ID)
	return nil
}

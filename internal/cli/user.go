package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"schoolbell/client"
	"schoolbell/wire"
)

type userCmd struct {
	Import     userImportCmd     `cmd:"" help:"Import people from a CSV or NDJSON file."`
	Show       userShowCmd       `cmd:"" help:"Show a person."`
	Deliveries userDeliveriesCmd `cmd:"" help:"List what was sent to a person, newest event first."`
	Schedule   userScheduleCmd   `cmd:"" help:"Show or change the quiet hours of a person, and when their digests are sent."`
	Calendar   userCalendarCmd   `cmd:"" help:"Create the calendar feed of a person, or revoke it."`
	Export     userExportCmd     `cmd:"" help:"Export everything that is stored about a person, as JSON."`
	Revoke     userRevokeCmd     `cmd:"" name:"revoke-tokens" help:"Revoke all tokens of a person."`
}

type userImportCmd struct {
	remote
	File   string `arg:"" name:"file" help:"File to import. - is standard input."`
	Format string `name:"format" placeholder:"FORMAT" help:"Format, csv or ndjson, if the file name does not tell."`
}

// Run imports people. Invalid rows are reported by line; the rest are imported.
func (c *userImportCmd) Run(ctx context.Context, a *program) error {
	media, err := mediaTypeOf(c.File, c.Format, fileFormat{"csv", client.CSV}, fileFormat{"ndjson", client.NDJSON})
	if err != nil {
		return err
	}
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	in, err := a.open(c.File)
	if err != nil {
		return err
	}
	defer in.Close()
	report, err := server.ImportUsers(ctx, in, media)
	if p, ok := errors.AsType[*client.Problem](err); ok && p.Import != nil {
		report = p.Import // it stopped half-way: say what went in before
	} else if err != nil {
		return err
	}
	if c.JSON {
		if errPrint := a.printJSON(report); errPrint != nil {
			return errPrint
		}
	} else {
		a.printImport(report)
	}
	if err == nil && report.Rejected+len(report.Errors) > 0 {
		return quietError{}
	}
	return err
}

func (a *program) printImport(r *wire.ImportReport) {
	a.say("%s imported, %s updated, %s rejected", number(r.Imported), number(r.Updated), number(r.Rejected))
	if len(r.Errors) == 0 {
		return
	}
	a.say("")
	t := newTable("LINE#", "FIELD", "PROBLEM")
	for _, e := range r.Errors {
		t.add(fmt.Sprint(e.Line), e.Field, e.Message)
	}
	t.print(a.Out, a.style)
	if r.Omitted > 0 {
		a.say("and %s more", number(r.Omitted))
	}
}

type userDeliveriesCmd struct {
	remote
	ID     string `arg:"" name:"id" help:"Id of the person."`
	Limit  int    `name:"limit" default:"50" placeholder:"N" help:"Maximum number of events."`
	Cursor string `name:"cursor" placeholder:"CURSOR" help:"Cursor of the next page, as the previous page printed it."`
}

// Run lists what was sent to a person.
func (c *userDeliveriesCmd) Run(ctx context.Context, a *program) error {
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	page, err := server.UserDeliveries(ctx, c.ID, client.Page{Limit: c.Limit, Cursor: c.Cursor})
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(page)
	}
	if len(page.Deliveries) == 0 {
		a.say("No deliveries.")
		a.more(page.Next)
		return nil
	}
	t := newTable("EVENT", "TITLE", "CHANNEL", "STATUS", "OUTCOME", "SINCE", "REASON")
	for _, d := range page.Deliveries {
		t.add(d.EventID, cut(d.Title, 40), string(d.Channel), string(d.Status), cmp.Or(string(d.Outcome), "-"), when(d.UpdatedAt.Time), cut(reasonOf(d.Delivery), 40))
	}
	t.print(a.Out, a.style)
	a.more(page.Next)
	return nil
}

type userRevokeCmd struct {
	remote
	ID string `arg:"" name:"id" help:"Id of the person."`
}

// Run revokes a person's tokens.
func (c *userRevokeCmd) Run(ctx context.Context, a *program) error {
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	if err := server.RevokeTokens(ctx, c.ID); err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(map[string]any{"id": c.ID, "revoked": true})
	}
	a.say("All tokens of %s are revoked; live streams end within ten seconds.", c.ID)
	return nil
}

type userExportCmd struct {
	remote
	ID string `arg:"" name:"id" help:"Id of the person."`
}

// Run prints everything that is stored about a person.
func (c *userExportCmd) Run(ctx context.Context, a *program) error {
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	return server.ExportUser(ctx, c.ID, a.Out)
}

type userShowCmd struct {
	remote
	ID string `arg:"" name:"id" help:"Id of the person."`
}

// Run shows a person.
func (c *userShowCmd) Run(ctx context.Context, a *program) error {
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	u, err := server.User(ctx, c.ID)
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(u)
	}
	a.say("%s", a.style.bold(u.Name))
	for _, l := range [][2]string{
		{"Id", u.ID}, {"Email", u.Email}, {"Phone", u.Phone}, {"Roles", joined(u.Roles)}, {"Groups", joined(u.Groups)},
		{"Guardian", joined(u.GuardianOf)}, {"Language", u.Locale}, {"Time zone", u.Timezone},
	} {
		if l[1] != "" {
			a.say("  %-10s %s", l[0], l[1])
		}
	}
	return nil
}

package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/wire"
)

type eventCmd struct {
	Create     eventCreateCmd     `cmd:"" help:"Create an event."`
	Preview    eventPreviewCmd    `cmd:"" help:"Tell what would happen if an event were created: who gets it, who does not, and what it costs."`
	Import     eventImportCmd     `cmd:"" help:"Create up to 1,000 events from a JSON or NDJSON file."`
	List       eventListCmd       `cmd:"" help:"List events, newest first."`
	Show       eventShowCmd       `cmd:"" help:"Show an event and its progress."`
	Watch      eventWatchCmd      `cmd:"" help:"Follow an event until it is completed."`
	Deliveries eventDeliveriesCmd `cmd:"" help:"List the deliveries of an event."`
	Change     eventChangeCmd     `cmd:"" help:"Change an event before it is sent."`
	Update     eventUpdateCmd     `cmd:"" help:"Change an event that was sent, and tell those whom it has reached."`
	Cancel     eventCancelCmd     `cmd:"" help:"Cancel an event: messages not sent yet are never sent."`
	Release    eventReleaseCmd    `cmd:"" help:"Release an event, or all events, held since the ledger was restored from a backup."`
	Retry      eventRetryCmd      `cmd:"" help:"Retry the failed deliveries of an event, and only those."`
}

type eventListCmd struct {
	remote
	Status string `name:"status" placeholder:"STATUS" help:"Only events with this status: scheduled, queued, processing, completed, cancelled or held."`
	pageFlags
}

// Run lists events.
func (c *eventListCmd) Run(ctx context.Context, a *program) error {
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	page, err := server.Events(ctx, schoolbell.EventStatus(c.Status), c.page())
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(page)
	}
	if len(page.Events) == 0 {
		a.say("No events.")
		return nil
	}
	t := newTable("ID", "STATUS", "CREATED", "TITLE")
	for _, e := range page.Events {
		t.add(e.ID, string(e.Status), when(e.CreatedAt.Time), cut(e.Title, 60))
	}
	t.print(a.Out, a.style)
	a.more(page.Next)
	return nil
}

type eventShowCmd struct {
	remote
	ID string `arg:"" name:"id" help:"Id of the event."`
}

// Run shows an event.
func (c *eventShowCmd) Run(ctx context.Context, a *program) error {
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	e, err := server.Event(ctx, c.ID)
	if err != nil {
		return err
	}
	return a.printEvent(e, c.JSON)
}

// printProgress shows the deliveries of each channel by status.
func (a *program) printProgress(p schoolbell.Progress) {
	t := newTable("CHANNEL", "TOTAL#", "SENT#", "PENDING#", "FAILED#", "SUPPRESSED#", "UNCERTAIN#", "CANCELLED#", "EXPIRED#")
	for _, ch := range schoolbell.Channels() {
		if c, ok := p.Channels[ch]; ok {
			t.add(string(ch), number(c.Total), number(c.Sent), number(c.Pending), number(c.Failed), number(c.Suppressed),
				number(c.Uncertain), number(c.Cancelled), number(c.Expired))
		}
	}
	if len(t.rows) == 0 {
		a.say("Nobody has been reached yet.")
		return
	}
	t.print(a.Out, a.style)
	a.say("%d %%: %s of %s done", p.Percent, number(p.Done), number(p.Total))
}

type eventDeliveriesCmd struct {
	remote
	ID      string `arg:"" name:"id" help:"Id of the event."`
	Status  string `name:"status" placeholder:"STATUS" help:"Only deliveries with this status, such as failed."`
	Channel string `name:"channel" placeholder:"CHANNEL" help:"Only deliveries on this channel."`
	Limit   int    `name:"limit" default:"50" placeholder:"N" help:"Maximum number of rows."`
	Cursor  string `name:"cursor" placeholder:"CURSOR" help:"Cursor of the next page, as the previous page printed it."`
}

// Run lists deliveries.
func (c *eventDeliveriesCmd) Run(ctx context.Context, a *program) error {
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	f := schoolbell.DeliveryFilter{Status: schoolbell.DeliveryStatus(c.Status), Channel: schoolbell.Channel(c.Channel)}
	page, err := server.Deliveries(ctx, c.ID, f, client.Page{Limit: c.Limit, Cursor: c.Cursor})
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(page)
	}
	if len(page.Deliveries) == 0 {
		a.say("No deliveries.")
		return nil
	}
	t := newTable("USER", "CHANNEL", "STATUS", "OUTCOME", "ATTEMPTS#", "SINCE", "REASON")
	for _, d := range page.Deliveries {
		t.add(d.UserID, string(d.Channel), string(d.Status), cmp.Or(string(d.Outcome), "-"), number(d.Attempts), when(d.UpdatedAt.Time), cut(reasonOf(d), 60))
	}
	t.print(a.Out, a.style)
	a.more(page.Next)
	return nil
}

// reasonOf returns the reason of a delivery, with the person to whom the message is sent for this one too.
func reasonOf(d wire.Delivery) string {
	if d.SameAs == "" {
		return d.Reason
	}
	return fmt.Sprintf("%s (as %s)", d.Reason, d.SameAs)
}

type eventCancelCmd struct {
	remote
	ID     string `arg:"" name:"id" help:"Id of the event."`
	Notify bool   `name:"notify" help:"Tell those whom the event has reached. A completed event can be cancelled too then."`
}

// Run cancels an event.
func (c *eventCancelCmd) Run(ctx context.Context, a *program) error {
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	cancel := server.CancelEvent
	if c.Notify {
		cancel = server.RetractEvent
	}
	e, err := cancel(ctx, c.ID)
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(e)
	}
	a.say("Event %s is %s.", e.ID, e.Status)
	a.sayTold(e)
	return nil
}

type eventRetryCmd struct {
	remote
	ID      string   `arg:"" name:"id" help:"Id of the event."`
	Channel string   `name:"channel" placeholder:"CHANNEL" help:"Only deliveries on this channel."`
	Reasons []string `name:"reason" sep:"none" placeholder:"TEXT" help:"Only deliveries with this reason, as 'event deliveries --json' shows it. Can be repeated."`
}

// Run retries the failed deliveries of an event.
func (c *eventRetryCmd) Run(ctx context.Context, a *program) error {
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	n, err := server.RetryFailed(ctx, c.ID, wire.RetryEvent{Channel: schoolbell.Channel(c.Channel), Reasons: c.Reasons})
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(map[string]any{"id": c.ID, "retried": n})
	}
	a.say("%s retried.", count(n, "delivery is", "deliveries are"))
	return nil
}

func joined[T ~string](list []T) string {
	texts := make([]string, len(list))
	for i, v := range list {
		texts[i] = string(v)
	}
	return cut(strings.Join(texts, ", "), 200)
}

// readAll reads an input that is UTF-8 text, up to a limit well above what the server takes.
func readAll(r io.Reader) (string, error) {
	const limit = 8 << 20
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return "", fmt.Errorf("read the input: %w", err)
	}
	if len(b) > limit {
		return "", usage("the input is larger than %d bytes", limit)
	}
	if !utf8.Valid(b) {
		return "", usage("the input is not valid UTF-8")
	}
	return string(b), nil
}

// optional is a time, or nothing for none.
func optional(t wire.Time) string {
	if t.IsZero() {
		return ""
	}
	return when(t.Time)
}

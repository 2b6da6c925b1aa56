package cli

import (
	"context"
	"errors"
	"fmt"

	"schoolbell/client"
	"schoolbell/wire"
)

type eventWatchCmd struct {
	remote
	ID string `arg:"" name:"id" help:"Id of the event."`
}

// Run follows an event.
func (c *eventWatchCmd) Run(ctx context.Context, a *program) error {
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	return a.watch(ctx, server, c.ID, c.JSON)
}

// watch shows an event's progress until nothing will change any more, then its
// summary. As JSON it prints a line for each change.
func (a *program) watch(ctx context.Context, server *client.Client, id string, asJSON bool) error {
	var last wire.EventProgress
	bar := newProgress(a.Err, a.style, "Reaching everyone", 1, asJSON)
	lost := false
	for p, err := range server.WatchEvent(ctx, id) {
		if _, refused := errors.AsType[*client.Problem](err); refused {
			bar.abandon()
			return err
		}
		if err != nil {
			if last.ID == "" {
				bar.abandon()
				return err // it was never there: waiting would hide a wrong address
			}
			if !lost {
				a.complain("the connection was lost, reconnecting: %v", err)
			}
			lost = true
			continue
		}
		last, lost = p, false
		if asJSON {
			if err := a.printJSON(p); err != nil {
				return err
			}
		}
		bar.set(p.Progress.Done, max(1, p.Progress.Total))
	}
	if ctx.Err() != nil {
		bar.abandon()
		return ctx.Err()
	}
	bar.end()
	if asJSON {
		return nil
	}
	a.say("Event %s is %s.", last.ID, last.Status)
	a.say("")
	a.printProgress(last.Progress)
	return a.notReached(last)
}

// notReached says what else can be done about deliveries that failed.
func (a *program) notReached(p wire.EventProgress) error {
	failed := 0
	for _, c := range p.Progress.Channels {
		failed += c.Failed
	}
	if failed > 0 {
		a.suggest("schoolbell event deliveries %s --status failed, then schoolbell event retry %s", p.ID, p.ID)
		return fmt.Errorf("%s failed", count(failed, "delivery", "deliveries"))
	}
	return nil
}

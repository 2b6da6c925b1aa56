package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/wire"
)

// lookEvery is how often the demo looks at what it has reached.
const lookEvery = 50 * time.Millisecond

// createEvent creates one event for everybody over HTTP, as a school's own
// program would, and returns its id and how long the request took. A request
// before it opens the connection.
func (d *demo) createEvent(ctx context.Context) (id string, took time.Duration, err error) {
	server, hangUp, err := dial(d.url, d.key, nil)
	if err != nil {
		return "", 0, err
	}
	defer hangUp()
	if _, err := server.Events(ctx, "", client.Page{Limit: 1}); err != nil {
		return "", 0, fmt.Errorf("call the API: %w", err)
	}
	start := time.Now()
	e, err := server.CreateEvent(ctx, wire.NewEvent{
		Title:    "Sports day moved to Friday",
		Body:     "Because of the weather, sports day takes place on Friday instead of Thursday.\n\nPlease bring water and a hat.",
		Category: schoolbell.CategoryAnnouncement,
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Roles: []schoolbell.Role{schoolbell.RoleStudent, schoolbell.RoleTeacher, schoolbell.RoleParent}}},
		Channels: slices.DeleteFunc(slices.Clone(d.channels), byPhone),
	})
	if err != nil {
		return "", 0, fmt.Errorf("create the event: %w", err)
	}
	return e.ID, time.Since(start), nil
}

// await waits until an event is completed, and shows how far the first one is.
func (d *demo) await(ctx context.Context, id string, shown bool) error {
	bar := newProgress(d.app.Err, d.app.style, "Reaching everyone", d.users, d.quiet || !shown)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		ev, err := d.runtime.Ledger.Events.Event(ctx, id)
		if err != nil {
			bar.abandon()
			return fmt.Errorf("look at the event: %w", err)
		}
		if ev.Status.Terminal() {
			bar.set(d.users, d.users)
			bar.end()
			return nil
		}
		if slices.Contains(d.channels, schoolbell.ChannelEmail) {
			bar.set(min(d.users, d.runtime.Channels.Catcher.Accepted()), d.users)
		}
		select {
		case <-ctx.Done():
			bar.abandon()
			return ctx.Err()
		case <-tick.C:
		}
	}
}

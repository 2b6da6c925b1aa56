package sqlite

import (
	"cmp"
	"context"
	"encoding/json"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// Changes implements ledger.Changes.
type Changes struct{ DB *DB }

// ChangeEvent implements ledger.Changes.
func (s Changes) ChangeEvent(ctx context.Context, id string, setUp []schoolbell.Channel, apply func(*schoolbell.Event) (*schoolbell.Event, error)) (ev *schoolbell.Event, err error) {
	err = s.DB.write(ctx, "change event", func(c *conn) error {
		e, err := eventStateOf(ctx, c, id)
		if err != nil {
			return err
		}
		if err := e.mayGoOn(); err != nil {
			return err
		}
		if begun, err := begun(ctx, c, e.seq); begun || err != nil {
			return cmp.Or(err, row.Begun())
		}
		if ev, err = changed(ctx, c, id, apply); err != nil {
			return err
		}
		if _, _, err := (Events(s)).checkNames(ctx, c, ev, setUp); err != nil {
			return err
		}
		if ev, err = rewrite(ctx, c, e.seq, ev); err != nil {
			return err
		}
		channels, err := json.Marshal(ev.Channels)
		if err != nil {
			return err
		}
		_, err = c.exec(ctx, changeFirstWave, args{"event": e.seq, "channels": string(channels), "send_at": millis(ev.SendAt)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return ev, nil
}

// begun reports whether the walk over the audience of the event has begun.
func begun(ctx context.Context, c *conn, event int64) (yes bool, err error) {
	err = c.get(ctx, findBegun, args{"event": event}, &yes)
	return yes, err
}

// findBegun says whether the walk over the audience of an event has begun.
var findBegun = row.SQL(`
SELECT w.walked OR w.cursor > 0 OR e.status NOT IN ({event_scheduled}, {event_queued})
FROM events e
CROSS JOIN waves w ON w.event_seq = e.seq AND w.n = 0
WHERE e.seq = @event`)

// changed returns what apply makes of an event.
func changed(ctx context.Context, c *conn, id string, apply func(*schoolbell.Event) (*schoolbell.Event, error)) (*schoolbell.Event, error) {
	ev, err := getEvent(ctx, c, id)
	if err != nil {
		return nil, err
	}
	if ev.Revision >= schoolbell.MaxRevisions {
		return nil, row.TooManyRevisions()
	}
	return apply(ev)
}

// rewrite stores ev in the row of its event, and returns it as it is read from the row.
func rewrite(ctx context.Context, c *conn, event int64, ev *schoolbell.Event) (*schoolbell.Event, error) {
	text, kept, err := row.NewEvent(ev)
	if err != nil {
		return nil, err
	}
	var data any // a nil slice would be stored as an empty blob
	if ev.Data != nil {
		data = []byte(ev.Data)
	}
	_, err = c.exec(ctx, rewriteEvent, args{
		"event": event, "title": ev.Title, "body": ev.Body, "audience": text.Audience, "data": data, "location": ev.Location,
		"texts": text.Texts, "starts_at": millis(ev.StartsAt), "ends_at": millis(ev.EndsAt), "expires_at": millis(ev.ExpiresAt),
		"status": string(ev.Status), "revision": ev.Revision,
	})
	return kept, err
}

// rewriteEvent stores what can change of an event.
const rewriteEvent = `
UPDATE events
SET title = @title,
	body = @body,
	audience = @audience,
	data = @data,
	location = @location,
	texts = @texts,
	starts_at = @starts_at,
	ends_at = @ends_at,
	expires_at = @expires_at,
	status = @status,
	revision = @revision
WHERE seq = @event`

// changeFirstWave changes the channels and the start of wave 0.
const changeFirstWave = `
UPDATE waves
SET channels = @channels,
	starts_at = @send_at
WHERE event_seq = @event
	AND n = 0`

// UpdateEvent implements ledger.Changes.
func (s Changes) UpdateEvent(ctx context.Context, id string, apply func(*schoolbell.Event) (*schoolbell.Event, error)) (ev *schoolbell.Event, wave schoolbell.Wave, err error) {
	err = s.DB.write(ctx, "update event", func(c *conn) error {
		e, err := eventStateOf(ctx, c, id)
		if err != nil {
			return err
		}
		if err := e.mayGoOn(); err != nil {
			return err
		}
		if begun, err := begun(ctx, c, e.seq); !begun || err != nil {
			return cmp.Or(err, row.NotBegun())
		}
		if ev, err = changed(ctx, c, id, apply); err != nil {
			return err
		}
		if ev, err = rewrite(ctx, c, e.seq, ev); err != nil {
			return err
		}
		wave, err = tell(ctx, c, e, ev, schoolbell.NoticeChanged)
		return err
	})
	return ev, wave, err
}

// RetractEvent implements ledger.Changes.
func (s Changes) RetractEvent(ctx context.Context, id string) (ev *schoolbell.Event, wave schoolbell.Wave, err error) {
	err = s.DB.write(ctx, "retract event", func(c *conn) error {
		e, err := eventStateOf(ctx, c, id)
		if err != nil {
			return err
		}
		if e.expired() || e.removed {
			return e.mayGoOn()
		}
		if e.status == schoolbell.EventHeld && e.wasCancelled { // a release goes on telling people
			return row.Held()
		}
		begun, err := begun(ctx, c, e.seq)
		if err == nil && e.status != schoolbell.EventCancelled {
			err = cancel(ctx, c, e)
		}
		if err != nil {
			return err
		}
		if ev, err = getEvent(ctx, c, id); err != nil || !begun {
			return err
		}
		var found bool
		if wave, found, err = waveTelling(ctx, c, e.seq, schoolbell.NoticeCancelled); err != nil || found {
			return err
		}
		ev.Revision++
		if ev, err = rewrite(ctx, c, e.seq, ev); err != nil {
			return err
		}
		wave, err = tell(ctx, c, e, ev, schoolbell.NoticeCancelled)
		return err
	})
	return ev, wave, err
}

// tell adds a wave with a notice, or lets one that was not walked yet tell of the present revision too. The wave is zero if
// the event has no channel for it.
func tell(ctx context.Context, c *conn, e *eventState, ev *schoolbell.Event, notice schoolbell.Notice) (wave schoolbell.Wave, err error) {
	channels := ev.NoticeChannels()
	if len(channels) == 0 {
		return wave, nil
	}
	n, err := c.exec(ctx, tellMore, args{"event": e.seq, "notice": string(notice), "revision": ev.Revision})
	switch {
	case err != nil:
		return wave, err
	case n > 0:
		wave, _, err = waveTelling(ctx, c, e.seq, notice)
		return wave, err
	}
	return addFurtherWave(ctx, c, e, schoolbell.Wave{Channels: channels, Notice: notice}, ev.Revision)
}

// tellMore gives a wave of an event that tells of a change and was not walked yet a newer revision.
const tellMore = `
UPDATE waves
SET revision = @revision
WHERE event_seq = @event
	AND notice = @notice
	AND NOT walked
	AND cursor = 0
	AND finished_at IS NULL`

// waveTelling returns the last wave of an event with a notice.
func waveTelling(ctx context.Context, c *conn, event int64, notice schoolbell.Notice) (wave schoolbell.Wave, found bool, err error) {
	waves, err := furtherWaves(ctx, c, event)
	for _, w := range waves {
		if w.Notice == notice {
			wave, found = w, true
		}
	}
	return wave, found, err
}

package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// Changes implements ledger.Changes.
type Changes struct{ DB *DB }

// ChangeEvent implements ledger.Changes.
func (s Changes) ChangeEvent(ctx context.Context, id string, setUp []schoolbell.Channel, apply func(*schoolbell.Event) (*schoolbell.Event, error)) (ev *schoolbell.Event, err error) {
	err = s.DB.write(ctx, "change event", func(tx pgx.Tx) error {
		e, begun, err := lockChanged(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := e.mayGoOn(); err != nil {
			return err
		}
		if begun {
			return row.Begun()
		}
		if ev, err = changed(ctx, tx, id, apply); err != nil {
			return err
		}
		if _, _, err := checkNames(ctx, tx, ev, setUp); err != nil {
			return err
		}
		if ev, err = rewrite(ctx, tx, e.seq, ev); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, changeFirstWave, named{"event": e.seq, "channels": channelNames(ev.Channels), "send_at": stored(ev.SendAt)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return ev, nil
}

// lockChanged returns the state of an event, and whether the walk over its audience has begun. Others wait until the
// transaction ends before they walk or change it.
func lockChanged(ctx context.Context, tx pgx.Tx, id string) (e *eventState, begun bool, err error) {
	if err := tx.QueryRow(ctx, lockFirstWave, id).Scan(&begun); err != nil {
		return nil, false, orNotFound(err, "event", id)
	}
	e, err = eventStateOf(ctx, tx, selectEventState, id)
	return e, begun, err
}

// lockFirstWave locks an event and its wave 0, and selects whether the walk has begun.
var lockFirstWave = row.SQL(`
	SELECT w.walked OR w.cursor > 0 OR e.status NOT IN ({event_scheduled}, {event_queued})
	FROM events e
	JOIN waves w ON w.event_seq = e.seq AND w.n = 0
	WHERE e.id = $1
	FOR UPDATE OF e, w`)

// changed returns what apply makes of an event.
func changed(ctx context.Context, tx pgx.Tx, id string, apply func(*schoolbell.Event) (*schoolbell.Event, error)) (*schoolbell.Event, error) {
	ev, err := getEvent(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if ev.Revision >= schoolbell.MaxRevisions {
		return nil, row.TooManyRevisions()
	}
	return apply(ev)
}

// rewrite stores ev in the row of its event, and returns it as it is read from the row.
func rewrite(ctx context.Context, tx pgx.Tx, seq int64, ev *schoolbell.Event) (*schoolbell.Event, error) {
	text, kept, err := row.NewEvent(ev)
	if err != nil {
		return nil, err
	}
	_, err = tx.Exec(ctx, rewriteEvent, named{
		"event": seq, "title": ev.Title, "body": ev.Body, "audience": text.Audience, "data": []byte(ev.Data), "location": ev.Location,
		"texts": text.Texts, "starts_at": stored(ev.StartsAt), "ends_at": stored(ev.EndsAt), "expires_at": stored(ev.ExpiresAt),
		"status": ev.Status, "revision": ev.Revision,
	})
	return kept, err
}

// rewriteEvent stores what can change of an event.
const rewriteEvent = `
	UPDATE events
	SET title = @title, body = @body, audience = @audience, data = @data, location = @location, texts = @texts,
		starts_at = @starts_at, ends_at = @ends_at, expires_at = @expires_at, status = @status, revision = @revision
	WHERE seq = @event`

// changeFirstWave changes the channels and the start of wave 0.
const changeFirstWave = "UPDATE waves SET channels = @channels, starts_at = @send_at WHERE event_seq = @event AND n = 0"

// UpdateEvent implements ledger.Changes.
func (s Changes) UpdateEvent(ctx context.Context, id string, apply func(*schoolbell.Event) (*schoolbell.Event, error)) (ev *schoolbell.Event, wave schoolbell.Wave, err error) {
	err = s.DB.write(ctx, "update event", func(tx pgx.Tx) error {
		e, begun, err := lockChanged(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := e.mayGoOn(); err != nil {
			return err
		}
		if !begun {
			return row.NotBegun()
		}
		if ev, err = changed(ctx, tx, id, apply); err != nil {
			return err
		}
		if ev, err = rewrite(ctx, tx, e.seq, ev); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, lockOpenBatches, e.seq); err != nil { // until workers know what they claim
			return err
		}
		wave, err = tell(ctx, tx, e.seq, ev, schoolbell.NoticeChanged)
		return err
	})
	return ev, wave, err
}

// RetractEvent implements ledger.Changes.
func (s Changes) RetractEvent(ctx context.Context, id string) (ev *schoolbell.Event, wave schoolbell.Wave, err error) {
	err = s.DB.write(ctx, "retract event", func(tx pgx.Tx) error {
		e, begun, err := lockChanged(ctx, tx, id)
		if err != nil {
			return err
		}
		if e.expired || e.removed {
			return e.mayGoOn()
		}
		if e.status == schoolbell.EventHeld && e.wasCancelled { // a release goes on telling people
			return row.Held()
		}
		if e.status != schoolbell.EventCancelled {
			if err := cancel(ctx, tx, e.seq); err != nil {
				return err
			}
		}
		if ev, err = getEvent(ctx, tx, id); err != nil || !begun {
			return err
		}
		var found bool
		if wave, found, err = waveTelling(ctx, tx, e.seq, schoolbell.NoticeCancelled); err != nil || found {
			return err
		}
		ev.Revision++
		if ev, err = rewrite(ctx, tx, e.seq, ev); err != nil {
			return err
		}
		wave, err = tell(ctx, tx, e.seq, ev, schoolbell.NoticeCancelled)
		return err
	})
	return ev, wave, err
}

// tell adds a wave with a notice, or lets one that was not walked yet tell of the present revision too. The wave is zero if
// the event has no channel for it.
func tell(ctx context.Context, tx pgx.Tx, seq int64, ev *schoolbell.Event, notice schoolbell.Notice) (schoolbell.Wave, error) {
	channels := ev.NoticeChannels()
	if len(channels) == 0 {
		return schoolbell.Wave{}, nil
	}
	tag, err := tx.Exec(ctx, tellMore, named{"event": seq, "notice": notice, "revision": ev.Revision})
	if err == nil && tag.RowsAffected() == 0 {
		tag, err = tx.Exec(ctx, insertWave, named{"event": seq, "channels": channelNames(channels), "starts_at": nil, "only_if": "",
			"notice": notice, "revision": ev.Revision, "most": schoolbell.MaxWaves})
		if err == nil && tag.RowsAffected() == 0 {
			err = row.TooManyWaves()
		}
	}
	if err != nil {
		return schoolbell.Wave{}, err
	}
	wave, _, err := waveTelling(ctx, tx, seq, notice)
	return wave, err
}

// tellMore gives a wave of an event that tells of a change and was not walked yet a newer revision.
const tellMore = `
	UPDATE waves
	SET revision = @revision
	WHERE event_seq = @event AND notice = @notice AND NOT walked AND cursor = 0 AND finished_at IS NULL`

// waveTelling returns the last wave of an event with a notice.
func waveTelling(ctx context.Context, tx pgx.Tx, event int64, notice schoolbell.Notice) (wave schoolbell.Wave, found bool, err error) {
	rows, err := tx.Query(ctx, listWaves, event)
	waves, err := list(rows, err, scanWave)
	for _, w := range waves {
		if w.Notice == notice {
			wave, found = w, true
		}
	}
	return wave, found, err
}

package sqlite

import (
	"context"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// CreateEvent implements ledger.Events. Events that are created at the same time are
// committed together.
func (s Events) CreateEvent(ctx context.Context, ev *schoolbell.Event, setUp []schoolbell.Channel, idem ledger.Idempotency) (
	stored *schoolbell.Event, replayed bool, err error) {
	err = s.DB.writeTogether(ctx, "create event", func(ctx context.Context, c *conn) (err error) {
		stored, replayed, err = s.createEvent(ctx, c, ev, setUp, idem)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return stored, replayed, nil
}

// createEvent stores an event, or returns the one that has its key. Then the change of ctx changes nothing.
func (s Events) createEvent(ctx context.Context, c *conn, ev *schoolbell.Event, setUp []schoolbell.Channel, idem ledger.Idempotency) (
	stored *schoolbell.Event, replayed bool, err error) {
	if stored, err = claimKey(ctx, c, ev.ID, idem); err != nil || stored != nil {
		ledger.ChangeOf(ctx).Void()
		return stored, stored != nil, err
	}
	stored, err = s.insertEvent(ctx, c, ev, setUp)
	return stored, false, err
}

// claimKey claims idem's key for the event id, or returns the event that has it.
func claimKey(ctx context.Context, c *conn, id string, idem ledger.Idempotency) (*schoolbell.Event, error) {
	if idem.Key == "" {
		return nil, nil
	}
	n, err := c.exec(ctx, insertKey, args{"scope": idem.Scope, "key": idem.Key, "fingerprint": idem.Fingerprint, "event_id": id})
	if err != nil || n == 1 {
		return nil, err
	}
	return earlierEvent(ctx, c, idem)
}

// insertKey claims an idempotency key. It inserts nothing if the key is taken.
const insertKey = `
INSERT INTO idempotency (scope, key, fingerprint, event_id, created_at)
VALUES (@scope, @key, @fingerprint, @event_id, ` + now + `)
ON CONFLICT DO NOTHING`

// insertEvent stores a new event with its first wave and returns it.
func (s Events) insertEvent(ctx context.Context, c *conn, ev *schoolbell.Event, setUp []schoolbell.Channel) (*schoolbell.Event, error) {
	channels, lane, err := s.checkNames(ctx, c, ev, setUp)
	if err != nil {
		return nil, err
	}
	text, stored, err := row.NewEvent(ev)
	if err != nil {
		return nil, err
	}
	stored.Channels, stored.Lane, stored.JobID = channels, lane, row.JobID(ev, lane)
	var data any // a nil slice would be stored as an empty blob
	if ev.Data != nil {
		data = []byte(ev.Data)
	}
	seq, err := c.insert(ctx, addEvent, args{
		"id": ev.ID, "title": ev.Title, "body": ev.Body, "category": string(ev.Category), "lane": string(lane),
		"audience": text.Audience, "data": data, "location": ev.Location, "texts": text.Texts,
		"starts_at": millis(ev.StartsAt), "ends_at": millis(ev.EndsAt), "expires_at": millis(ev.ExpiresAt),
		"status": string(ev.Status), "created_by_kind": string(ev.CreatedBy.Kind), "created_by_id": ev.CreatedBy.ID, "job_id": stored.JobID, "created_at": millis(ev.CreatedAt),
		"for_each": string(ev.ForEach), "personal": len(ev.Personal), "area": text.Area,
	})
	if isUnique(err) {
		return nil, &schoolbell.Error{Code: schoolbell.CodeConflict, Message: "there is an event with this id already", Field: "id", Err: err}
	}
	if err != nil {
		return nil, err
	}
	if err := insertPersonal(ctx, c, seq, ev); err != nil {
		return nil, err
	}
	return stored, addWave(ctx, c, seq, schoolbell.Wave{Channels: channels, StartsAt: ev.SendAt}, 0)
}

// Warm prepares the statements of a new event.
func (db *DB) Warm(ctx context.Context) error {
	err := db.w.transaction(ctx, func(c *conn) error {
		for _, query := range []string{insertKey, findCategory, unknownGroups, unknownUsers, addEvent, insertWave, upsertAuditEntry} {
			if _, err := c.statement(ctx, query); err != nil {
				return err
			}
		}
		_, err := db.channels.get(ctx, c)
		return err
	})
	return Wrap("prepare statements", err)
}

// addEvent stores a new event.
const addEvent = `
INSERT INTO events (id, title, body, category, lane, audience, data, location, texts,
	starts_at, ends_at, expires_at, status, created_by_kind, created_by_id, job_id, created_at, for_each, personal, area)
VALUES (@id, @title, @body, @category, @lane, @audience, @data, @location, @texts,
	@starts_at, @ends_at, @expires_at, @status, @created_by_kind, @created_by_id, @job_id, @created_at, @for_each, @personal, @area)`

// checkNames returns the channels and the lane of a new event, or a fault for each name in it that the
// ledger does not know.
func (s Events) checkNames(ctx context.Context, c *conn, ev *schoolbell.Event, setUp []schoolbell.Channel) (
	channels []schoolbell.Channel, lane schoolbell.Lane, err error) {
	groups, users := row.AudienceNames(&ev.Audience)
	users = append(users, row.PersonalUsers(ev)...)
	missingGroups, err := unknown(ctx, c, unknownGroups, groups)
	if err != nil {
		return nil, "", err
	}
	missingUsers, err := unknown(ctx, c, unknownUsers, users)
	if err != nil {
		return nil, "", err
	}
	f := schoolbell.FaultsOf(row.UnknownNames(&ev.Audience, missingGroups, missingUsers))
	f = append(f, schoolbell.FaultsOf(row.UnknownPersonal(ev, missingUsers))...)
	info, err := category(ctx, c, ev.Category)
	channels = ev.Channels
	switch {
	case schoolbell.CodeOf(err) == schoolbell.CodeNotFound:
		err = row.UnknownCategory(ev.Category)
	case err == nil && len(channels) == 0:
		channels, err = row.ChannelsOf(info, setUp)
	}
	if err == nil || schoolbell.CodeOf(err) == schoolbell.CodeInvalid {
		f = append(f, schoolbell.FaultsOf(err)...)
		err = s.DB.channels.check(ctx, c, channels)
	}
	if err != nil && schoolbell.CodeOf(err) != schoolbell.CodeInvalid {
		return nil, "", err
	}
	return channels, info.Lane, append(f, schoolbell.FaultsOf(err)...).Err()
}

// unknownGroups selects the ids that no group has.
const unknownGroups = `
SELECT value
FROM json_each(@ids)
WHERE value NOT IN (SELECT id FROM groups)`

// unknownUsers selects the ids that no live user has.
var unknownUsers = row.SQL(`
SELECT value
FROM json_each(@ids)
WHERE NOT EXISTS (SELECT 1 FROM users WHERE id = value AND state = {user_live})`)

// unknown returns those of ids that query selects.
func unknown(ctx context.Context, c *conn, query string, ids []string) (map[string]bool, error) {
	found := map[string]bool{}
	if len(ids) == 0 {
		return found, nil
	}
	err := c.each(ctx, query, args{"ids": jsonOf(ids)}, func(scan func(...any) error) error {
		var id string
		err := scan(&id)
		found[id] = true
		return err
	})
	return found, err
}

package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// maxRefusals is how often in a row an event may be refused for a reason that is gone when
// it is looked for.
const maxRefusals = 100

// CreateEvent implements ledger.Events. It is one statement and so one round trip; only
// an event that is not stored costs more. Events that are created at the same time share a round trip and a
// commit.
func (s Events) CreateEvent(ctx context.Context, ev *schoolbell.Event, setUp []schoolbell.Channel, idem ledger.Idempotency) (
	stored *schoolbell.Event, replayed bool, err error) {
	if ev.Personalized() { // rare, and large
		created, err := s.CreateEvents(ctx, []ledger.NewEvent{{Event: ev, Idempotency: idem, Change: ledger.ChangeOf(ctx)}}, setUp)
		if err != nil {
			return nil, false, err
		}
		return created[0].Event, created[0].Replayed, created[0].Err
	}
	for range maxRefusals {
		if stored, err = s.insertEvent(ctx, ev, setUp, idem); stored != nil || err != nil {
			return stored, false, err
		}
		if stored, err = s.refusal(ctx, ev, setUp, idem); stored != nil || err != nil {
			return stored, err == nil, err
		}
	}
	return nil, false, fmt.Errorf("create event %s: nothing was stored and nothing is wrong with it", ev.ID)
}

// insertEvent stores the event with its key and its audit entry. It returns nil if it stored nothing.
func (s Events) insertEvent(ctx context.Context, ev *schoolbell.Event, setUp []schoolbell.Channel, idem ledger.Idempotency) (*schoolbell.Event, error) {
	values, kept, err := newEventValues(ev, setUp, idem)
	if err != nil {
		return nil, err
	}
	change := ledger.ChangeOf(ctx)
	var added []categorized
	err = s.DB.again("create event", func() error {
		change.Begin()
		entry, err := newEventEntry(change)
		if err != nil {
			return err
		}
		in := &insertion{values: values.with(entry), size: len(ev.Title) + len(ev.Body) + len(ev.Data)}
		if err := s.DB.insertions.Do(ctx, in); err != nil {
			return err
		}
		added = in.added
		return newEventError(ev, in.err)
	})
	if err != nil || len(added) == 0 {
		return nil, err
	}
	change.Committed()
	kept.Channels, kept.Lane = channelsOf(added[0].Channels), added[0].Lane
	kept.JobID = row.JobID(ev, kept.Lane)
	return kept, nil
}

// categorized is what a new event has of its category, and is what createEvent returns.
type categorized struct {
	Channels []string
	Lane     schoolbell.Lane
}

// newEventValues returns the parameters of createEvent without those of the audit entry, and the
// event as it is read from its row, without its channels and its lane.
func newEventValues(ev *schoolbell.Event, setUp []schoolbell.Channel, idem ledger.Idempotency) (values named, kept *schoolbell.Event, err error) {
	text, kept, err := row.NewEvent(ev)
	if err != nil {
		return nil, nil, err
	}
	groups, users := row.AudienceNames(&ev.Audience)
	values = named{
		"id": ev.ID, "title": ev.Title, "body": ev.Body, "category": ev.Category, "audience": text.Audience, "texts": text.Texts,
		"channels": channelNames(ev.Channels), "set_up": channelNames(setUp), "groups": orEmpty(groups), "users": orEmpty(users),
		"data": []byte(ev.Data), "location": ev.Location, "starts_at": stored(ev.StartsAt), "ends_at": stored(ev.EndsAt),
		"send_at": stored(ev.SendAt), "expires_at": stored(ev.ExpiresAt), "status": ev.Status,
		"created_by_kind": ev.CreatedBy.Kind, "created_by_id": ev.CreatedBy.ID, "lane": ev.Lane, "job_id": ev.JobID, "created_at": stored(ev.CreatedAt),
		"scope": idem.Scope, "key": idem.Key, "fingerprint": idem.Fingerprint, "area": text.Area,
	}
	return values, kept, nil
}

// newEventEntry returns the parameters of createEvent for the audit entry of change: with an
// empty id if there is no entry to store.
func newEventEntry(change *ledger.Change) (named, error) {
	e, ok := change.Unstored()
	if !ok {
		e = schoolbell.AuditEntry{}
	}
	return auditEntry(e)
}

func newEventError(ev *schoolbell.Event, err error) error {
	switch {
	case isForeignKey(err): // deleted at this moment
		return row.UnknownCategory(ev.Category)
	case sqlState(err) == uniqueViolation:
		return idTaken(err)
	}
	return err
}

func idTaken(err error) error {
	return &schoolbell.Error{Code: schoolbell.CodeConflict, Message: "there is an event with this id already", Field: "id", Err: err}
}

// createEvent stores an event with its first wave, which is its own outbox: its queued_at is
// null. With them it stores the idempotency key and the audit entry, if they are not empty. It
// returns the event's channels and lane. If it does not know the category, a channel, a group or a user,
// or the key is taken, it stores and returns nothing. A transaction that is claiming
// the key is waited for.
//
// The numbers of names are compared, so that the planner need not guess how many there are.
var createEvent = row.SQL(`
	WITH given AS (
		SELECT CASE
			WHEN cardinality(@channels::text[]) > 0 THEN @channels::text[]
			ELSE ARRAY (
				SELECT c.name FROM unnest(k.channels) WITH ORDINALITY c(name, i)
				WHERE c.name = ANY (@set_up::text[])
				ORDER BY c.i)
			END AS channels, k.lane
		FROM categories k
		WHERE k.id = @category::text),
	accepted AS (
		SELECT g.channels, g.lane
		FROM given g
		WHERE g.channels <> '{}'
			AND (SELECT count(*) FROM channels WHERE name = ANY (g.channels)) = cardinality(g.channels)
			AND (SELECT count(*) FROM groups WHERE id = ANY (@groups::text[])) = cardinality(@groups::text[])
			AND (SELECT count(*) FROM users WHERE id = ANY (@users::text[]) AND state = {user_live}) = cardinality(@users::text[])),
	claimed AS (
		INSERT INTO idempotency (scope, key, fingerprint, event_id, created_at)
		SELECT @scope::text, @key::text, @fingerprint::text, @id::text, ` + now + `
		FROM accepted
		WHERE @key::text <> ''
		ON CONFLICT DO NOTHING
		RETURNING event_id),
	inserted AS (
		INSERT INTO events (
			id, title, body, category, lane, audience, data, location, texts,
			starts_at, ends_at, expires_at, status, created_by_kind, created_by_id, job_id, created_at, area)
		SELECT
			@id::text, @title::text, @body::text, @category::text, lane, @audience::text, @data::bytea, @location::text, @texts::text,
			@starts_at::timestamptz, @ends_at::timestamptz, @expires_at::timestamptz, @status::text,
			@created_by_kind::text, @created_by_id::text,
			CASE WHEN lane = @lane::text THEN @job_id::text ELSE '' END, @created_at::timestamptz, @area::text
		FROM accepted
		WHERE @key::text = '' OR EXISTS (SELECT 1 FROM claimed)
		RETURNING seq),
	first_wave AS (
		INSERT INTO waves (event_seq, n, channels, starts_at)
		SELECT i.seq, 0, a.channels, @send_at::timestamptz
		FROM inserted i
		CROSS JOIN accepted a),
	audited AS (
		INSERT INTO audit (` + auditColumns + `)
		SELECT
			@audit_id::text, @at::timestamptz, @actor_kind::text, @actor_id::text, @actor_name::text,
			@action::text, @target_kind::text, @target_id::text, @address::text, @changes::text
		FROM inserted
		WHERE @audit_id::text <> '')
	SELECT a.channels, a.lane
	FROM accepted a
	CROSS JOIN inserted`)

// refusal returns why createEvent stored nothing: the event that has the key, or what is
// wrong with ev. It returns neither if the reason is gone. It stores nothing.
func (s Events) refusal(ctx context.Context, ev *schoolbell.Event, setUp []schoolbell.Channel, idem ledger.Idempotency) (earlier *schoolbell.Event, err error) {
	err = s.DB.again("create event", func() error {
		tx, err := s.DB.pool.Begin(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // it has nothing to keep
		if idem.Key != "" {
			if earlier, err = claimKey(ctx, tx, ev.ID, idem); err != nil || earlier != nil {
				return err
			}
		}
		_, _, err = checkNames(ctx, tx, ev, setUp)
		return err
	})
	if err == nil && earlier != nil {
		ledger.ChangeOf(ctx).Void()
	}
	return earlier, err
}

// claimKey claims idem's key for the event id, or returns the event that has it.
// If another transaction is claiming the key, it waits for the end of that transaction.
// If retention deletes the key's row before claimKey has read it, the key is free again.
func claimKey(ctx context.Context, tx pgx.Tx, id string, idem ledger.Idempotency) (*schoolbell.Event, error) {
	for {
		tag, err := tx.Exec(ctx, insertKey, named{"scope": idem.Scope, "key": idem.Key, "fingerprint": idem.Fingerprint, "event_id": id})
		if err != nil || tag.RowsAffected() == 1 {
			return nil, err
		}
		if ev, err := earlierEvent(ctx, tx, idem); err != nil || ev != nil {
			return ev, err
		}
	}
}

// insertKey claims an idempotency key. It inserts nothing if the key is taken.
const insertKey = `
	INSERT INTO idempotency (scope, key, fingerprint, event_id, created_at)
	VALUES (@scope, @key, @fingerprint, @event_id, ` + now + `)
	ON CONFLICT DO NOTHING`

// checkNames returns the channels and the category of a new event, or a fault for each name in it that the ledger does not know.
func checkNames(ctx context.Context, tx pgx.Tx, ev *schoolbell.Event, setUp []schoolbell.Channel) (
	channels []schoolbell.Channel, info schoolbell.CategoryInfo, err error) {
	groups, users := row.AudienceNames(&ev.Audience)
	users = append(users, row.PersonalUsers(ev)...)
	unknownGroups, err := unknown(ctx, tx, selectUnknownGroups, groups)
	if err != nil {
		return nil, info, err
	}
	unknownUsers, err := unknown(ctx, tx, selectUnknownUsers, users)
	if err != nil {
		return nil, info, err
	}
	f := schoolbell.FaultsOf(row.UnknownNames(&ev.Audience, unknownGroups, unknownUsers))
	f = append(f, schoolbell.FaultsOf(row.UnknownPersonal(ev, unknownUsers))...)
	info, err = readCategory(ctx, tx, ev.Category)
	channels = ev.Channels
	switch {
	case schoolbell.CodeOf(err) == schoolbell.CodeNotFound:
		err = row.UnknownCategory(ev.Category)
	case err == nil && len(ev.Channels) == 0:
		channels, err = row.ChannelsOf(info, setUp)
	}
	if err == nil || schoolbell.CodeOf(err) == schoolbell.CodeInvalid {
		f = append(f, schoolbell.FaultsOf(err)...)
		err = checkChannels(ctx, tx, channels)
	}
	if err != nil && schoolbell.CodeOf(err) != schoolbell.CodeInvalid {
		return nil, info, err
	}
	return channels, info, append(f, schoolbell.FaultsOf(err)...).Err()
}

// selectUnknownGroups selects those of the ids that no group has.
const selectUnknownGroups = `
	SELECT n.id
	FROM unnest($1::text[]) n(id)
	WHERE NOT EXISTS (SELECT 1 FROM groups g WHERE g.id = n.id)`

// selectUnknownUsers selects those of the ids that no person has, in the order given.
var selectUnknownUsers = row.SQL(`
	SELECT n.id
	FROM unnest($1::text[]) WITH ORDINALITY n(id, i)
	WHERE NOT EXISTS (SELECT 1 FROM users u WHERE u.id = n.id AND u.state = {user_live})
	ORDER BY i`)

// unknown returns those of ids that query selects.
func unknown(ctx context.Context, tx pgx.Tx, query string, ids []string) (map[string]bool, error) {
	found := map[string]bool{}
	if len(ids) == 0 {
		return found, nil
	}
	rows, err := tx.Query(ctx, query, ids)
	names, err := list(rows, err, pgx.RowTo[string])
	for _, id := range names {
		found[id] = true
	}
	return found, err
}

// orEmpty returns names as PostgreSQL takes a list that is not null.
func orEmpty(names []string) []string {
	if names == nil {
		return []string{}
	}
	return names
}

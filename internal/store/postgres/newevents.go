package postgres

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// CreateEvents implements ledger.Events. However many events there are, it is the same few statements.
func (s Events) CreateEvents(ctx context.Context, events []ledger.NewEvent, setUp []schoolbell.Channel) (created []ledger.CreatedEvent, err error) {
	err = s.DB.write(ledger.WithChange(ctx, nil), "create events", func(tx pgx.Tx) error {
		m := &manyEvents{tx: tx, events: events, setUp: setUp, created: make([]ledger.CreatedEvent, len(events)), replays: map[int]string{}}
		created = m.created
		return m.run(ctx)
	})
	if err != nil {
		return nil, err
	}
	for i, e := range events {
		if created[i].Err == nil {
			e.Change.Committed()
		}
	}
	return created, nil
}

// manyEvents is a transaction that creates many events.
type manyEvents struct {
	tx      pgx.Tx
	events  []ledger.NewEvent
	setUp   []schoolbell.Channel
	created []ledger.CreatedEvent // the result for each event
	replays map[int]string        // by the index of an event, the id of the earlier one that has its key
}

// run creates the events in rounds. More than one is needed only if other transactions claim keys of
// the events meanwhile.
func (m *manyEvents) run(ctx context.Context) error {
	open := make([]int, len(m.events)) // without a result yet
	for i := range open {
		open[i] = i
	}
	for range maxRefusals {
		known, err := m.readKnown(ctx, open)
		if err != nil {
			return err
		}
		accepted, err := m.decide(known, open)
		if err != nil {
			return err
		}
		lost, err := m.store(ctx, accepted)
		if err != nil {
			return err
		}
		if open = m.undecided(open, accepted, lost); len(open) == 0 {
			return m.readReplays(ctx)
		}
	}
	return errors.New("the idempotency keys of the events were claimed and released again and again")
}

// acceptedEvent is an event to be stored, with what it has of its category.
type acceptedEvent struct {
	index int
	ev    *schoolbell.Event // as it is read from its row
	text  row.EventText
	idem  ledger.Idempotency
	entry schoolbell.AuditEntry // without an id if there is none to store
}

// decide gives each open event a result or accepts it, in order.
func (m *manyEvents) decide(known *knownNames, open []int) (accepted []acceptedEvent, err error) {
	for _, i := range open {
		e := m.events[i]
		owner, taken := known.keys[keyName{e.Idempotency.Scope, e.Idempotency.Key}]
		switch {
		case taken && owner.fingerprint == e.Idempotency.Fingerprint:
			m.replays[i] = owner.event
			continue
		case e.Faults != nil: // under the key of another request the faults come first, too
			m.created[i].Err = e.Faults
			continue
		case taken:
			m.created[i].Err = row.KeyReused()
			continue
		}
		channels, lane, faults := known.check(e.Event, m.setUp)
		if faults != nil {
			m.created[i].Err = faults
			continue
		}
		a, err := newAccepted(i, e)
		if err != nil {
			return nil, err
		}
		a.ev.Channels, a.ev.Lane, a.ev.JobID = channels, lane, row.JobID(e.Event, lane)
		accepted = append(accepted, a)
		if e.Idempotency.Key != "" {
			known.keys[keyName{e.Idempotency.Scope, e.Idempotency.Key}] = keyOwner{e.Idempotency.Fingerprint, e.Event.ID}
		}
	}
	return accepted, nil
}

// store stores the accepted events and returns the ids of those whose keys another transaction has claimed.
func (m *manyEvents) store(ctx context.Context, accepted []acceptedEvent) (lost map[string]bool, err error) {
	if len(accepted) == 0 {
		return nil, nil
	}
	if accepted, lost, err = m.claimKeys(ctx, accepted); err != nil || len(accepted) == 0 {
		return lost, err
	}
	seqs, err := m.insertEvents(ctx, accepted)
	if err != nil {
		return nil, err
	}
	if err := m.insertWaves(ctx, accepted, seqs); err != nil {
		return nil, err
	}
	if err := m.insertPersonal(ctx, accepted, seqs); err != nil {
		return nil, err
	}
	if err := m.insertEntries(ctx, accepted); err != nil {
		return nil, err
	}
	for _, a := range accepted {
		m.created[a.index].Event = a.ev
	}
	return lost, nil
}

// claimKeys claims the keys of events. It returns the events that may be stored, and the ids of the others.
func (m *manyEvents) claimKeys(ctx context.Context, events []acceptedEvent) (rest []acceptedEvent, lost map[string]bool, err error) {
	keyed := make([]acceptedEvent, 0, len(events))
	for _, a := range events {
		if a.idem.Key != "" {
			keyed = append(keyed, a)
		}
	}
	if len(keyed) == 0 {
		return events, nil, nil
	}
	rows, err := m.tx.Query(ctx, insertKeys, named{
		"scopes":       column(keyed, func(a acceptedEvent) string { return a.idem.Scope }),
		"keys":         column(keyed, func(a acceptedEvent) string { return a.idem.Key }),
		"fingerprints": column(keyed, func(a acceptedEvent) string { return a.idem.Fingerprint }),
		"ids":          column(keyed, func(a acceptedEvent) string { return a.ev.ID }),
	})
	ids, err := list(rows, err, pgx.RowTo[string])
	if err != nil {
		return nil, nil, err
	}
	claimed := map[string]bool{}
	for _, id := range ids {
		claimed[id] = true
	}
	lost = map[string]bool{}
	for _, a := range events {
		if a.idem.Key == "" || claimed[a.ev.ID] {
			rest = append(rest, a)
		} else {
			lost[a.ev.ID] = true
		}
	}
	return rest, lost, nil
}

// insertKeys claims idempotency keys and returns the events of those that were free. It claims in the order
// of the keys, so that two transactions with the same keys do not wait for each other.
const insertKeys = `
	INSERT INTO idempotency (scope, key, fingerprint, event_id, created_at)
	SELECT scope, key, fingerprint, id, ` + now + `
	FROM unnest(@scopes::text[], @keys::text[], @fingerprints::text[], @ids::text[]) AS g(scope, key, fingerprint, id)
	ORDER BY scope, key
	ON CONFLICT DO NOTHING
	RETURNING event_id`

// insertEvents stores events and returns their numbers by id.
func (m *manyEvents) insertEvents(ctx context.Context, events []acceptedEvent) (seqs map[string]int64, err error) {
	text := func(of func(e *schoolbell.Event) string) []string {
		return column(events, func(a acceptedEvent) string { return of(a.ev) })
	}
	at := func(of func(e *schoolbell.Event) time.Time) []*time.Time {
		return column(events, func(a acceptedEvent) *time.Time { return stored(of(a.ev)) })
	}
	rows, err := m.tx.Query(ctx, insertEvents, named{
		"ids":              text(func(e *schoolbell.Event) string { return e.ID }),
		"titles":           text(func(e *schoolbell.Event) string { return e.Title }),
		"bodies":           text(func(e *schoolbell.Event) string { return e.Body }),
		"categories":       text(func(e *schoolbell.Event) string { return string(e.Category) }),
		"lanes":            text(func(e *schoolbell.Event) string { return string(e.Lane) }),
		"audiences":        column(events, func(a acceptedEvent) string { return a.text.Audience }),
		"data":             column(events, func(a acceptedEvent) []byte { return a.ev.Data }),
		"locations":        text(func(e *schoolbell.Event) string { return e.Location }),
		"texts":            column(events, func(a acceptedEvent) string { return a.text.Texts }),
		"areas":            column(events, func(a acceptedEvent) string { return a.text.Area }),
		"starts_at":        at(func(e *schoolbell.Event) time.Time { return e.StartsAt }),
		"ends_at":          at(func(e *schoolbell.Event) time.Time { return e.EndsAt }),
		"expires_at":       at(func(e *schoolbell.Event) time.Time { return e.ExpiresAt }),
		"statuses":         text(func(e *schoolbell.Event) string { return string(e.Status) }),
		"created_by_kinds": text(func(e *schoolbell.Event) string { return string(e.CreatedBy.Kind) }),
		"created_by_ids":   text(func(e *schoolbell.Event) string { return e.CreatedBy.ID }),
		"job_ids":          text(func(e *schoolbell.Event) string { return e.JobID }),
		"created_at":       at(func(e *schoolbell.Event) time.Time { return e.CreatedAt }),
		"for_each":         text(func(e *schoolbell.Event) string { return string(e.ForEach) }),
		"personal":         column(events, func(a acceptedEvent) int32 { return int32(a.ev.PersonalCount) }),
	})
	numbers, err := list(rows, err, pgx.RowToStructByPos[struct {
		ID  string
		Seq int64
	}])
	seqs = map[string]int64{}
	for _, n := range numbers {
		seqs[n.ID] = n.Seq
	}
	if sqlState(err) == uniqueViolation {
		err = idTaken(err)
	}
	return seqs, err
}

// insertEvents stores events in the order given.
const insertEvents = `
	INSERT INTO events (
		id, title, body, category, lane, audience, data, location, texts,
		starts_at, ends_at, expires_at, status, created_by_kind, created_by_id, job_id, created_at, for_each, personal, area)
	SELECT
		id, title, body, category, lane, audience, data, location, texts,
		starts_at, ends_at, expires_at, status, created_by_kind, created_by_id, job_id, created_at, for_each, personal, area
	FROM unnest(
		@ids::text[], @titles::text[], @bodies::text[], @categories::text[], @lanes::text[], @audiences::text[],
		@data::bytea[], @locations::text[], @texts::text[], @starts_at::timestamptz[], @ends_at::timestamptz[], @expires_at::timestamptz[],
		@statuses::text[], @created_by_kinds::text[], @created_by_ids::text[], @job_ids::text[], @created_at::timestamptz[],
		@for_each::text[], @personal::integer[], @areas::text[])
		WITH ORDINALITY AS g(
			id, title, body, category, lane, audience, data, location, texts,
			starts_at, ends_at, expires_at, status, created_by_kind, created_by_id, job_id, created_at, for_each, personal, area, i)
	ORDER BY i
	RETURNING id, seq`

// insertWaves stores the first waves of events.
func (m *manyEvents) insertWaves(ctx context.Context, events []acceptedEvent, seqs map[string]int64) error {
	_, err := m.tx.Exec(ctx, insertFirstWaves, named{
		"seqs": column(events, func(a acceptedEvent) int64 { return seqs[a.ev.ID] }),
		"channels": column(events, func(a acceptedEvent) string {
			return strings.Join(channelNames(a.ev.Channels), ",")
		}),
		"starts_at": column(events, func(a acceptedEvent) *time.Time { return stored(a.ev.SendAt) }),
	})
	return err
}

// insertFirstWaves stores the first waves of events. Names of channels have no comma.
const insertFirstWaves = `
	INSERT INTO waves (event_seq, n, channels, starts_at)
	SELECT seq, 0, string_to_array(channels, ','), starts_at
	FROM unnest(@seqs::bigint[], @channels::text[], @starts_at::timestamptz[]) AS g(seq, channels, starts_at)`

// undecided returns the open events that have no result yet: those whose key another transaction has
// claimed, and those that are replays of one of them.
func (m *manyEvents) undecided(open []int, accepted []acceptedEvent, lost map[string]bool) (left []int) {
	if len(lost) == 0 {
		return nil
	}
	for _, a := range accepted {
		if lost[a.ev.ID] {
			left = append(left, a.index)
		}
	}
	for _, i := range open {
		if id, replayed := m.replays[i]; replayed && lost[id] {
			delete(m.replays, i)
			left = append(left, i)
		}
	}
	slices.Sort(left)
	return left
}

// readReplays reads the events of the replays.
func (m *manyEvents) readReplays(ctx context.Context) error {
	if len(m.replays) == 0 {
		return nil
	}
	ids := make([]string, 0, len(m.replays))
	for _, id := range m.replays {
		ids = append(ids, id)
	}
	rows, err := m.tx.Query(ctx, selectEvents+" WHERE e.id = ANY ($1)", eachOnce(ids))
	events, err := list(rows, err, scanEvent)
	if err != nil {
		return err
	}
	found := map[string]*schoolbell.Event{}
	for _, ev := range events {
		found[ev.ID] = ev
	}
	for i, id := range m.replays {
		if found[id] == nil {
			return schoolbell.NotFound("event", id)
		}
		m.events[i].Change.Void()
		m.created[i] = ledger.CreatedEvent{Event: found[id], Replayed: true}
	}
	return nil
}

// newAccepted prepares the event of an index for its row, without its channels and its lane.
func newAccepted(index int, e ledger.NewEvent) (a acceptedEvent, err error) {
	a = acceptedEvent{index: index, idem: e.Idempotency}
	if a.text, a.ev, err = row.NewEvent(e.Event); err != nil {
		return a, err
	}
	e.Change.Begin()
	if entry, ok := e.Change.Unstored(); ok {
		a.entry = entry
	}
	return a, nil
}

// insertEntries stores the audit entries of events.
func (m *manyEvents) insertEntries(ctx context.Context, events []acceptedEvent) error {
	var entries []schoolbell.AuditEntry
	var changes []string
	for _, a := range events {
		if a.entry.ID == "" {
			continue
		}
		text, err := row.AuditChanges(a.entry)
		if err != nil {
			return err
		}
		entries, changes = append(entries, a.entry), append(changes, text)
	}
	if len(entries) == 0 {
		return nil
	}
	text := func(of func(e schoolbell.AuditEntry) string) []string { return column(entries, of) }
	_, err := m.tx.Exec(ctx, insertAuditEntries, named{
		"ids":          text(func(e schoolbell.AuditEntry) string { return e.ID }),
		"at":           column(entries, func(e schoolbell.AuditEntry) *time.Time { return stored(e.At) }),
		"actor_kinds":  text(func(e schoolbell.AuditEntry) string { return string(e.Actor.Kind) }),
		"actor_ids":    text(func(e schoolbell.AuditEntry) string { return e.Actor.ID }),
		"actor_names":  text(func(e schoolbell.AuditEntry) string { return e.Actor.Name }),
		"actions":      text(func(e schoolbell.AuditEntry) string { return e.Action }),
		"target_kinds": text(func(e schoolbell.AuditEntry) string { return e.Target.Kind }),
		"target_ids":   text(func(e schoolbell.AuditEntry) string { return e.Target.ID }),
		"addresses":    text(func(e schoolbell.AuditEntry) string { return e.Address }),
		"changes":      changes,
	})
	return err
}

// insertAuditEntries stores audit entries.
const insertAuditEntries = `
	INSERT INTO audit (` + auditColumns + `)
	SELECT *
	FROM unnest(
		@ids::text[], @at::timestamptz[], @actor_kinds::text[], @actor_ids::text[], @actor_names::text[],
		@actions::text[], @target_kinds::text[], @target_ids::text[], @addresses::text[], @changes::text[])`

// column returns what of returns for each item.
func column[T, V any](items []T, of func(T) V) []V {
	values := make([]V, len(items))
	for i, item := range items {
		values[i] = of(item)
	}
	return values
}

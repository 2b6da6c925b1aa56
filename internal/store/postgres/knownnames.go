package postgres

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// knownNames is what the ledger knows of the names in many events.
type knownNames struct {
	categories    map[schoolbell.Category]schoolbell.CategoryInfo
	channels      []schoolbell.Channel
	unknownGroups map[string]bool
	unknownUsers  map[string]bool
	keys          map[keyName]keyOwner
}

// keyName names an idempotency key.
type keyName struct{ scope, key string }

// keyOwner is the request that has an idempotency key, and its event.
type keyOwner struct{ fingerprint, event string }

// readKnown reads what is known of the names in the events of the given indexes.
func (m *manyEvents) readKnown(ctx context.Context, indexes []int) (*knownNames, error) {
	var categories, groups, users []string
	for _, i := range indexes {
		if m.events[i].Faults == nil {
			ev := m.events[i].Event
			g, u := row.AudienceNames(&ev.Audience)
			categories, groups, users = append(categories, string(ev.Category)), append(groups, g...), append(users, u...)
			users = append(users, row.PersonalUsers(ev)...)
		}
	}
	k := &knownNames{categories: map[schoolbell.Category]schoolbell.CategoryInfo{}}
	rows, err := m.tx.Query(ctx, selectCategories+" WHERE id = ANY ($1) FOR KEY SHARE", eachOnce(categories)) // none is deleted meanwhile
	infos, err := list(rows, err, scanCategory)
	if err != nil {
		return nil, err
	}
	for _, info := range infos {
		k.categories[info.ID] = info
	}
	rows, err = m.tx.Query(ctx, "SELECT name FROM channels")
	if k.channels, err = list(rows, err, pgx.RowTo[schoolbell.Channel]); err != nil {
		return nil, err
	}
	if k.unknownGroups, err = unknown(ctx, m.tx, selectUnknownGroups, eachOnce(groups)); err != nil {
		return nil, err
	}
	if k.unknownUsers, err = unknown(ctx, m.tx, selectUnknownUsers, eachOnce(users)); err != nil {
		return nil, err
	}
	k.keys, err = m.readKeys(ctx, indexes)
	return k, err
}

// eachOnce returns the names in order, each once. It changes the list.
func eachOnce(names []string) []string {
	slices.Sort(names)
	return orEmpty(slices.Compact(names))
}

// readKeys returns who has the idempotency keys of the events.
func (m *manyEvents) readKeys(ctx context.Context, indexes []int) (map[keyName]keyOwner, error) {
	var scopes, keys []string
	for _, i := range indexes {
		if idem := m.events[i].Idempotency; idem.Key != "" {
			scopes, keys = append(scopes, idem.Scope), append(keys, idem.Key)
		}
	}
	owners := map[keyName]keyOwner{}
	if len(keys) == 0 {
		return owners, nil
	}
	rows, err := m.tx.Query(ctx, selectKeyOwners, scopes, keys)
	found, err := list(rows, err, pgx.RowToStructByPos[struct{ Scope, Key, Fingerprint, Event string }])
	for _, f := range found {
		owners[keyName{f.Scope, f.Key}] = keyOwner{f.Fingerprint, f.Event}
	}
	return owners, err
}

// selectKeyOwners selects the events that have idempotency keys, with the fingerprints of their requests.
const selectKeyOwners = `
	SELECT scope, key, fingerprint, event_id
	FROM idempotency
	WHERE (scope, key) IN (SELECT * FROM unnest($1::text[], $2::text[]))`

// check returns the channels and the lane of a new event, or a fault for each name in it that the ledger
// does not know.
func (k *knownNames) check(ev *schoolbell.Event, setUp []schoolbell.Channel) (channels []schoolbell.Channel, lane schoolbell.Lane, faults error) {
	f := schoolbell.FaultsOf(row.UnknownNames(&ev.Audience, k.unknownGroups, k.unknownUsers))
	f = append(f, schoolbell.FaultsOf(row.UnknownPersonal(ev, k.unknownUsers))...)
	info, known := k.categories[ev.Category]
	channels = ev.Channels
	var err error
	switch {
	case !known:
		err = row.UnknownCategory(ev.Category)
	case len(channels) == 0:
		channels, err = row.ChannelsOf(info, setUp)
	}
	f = append(f, schoolbell.FaultsOf(err)...)
	var missing []int
	for i, ch := range channels {
		if !slices.Contains(k.channels, ch) {
			missing = append(missing, i)
		}
	}
	f = append(f, schoolbell.FaultsOf(row.UnknownChannels(channels, missing))...)
	return channels, info.Lane, f.Err()
}

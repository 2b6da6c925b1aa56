package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// checkAddressChannels returns a fault for each address of u on a channel that does not exist.
func checkAddressChannels(ctx context.Context, tx pgx.Tx, u *schoolbell.User) error {
	channels, fields := row.AddressChannels(u)
	if len(channels) == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, listUnknownChannels, channelNames(channels))
	unknown, err := list(rows, err, pgx.RowTo[int])
	if err != nil {
		return err
	}
	var f schoolbell.Faults
	for _, i := range unknown {
		f.Add(fields[i], "there is no channel %q", channels[i])
	}
	return f.Err()
}

// addressRows are the addresses of users that change, as the columns that insertAddresses takes.
type addressRows struct {
	replaced                           []string // users whose addresses are deleted first
	users, channels, addresses, labels []string
	reasons                            []string
	positions, states                  []int16
}

// mergeAddresses returns the addresses that change when users are put, of whom the known ones have
// some already.
func mergeAddresses(ctx context.Context, tx pgx.Tx, users []*schoolbell.User, known []string) (*addressRows, error) {
	old := make(map[string][]row.Address, len(known))
	if len(known) > 0 {
		rows, err := tx.Query(ctx, listAddresses, known)
		if err != nil {
			return nil, err
		}
		var user string
		var a row.Address
		_, err = pgx.ForEachRow(rows, []any{&user, &a.Channel, &a.Position, &a.Address, &a.Label, &a.State, &a.Reason}, func() error {
			old[user] = append(old[user], a)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	changes := &addressRows{}
	for _, u := range users {
		merged, changed := row.MergeAddresses(old[u.ID], u)
		if !changed {
			continue
		}
		if len(old[u.ID]) > 0 {
			changes.replaced = append(changes.replaced, u.ID)
		}
		for _, a := range merged {
			changes.add(u.ID, a)
		}
	}
	return changes, nil
}

func (r *addressRows) add(user string, a row.Address) {
	r.users, r.channels = append(r.users, user), append(r.channels, string(a.Channel))
	r.positions, r.states = append(r.positions, int16(a.Position)), append(r.states, int16(a.State))
	r.addresses, r.labels, r.reasons = append(r.addresses, a.Address), append(r.labels, a.Label), append(r.reasons, a.Reason)
}

// queue adds the statements that store the changes.
func (r *addressRows) queue(b *pgx.Batch) {
	if len(r.replaced) > 0 {
		b.Queue(deleteAddresses, r.replaced)
	}
	if len(r.users) > 0 {
		b.Queue(insertAddresses, named{"users": r.users, "channels": r.channels, "positions": r.positions, "states": r.states,
			"addresses": r.addresses, "labels": r.labels, "reasons": r.reasons})
	}
}

// listAddresses selects the addresses of users.
const listAddresses = `
	SELECT u.id, c.name, a.position, a.address, a.label, a.state, a.reason
	FROM users u
	JOIN addresses a ON a.user_seq = u.seq
	JOIN channels c ON c.id = a.channel
	WHERE u.id = ANY ($1)`

// deleteAddresses deletes the addresses of users.
const deleteAddresses = "DELETE FROM addresses WHERE user_seq IN (SELECT seq FROM users WHERE id = ANY ($1))"

// insertAddresses inserts addresses. Those on a channel that does not exist fail: the channel is null.
const insertAddresses = `
	INSERT INTO addresses (user_seq, channel, position, state, address, label, reason, updated_at)
	SELECT u.seq, c.id, n.position, n.state, n.address, n.label, n.reason, clock.now
	FROM ` + clock + `
	CROSS JOIN unnest(@users::text[], @channels::text[], @positions::smallint[], @states::smallint[],
			@addresses::text[], @labels::text[], @reasons::text[])
		n(user_id, channel, position, state, address, label, reason)
	JOIN users u ON u.id = n.user_id
	LEFT JOIN channels c ON c.name = n.channel`

// addressesOf returns an expression for the addresses of a user as JSON, as fillAddresses reads them.
func addressesOf(user string) string {
	return `(
			SELECT json_agg(json_build_object('Channel', c.name, 'Position', a.position, 'Address', a.address,
				'Label', a.label, 'State', a.state, 'Reason', a.reason) ORDER BY a.channel, a.position)
			FROM addresses a
			JOIN channels c ON c.id = a.channel
			WHERE a.user_seq = ` + user + `)`
}

func fillAddresses(u *schoolbell.User, text []byte) error {
	if text == nil {
		return nil
	}
	var addresses []row.Address
	if err := json.Unmarshal(text, &addresses); err != nil {
		return fmt.Errorf("decode addresses of user %s: %w", u.ID, err)
	}
	row.FillAddresses(u, addresses)
	return nil
}

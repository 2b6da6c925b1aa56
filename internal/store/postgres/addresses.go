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

// readAddresses reads what listAddresses selects, by user.
func readAddresses(r pgx.BatchResults, found map[int64][]row.Address) error {
	rows, err := r.Query()
	if err != nil {
		return err
	}
	var user int64
	var a row.Address
	_, err = pgx.ForEachRow(rows, []any{&user, &a.Channel, &a.Position, &a.Address, &a.Label, &a.State, &a.Reason}, func() error {
		found[user] = append(found[user], a)
		return nil
	})
	return err
}

// queueAddresses queues the statements that make the addresses of users those that they say. old are
// those that they have.
func queueAddresses(b *pgx.Batch, p *row.Put, old map[int64][]row.Address) {
	added, replaced := p.Addresses(old)
	if len(replaced) > 0 {
		b.Queue(deleteAddresses, replaced)
	}
	if len(added) > 0 {
		b.Queue(insertAddresses, columnsOfAddresses(added))
	}
}

func columnsOfAddresses(list []row.UserAddress) named {
	n := len(list)
	users, positions, states := make([]int64, n), make([]int16, n), make([]int16, n)
	channels, addresses, labels, reasons := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	for i, a := range list {
		users[i], channels[i], positions[i], states[i] = a.User, string(a.Channel), int16(a.Position), int16(a.State)
		addresses[i], labels[i], reasons[i] = a.Address.Address, a.Label, a.Reason
	}
	return named{"users": users, "channels": channels, "positions": positions, "states": states,
		"addresses": addresses, "labels": labels, "reasons": reasons}
}

// listAddresses selects the addresses of users.
const listAddresses = `
	SELECT a.user_seq, c.name, a.position, a.address, a.label, a.state, a.reason
	FROM addresses a
	JOIN channels c ON c.id = a.channel
	WHERE a.user_seq = ANY ($1)`

// deleteAddresses deletes the addresses of users.
const deleteAddresses = "DELETE FROM addresses WHERE user_seq = ANY ($1)"

// insertAddresses inserts addresses. Those on a channel that does not exist fail: the channel is null.
const insertAddresses = `
	INSERT INTO addresses (user_seq, channel, position, state, address, label, reason, updated_at)
	SELECT n.user_seq, c.id, n.position, n.state, n.address, n.label, n.reason, clock.now
	FROM ` + clock + `
	CROSS JOIN unnest(@users::bigint[], @channels::text[], @positions::smallint[], @states::smallint[],
			@addresses::text[], @labels::text[], @reasons::text[])
		n(user_seq, channel, position, state, address, label, reason)
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

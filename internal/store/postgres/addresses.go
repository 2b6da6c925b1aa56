package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

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

// copyAddresses inserts addresses. channels has the numbers of all channels.
func copyAddresses(ctx context.Context, tx pgx.Tx, list []row.UserAddress, channels map[schoolbell.Channel]int16, now time.Time) error {
	n := len(list)
	users, numbers, positions, states := make([]int64, n), make([]int16, n), make([]int16, n), make([]int16, n)
	addresses, labels, reasons := make([]string, n), make([]string, n), make([]string, n)
	for i, a := range list {
		number, known := channels[a.Channel]
		if !known {
			return fmt.Errorf("user %d has an address on the channel %q, which is unknown", a.User, a.Channel)
		}
		users[i], numbers[i], positions[i], states[i] = a.User, number, int16(a.Position), int16(a.State)
		addresses[i], labels[i], reasons[i] = a.Address.Address, a.Label, a.Reason
	}
	return copyRows(ctx, tx, copyAddressRows, n, users, numbers, positions, states, addresses, labels, reasons, now)
}

// copyAddressRows inserts addresses.
const copyAddressRows = `
	COPY addresses (user_seq, channel, position, state, address, label, reason, updated_at)
	FROM STDIN (FORMAT binary)`

// listAddresses selects the addresses of users.
const listAddresses = `
	SELECT a.user_seq, c.name, a.position, a.address, a.label, a.state, a.reason
	FROM addresses a
	JOIN channels c ON c.id = a.channel
	WHERE a.user_seq = ANY ($1)`

// deleteAddresses deletes the addresses of users.
const deleteAddresses = "DELETE FROM addresses WHERE user_seq = ANY ($1)"

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

package sqlite

import (
	"context"
	"fmt"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// checkAddressChannels returns a fault for each address of u on a channel that the ledger does not have.
func checkAddressChannels(ctx context.Context, c *conn, known *channelTable, u *schoolbell.User) error {
	var f schoolbell.Faults
	channels, fields := row.AddressChannels(u)
	for i, channel := range channels {
		_, err := known.asked(ctx, c, fields[i], channel)
		if schoolbell.CodeOf(err) == schoolbell.CodeInvalid {
			f = append(f, schoolbell.FaultsOf(err)...)
		} else if err != nil {
			return err
		}
	}
	return f.Err()
}

// putAddresses makes the addresses of users those that they say. old are the numbers of those
// who may have some.
func putAddresses(ctx context.Context, c *conn, channels *channelTable, p *row.Put, old []int64, at int64) error {
	found, err := addressesOf(ctx, c, old)
	if err != nil {
		return err
	}
	added, replaced := p.Addresses(found)
	if len(replaced) > 0 {
		if _, err := c.exec(ctx, deleteAddresses, args{"users": jsonOf(replaced)}); err != nil {
			return err
		}
	}
	plain, others := make([]any, 0, 5*len(added)), []any(nil)
	var users []int64 // who get addresses
	numbers := map[schoolbell.Channel]any{}
	var now any = at
	for _, a := range added {
		if len(users) == 0 || users[len(users)-1] != a.User {
			users = append(users, a.User)
		}
		channel, known := numbers[a.Channel]
		if !known {
			n, ok, err := channels.number(ctx, c, a.Channel)
			if err != nil {
				return err
			}
			if !ok {
				return fmt.Errorf("user %d has an address on the channel %q, which is unknown", a.User, a.Channel)
			}
			channel, numbers[a.Channel] = n, n
		}
		if a.State == row.AddressUnverified && a.Label == "" && a.Reason == "" {
			plain = append(plain, a.User, channel, a.Position, a.Address.Address, now)
		} else {
			others = append(others, a.User, channel, a.Position, a.State, a.Address.Address, a.Label, a.Reason, now)
		}
	}
	if err := c.insertRows(ctx, addPlainAddress, plain); err != nil {
		return err
	}
	if err := c.insertRows(ctx, addAddress, others); err != nil || len(users) == 0 {
		return err
	}
	_, err = c.exec(ctx, markShared, args{"users": jsonOf(users)})
	return err
}

// addressesOf returns the addresses of the users with the numbers.
func addressesOf(ctx context.Context, c *conn, users []int64) (map[int64][]row.Address, error) {
	found := make(map[int64][]row.Address, len(users))
	if len(users) == 0 {
		return found, nil
	}
	var user, position, state int64 // as the driver has them: database/sql would take an int through its text
	var channel string
	var a row.Address
	dest := []any{&user, &channel, &position, &a.Address, &a.Label, &state, &a.Reason}
	err := c.each(ctx, findAddresses, args{"users": jsonOf(users)}, func(scan func(...any) error) error {
		err := scan(dest...)
		a.Channel, a.Position, a.State = schoolbell.Channel(channel), int(position), int(state)
		found[user] = append(found[user], a)
		return err
	})
	return found, err
}

// findAddresses selects the addresses of the users with the numbers.
const findAddresses = `
SELECT a.user_seq, h.name, a.position, a.address, a.label, a.state, a.reason
FROM json_each(@users)
CROSS JOIN addresses a ON a.user_seq = value
CROSS JOIN channels h ON h.id = a.channel`

// deleteAddresses deletes the addresses of the users with the numbers.
const deleteAddresses = "DELETE FROM addresses WHERE user_seq IN (SELECT value FROM json_each(@users))"

// addAddress inserts an address.
var addAddress = insertion{
	into: "INSERT INTO addresses (user_seq, channel, position, state, address, label, reason, updated_at)",
	row:  "(?, ?, ?, ?, ?, ?, ?, ?)",
}

// addPlainAddress inserts an address without label about which there is no news.
var addPlainAddress = insertion{
	into: "INSERT INTO addresses (user_seq, channel, position, state, address, label, reason, updated_at)",
	row:  row.SQL("(?, ?, ?, {address_unverified}, ?, '', '', ?)"),
}

// listedAddresses are the addresses of user u as JSON, which row.Address decodes, in order.
const listedAddresses = `(
		SELECT json_group_array(json_object('Channel', name, 'Position', position, 'Address', address,
			'Label', label, 'State', state, 'Reason', reason))
		FROM (
			SELECT h.name, a.position, a.address, a.label, a.state, a.reason
			FROM addresses a
			CROSS JOIN channels h ON h.id = a.channel
			WHERE a.user_seq = u.seq
			ORDER BY a.channel, a.position
		)
	)`

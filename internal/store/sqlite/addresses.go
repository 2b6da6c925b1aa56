package sqlite

import (
	"context"
	"encoding/json"

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

// userAddress is an address with the id of its user.
type userAddress struct {
	User string
	row.Address
}

// putAddresses makes the addresses of users those that they say. known are the ids of those
// who may have some. Users whose addresses stay as they are cost no writing.
func putAddresses(ctx context.Context, c *conn, users []*schoolbell.User, known []string, at int64) error {
	old, err := addressesOf(ctx, c, known)
	if err != nil {
		return err
	}
	var replaced []string
	var added []userAddress
	for _, u := range users {
		merged, changed := row.MergeAddresses(old[u.ID], u)
		if !changed {
			continue
		}
		if len(old[u.ID]) > 0 {
			replaced = append(replaced, u.ID)
		}
		for _, a := range merged {
			added = append(added, userAddress{u.ID, a})
		}
	}
	if len(replaced) > 0 {
		if _, err := c.exec(ctx, "DELETE FROM addresses WHERE user_seq IN "+seqsOf, args{"ids": jsonOf(replaced)}); err != nil {
			return err
		}
	}
	if len(added) == 0 {
		return nil
	}
	text, err := json.Marshal(added)
	if err != nil {
		return err
	}
	_, err = c.exec(ctx, addAddresses, args{"addresses": string(text), "now": at})
	return err
}

// addressesOf returns the addresses of the users with the ids, by id.
func addressesOf(ctx context.Context, c *conn, ids []string) (map[string][]row.Address, error) {
	found := map[string][]row.Address{}
	if len(ids) == 0 {
		return found, nil
	}
	err := c.each(ctx, findAddresses, args{"ids": jsonOf(ids)}, func(scan func(...any) error) error {
		var id string
		var a row.Address
		err := scan(&id, &a.Channel, &a.Position, &a.Address, &a.Label, &a.State, &a.Reason)
		found[id] = append(found[id], a)
		return err
	})
	return found, err
}

// findAddresses selects the addresses of the users with the ids.
const findAddresses = `
SELECT u.id, h.name, a.position, a.address, a.label, a.state, a.reason
FROM json_each(@ids)
CROSS JOIN users u ON u.id = value
CROSS JOIN addresses a ON a.user_seq = u.seq
CROSS JOIN channels h ON h.id = a.channel`

// addAddresses inserts addresses, each with the id of its user.
const addAddresses = `
INSERT INTO addresses (user_seq, channel, position, state, address, label, reason, updated_at)
SELECT u.seq, h.id, value ->> 'Position', value ->> 'State', value ->> 'Address',
	value ->> 'Label', value ->> 'Reason', @now
FROM json_each(@addresses)
CROSS JOIN users u ON u.id = value ->> 'User'
CROSS JOIN channels h ON h.name = value ->> 'Channel'`

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

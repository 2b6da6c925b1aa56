package sqlite

import (
	"context"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// ChangeDevices implements people.Store.
func (s People) ChangeDevices(ctx context.Context, userID string, change func([]schoolbell.Address) ([]schoolbell.Address, error)) error {
	return s.DB.write(ctx, "change devices", func(c *conn) error {
		seq, err := userSeq(ctx, c, userID)
		if err != nil {
			return err
		}
		channel, err := s.DB.channels.asked(ctx, c, "channel", schoolbell.ChannelPush)
		if err != nil {
			return err
		}
		user := args{"user": seq, "channel": channel}
		old, err := devicesOf(ctx, c, user)
		if err != nil {
			return err
		}
		wanted, err := change(old)
		if err != nil {
			return err
		}
		at, err := clock(ctx, c)
		if err != nil {
			return err
		}
		if _, err := c.exec(ctx, deleteDevices, user); err != nil {
			return err
		}
		values := make([]any, 0, 8*len(wanted))
		for i, a := range wanted {
			values = append(values, seq, channel, i+1, row.StateNumber(a.State), a.Address, a.Label, a.Reason, at)
		}
		return c.insertRows(ctx, addAddress, values)
	})
}

func devicesOf(ctx context.Context, c *conn, user args) (devices []schoolbell.Address, err error) {
	a := schoolbell.Address{Channel: schoolbell.ChannelPush}
	var state int
	err = c.each(ctx, listDevices, user, func(scan func(...any) error) error {
		if err := scan(&a.Address, &a.Label, &state, &a.Reason); err != nil {
			return err
		}
		a.State = row.State(state)
		devices = append(devices, a)
		return nil
	})
	return devices, err
}

// listDevices selects the addresses of a user on a channel.
const listDevices = `
SELECT address, label, state, reason
FROM addresses
WHERE user_seq = @user
	AND channel = @channel
ORDER BY position`

// deleteDevices deletes the addresses of a user on a channel.
const deleteDevices = "DELETE FROM addresses WHERE user_seq = @user AND channel = @channel"

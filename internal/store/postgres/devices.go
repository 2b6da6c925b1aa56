package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// ChangeDevices implements people.Store.
func (s People) ChangeDevices(ctx context.Context, userID string, change func([]schoolbell.Address) ([]schoolbell.Address, error)) error {
	return s.DB.write(ctx, "change devices", func(tx pgx.Tx) error {
		if err := lock(ctx, tx, lockPeople); err != nil { // two could each store what the other does not know
			return err
		}
		seq, err := userSeq(ctx, tx, userID)
		if err != nil {
			return err
		}
		user := named{"user": seq, "channel": schoolbell.ChannelPush}
		rows, err := tx.Query(ctx, listDevices, user)
		old, err := list(rows, err, scanDevice)
		if err != nil {
			return err
		}
		wanted, err := change(old)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, deleteDevices, user); err != nil {
			return err
		}
		n := len(wanted)
		addresses, labels, reasons, states := make([]string, n), make([]string, n), make([]string, n), make([]int16, n)
		for i, a := range wanted {
			addresses[i], labels[i], reasons[i], states[i] = a.Address, a.Label, a.Reason, int16(row.StateNumber(a.State))
		}
		user["addresses"], user["labels"], user["reasons"], user["states"] = addresses, labels, reasons, states
		_, err = tx.Exec(ctx, insertDevices, user)
		return err
	})
}

func scanDevice(r pgx.CollectableRow) (schoolbell.Address, error) {
	a := schoolbell.Address{Channel: schoolbell.ChannelPush}
	var state int
	err := r.Scan(&a.Address, &a.Label, &state, &a.Reason)
	if err == nil {
		a.State = row.State(state)
	}
	return a, err
}

// listDevices selects the addresses of a user on a channel.
const listDevices = `
	SELECT a.address, a.label, a.state, a.reason
	FROM addresses a
	JOIN channels c ON c.id = a.channel
	WHERE a.user_seq = @user AND c.name = @channel
	ORDER BY a.position`

// deleteDevices deletes the addresses of a user on a channel.
const deleteDevices = "DELETE FROM addresses WHERE user_seq = @user AND channel = (SELECT id FROM channels WHERE name = @channel)"

// insertDevices inserts addresses of a user on a channel, which has none then, in order.
const insertDevices = `
	INSERT INTO addresses (user_seq, channel, position, state, address, label, reason, updated_at)
	SELECT @user, c.id, a.position, a.state, a.address, a.label, a.reason, ` + now + `
	FROM channels c
	CROSS JOIN unnest(@addresses::text[], @labels::text[], @states::smallint[], @reasons::text[])
		WITH ORDINALITY a(address, label, state, reason, position)
	WHERE c.name = @channel`

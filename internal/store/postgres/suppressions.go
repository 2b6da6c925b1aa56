package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Suppressions implements ledger.Suppressions.
type Suppressions struct{ DB *DB }

// Suppressions implements ledger.Suppressions.
func (s Suppressions) Suppressions(ctx context.Context, after ledger.SuppressionCursor, limit int) (found []schoolbell.Suppression, last ledger.SuppressionCursor, err error) {
	err = s.DB.read(ctx, "list suppressions", func(tx pgx.Tx) error {
		found, last, err = listSuppressions(ctx, tx, pageOfSuppressions,
			named{"user": after.User, "channel": int16(after.Channel), "position": int16(after.Position), "limit": limit})
		return err
	})
	return found, last, err
}

func listSuppressions(ctx context.Context, tx pgx.Tx, query string, of named) (found []schoolbell.Suppression, last ledger.SuppressionCursor, err error) {
	rows, err := tx.Query(ctx, query, of)
	found, err = list(rows, err, func(r pgx.CollectableRow) (s schoolbell.Suppression, err error) {
		var state int
		var since time.Time
		err = r.Scan(&last.User, &last.Channel, &last.Position, &s.UserID, &s.Key.Channel, &s.Address, &state, &s.Reason, &since)
		s.Key.User, s.Key.Digest = last.User, schoolbell.AddressDigest(s.Address)
		s.State, s.Since = row.State(state), since.UTC()
		s.Until = schoolbell.SuppressionEnd(s.State, s.Since)
		return s, err
	})
	return found, last, err
}

// selectSuppressions selects addresses that are not used, as listSuppressions reads them. More conditions follow.
const selectSuppressions = `
	SELECT a.user_seq, a.channel, a.position, u.id, c.name, a.address, a.state, a.reason, a.updated_at
	FROM addresses a
	JOIN users u ON u.seq = a.user_seq
	JOIN channels c ON c.id = a.channel
	WHERE a.state NOT IN ({usable})
		AND `

// pageOfSuppressions selects those after a place.
var pageOfSuppressions = row.SQL(selectSuppressions + `(a.user_seq, a.channel, a.position) > (@user::bigint, @channel::smallint, @position::smallint)
	ORDER BY a.user_seq, a.channel, a.position
	LIMIT @limit`)

// suppressionsOfAddress selects those with an address.
var suppressionsOfAddress = row.SQL(selectSuppressions + `c.name = @channel_name AND lower(a.address) = lower(@address)
	ORDER BY a.user_seq, a.channel, a.position`)

// SuppressionsOf implements ledger.Suppressions.
func (s Suppressions) SuppressionsOf(ctx context.Context, channel schoolbell.Channel, address string) (found []schoolbell.Suppression, err error) {
	err = s.DB.read(ctx, "look up suppressions", func(tx pgx.Tx) error {
		found, _, err = listSuppressions(ctx, tx, suppressionsOfAddress, named{"channel_name": string(channel), "address": row.Text(address)})
		return err
	})
	return found, err
}

// Suppress implements ledger.Suppressions.
func (s Suppressions) Suppress(ctx context.Context, channel schoolbell.Channel, address, reason string) (found []schoolbell.Suppression, err error) {
	err = s.DB.write(ctx, "suppress an address", func(tx pgx.Tx) error {
		of := named{"channel_name": string(channel), "address": row.Text(address)}
		if _, err := tx.Exec(ctx, stopAddress, of.with(named{"reason": row.Text(reason)})); err != nil {
			return err
		}
		if found, _, err = listSuppressions(ctx, tx, suppressionsOfAddress, of); err == nil && len(found) == 0 {
			err = row.NoAddress()
		}
		return err
	})
	return found, err
}

// stopAddress makes an address stopped that is not.
var stopAddress = row.SQL(`
	UPDATE addresses a
	SET state = {address_stopped}, reason = @reason, updated_at = ` + now + `
	FROM channels c
	WHERE c.name = @channel_name AND a.channel = c.id AND lower(a.address) = lower(@address) AND a.state <> {address_stopped}`)

// EndSuspensions implements ledger.Retention.
func (s Retention) EndSuspensions(ctx context.Context, before time.Time) (addresses int, err error) {
	err = s.DB.write(ctx, "end suspensions", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, endSuspensions, before)
		addresses = int(tag.RowsAffected())
		return err
	})
	return addresses, err
}

// endSuspensions makes addresses unverified that were suspended before a time.
var endSuspensions = row.SQL(`
	UPDATE addresses
	SET state = {address_unverified}, reason = '', updated_at = ` + now + `
	WHERE state = {address_suspended} AND updated_at < $1`)

// RemoveSuppression implements ledger.Suppressions.
func (s Suppressions) RemoveSuppression(ctx context.Context, key schoolbell.SuppressionKey) error {
	return s.DB.write(ctx, "remove a suppression", func(tx pgx.Tx) error {
		of := named{"user": key.User, "channel_name": string(key.Channel)}
		found, _, err := listSuppressions(ctx, tx, suppressionsOfUser, of)
		if err != nil {
			return err
		}
		for _, f := range found {
			if f.Key == key {
				_, err := tx.Exec(ctx, useAddress, of.with(named{"address": f.Address}))
				return err
			}
		}
		return row.NoSuppression()
	})
}

// suppressionsOfUser selects those of a user on a channel.
var suppressionsOfUser = row.SQL(selectSuppressions + "a.user_seq = @user AND c.name = @channel_name")

// useAddress makes an address of a user unverified.
var useAddress = row.SQL(`
	UPDATE addresses a
	SET state = {address_unverified}, reason = '', updated_at = ` + now + `
	FROM channels c
	WHERE c.name = @channel_name AND a.channel = c.id AND a.user_seq = @user AND a.address = @address`)

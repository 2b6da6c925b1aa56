package sqlite

import (
	"context"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Suppressions implements ledger.Suppressions.
type Suppressions struct{ DB *DB }

// Suppressions implements ledger.Suppressions.
func (s Suppressions) Suppressions(ctx context.Context, after ledger.SuppressionCursor, limit int) (found []schoolbell.Suppression, last ledger.SuppressionCursor, err error) {
	err = s.DB.read(ctx, "list suppressions", func(c *conn) error {
		found, last, err = listSuppressions(ctx, c, pageOfSuppressions, args{"user": after.User, "channel": after.Channel, "position": after.Position, "limit": limit})
		return err
	})
	return found, last, err
}

func listSuppressions(ctx context.Context, c *conn, query string, a args) (found []schoolbell.Suppression, last ledger.SuppressionCursor, err error) {
	err = c.each(ctx, query, a, func(scan func(...any) error) error {
		var s schoolbell.Suppression
		var state int
		var since int64
		if err := scan(&last.User, &last.Channel, &last.Position, &s.UserID, &s.Key.Channel, &s.Address, &state, &s.Reason, &since); err != nil {
			return err
		}
		s.Key.User, s.Key.Digest = last.User, schoolbell.AddressDigest(s.Address)
		s.State, s.Since = row.State(state), time.UnixMilli(since).UTC()
		s.Until = schoolbell.SuppressionEnd(s.State, s.Since)
		found = append(found, s)
		return nil
	})
	return found, last, err
}

// selectSuppressions selects addresses that are not used, as listSuppressions reads them. More conditions follow.
const selectSuppressions = `
SELECT a.user_seq, a.channel, a.position, u.id, h.name, a.address, a.state, a.reason, a.updated_at
FROM addresses a
CROSS JOIN users u ON u.seq = a.user_seq
CROSS JOIN channels h ON h.id = a.channel
WHERE a.state NOT IN ({usable})
	AND `

// pageOfSuppressions selects those after a place.
var pageOfSuppressions = row.SQL(selectSuppressions + `(a.user_seq, a.channel, a.position) > (@user, @channel, @position)
ORDER BY a.user_seq, a.channel, a.position
LIMIT @limit`)

// suppressionsOfAddress selects those with an address.
var suppressionsOfAddress = row.SQL(selectSuppressions + `h.name = @channel_name
	AND lower(a.address) = lower(@address)
ORDER BY a.user_seq, a.channel, a.position`)

// SuppressionsOf implements ledger.Suppressions.
func (s Suppressions) SuppressionsOf(ctx context.Context, channel schoolbell.Channel, address string) (found []schoolbell.Suppression, err error) {
	err = s.DB.read(ctx, "look up suppressions", func(c *conn) error {
		found, _, err = listSuppressions(ctx, c, suppressionsOfAddress, args{"channel_name": string(channel), "address": row.Text(address)})
		return err
	})
	return found, err
}

// Suppress implements ledger.Suppressions.
func (s Suppressions) Suppress(ctx context.Context, channel schoolbell.Channel, address, reason string) (found []schoolbell.Suppression, err error) {
	err = s.DB.write(ctx, "suppress an address", func(c *conn) error {
		at, err := clock(ctx, c)
		if err != nil {
			return err
		}
		of := args{"channel_name": string(channel), "address": row.Text(address)}
		if _, err := c.exec(ctx, stopAddress, of.and(args{"reason": row.Text(reason), "now": at})); err != nil {
			return err
		}
		if found, _, err = listSuppressions(ctx, c, suppressionsOfAddress, of); err == nil && len(found) == 0 {
			err = row.NoAddress()
		}
		return err
	})
	return found, err
}

// stopAddress makes an address stopped that is not.
var stopAddress = row.SQL(`
UPDATE addresses
SET state = {address_stopped},
	reason = @reason,
	updated_at = @now
WHERE channel = (SELECT id FROM channels WHERE name = @channel_name)
	AND lower(address) = lower(@address)
	AND state <> {address_stopped}`)

// EndSuspensions implements ledger.Retention. It looks first, because looking keeps nobody from writing.
func (s Retention) EndSuspensions(ctx context.Context, before time.Time) (addresses int, err error) {
	ended := args{"before": before.UnixMilli()}
	var any bool
	err = s.DB.read(ctx, "look for suspensions", func(c *conn) error { return c.get(ctx, anySuspended, ended, &any) })
	if err != nil || !any {
		return 0, err
	}
	err = s.DB.write(ctx, "end suspensions", func(c *conn) error {
		at, err := clock(ctx, c)
		if err != nil {
			return err
		}
		addresses, err = c.exec(ctx, endSuspensions, ended.and(args{"now": at}))
		return err
	})
	return addresses, err
}

// whereSuspensionEnds says that an address was suspended before a time.
const whereSuspensionEnds = `state = {address_suspended}
	AND updated_at < @before`

// anySuspended selects whether there is such an address.
var anySuspended = row.SQL("SELECT EXISTS (SELECT 1 FROM addresses WHERE " + whereSuspensionEnds + ")")

// endSuspensions makes these addresses unverified.
var endSuspensions = row.SQL(`
UPDATE addresses
SET state = {address_unverified},
	reason = '',
	updated_at = @now
WHERE ` + whereSuspensionEnds)

// RemoveSuppression implements ledger.Suppressions.
func (s Suppressions) RemoveSuppression(ctx context.Context, key schoolbell.SuppressionKey) error {
	return s.DB.write(ctx, "remove a suppression", func(c *conn) error {
		at, err := clock(ctx, c)
		if err != nil {
			return err
		}
		found, _, err := listSuppressions(ctx, c, suppressionsOfUser, args{"user": key.User, "channel_name": string(key.Channel)})
		if err != nil {
			return err
		}
		for _, f := range found {
			if f.Key == key {
				_, err := c.exec(ctx, useAddress, args{"user": key.User, "channel_name": string(key.Channel), "address": f.Address, "now": at})
				return err
			}
		}
		return row.NoSuppression()
	})
}

// suppressionsOfUser selects those of a user on a channel.
var suppressionsOfUser = row.SQL(selectSuppressions + `a.user_seq = @user
	AND h.name = @channel_name`)

// useAddress makes an address of a user unverified.
var useAddress = row.SQL(`
UPDATE addresses
SET state = {address_unverified},
	reason = '',
	updated_at = @now
WHERE user_seq = @user
	AND channel = (SELECT id FROM channels WHERE name = @channel_name)
	AND address = @address`)

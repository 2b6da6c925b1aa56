package sqlite

import (
	"context"
	"time"

	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Leases implements ledger.Leases.
type Leases struct{ DB *DB }

// OpenLease implements ledger.Leases.
func (s Leases) OpenLease(ctx context.Context, holder string, ttl time.Duration) (lease ledger.Lease, err error) {
	err = s.DB.write(ctx, "open lease", func(c *conn) error {
		if _, err := c.exec(ctx, "DELETE FROM leases WHERE expires_at <= "+now, nil); err != nil {
			return err
		}
		lease.ID, err = c.insert(ctx, insertLease, args{"holder": holder, "ttl": ttl.Milliseconds()})
		return err
	})
	return lease, err
}

// insertLease inserts a lease that ends in @ttl milliseconds.
const insertLease = `
INSERT INTO leases (holder, expires_at)
VALUES (@holder, ` + now + ` + @ttl)`

// RenewLease implements ledger.Leases.
func (s Leases) RenewLease(ctx context.Context, lease ledger.Lease, ttl time.Duration) error {
	return s.DB.write(ctx, "renew lease", func(c *conn) error {
		at, err := clock(ctx, c)
		if err != nil {
			return err
		}
		n, err := c.exec(ctx, renewLease, args{"lease": lease.ID, "now": at, "ttl": ttl.Milliseconds()})
		if err == nil && n == 0 {
			err = row.LeaseEnded()
		}
		return err
	})
}

// renewLease extends a lease that has not ended to @ttl milliseconds from now.
const renewLease = `
UPDATE leases
SET expires_at = @now + @ttl
WHERE id = @lease
	AND expires_at > @now`

// CloseLease implements ledger.Leases.
func (s Leases) CloseLease(ctx context.Context, lease ledger.Lease) error {
	return s.DB.write(ctx, "close lease", func(c *conn) error {
		at, err := clock(ctx, c)
		if err != nil {
			return err
		}
		n, err := c.exec(ctx, "DELETE FROM leases WHERE id = @lease AND expires_at > @now", args{"lease": lease.ID, "now": at})
		if err != nil || n == 0 {
			return err // too late: other leases may have claimed its rows, and the rest is uncertain
		}
		return release(ctx, c, lease.ID, at)
	})
}

// release gives up the rows that a closed lease holds: they are simply pending again. Those of closed events end.
func release(ctx context.Context, c *conn, lease, at int64) error {
	claims, err := claimsOf(ctx, c, claimsOfLease, args{"lease": lease})
	for _, k := range claims {
		if err != nil {
			return err
		}
		if err := deleteClaim(ctx, c, k); err != nil {
			return err
		}
		e := eventState{seq: k.event, now: at}
		if err := c.get(ctx, findClosing, args{"event": k.event}, &e.status, &e.expiresAt); err != nil {
			return err
		}
		if e.closing() != 0 {
			err = e.endRows(ctx, c, claimedRows, args{"wave": k.wave, "channel": k.channel, "users": jsonOf(k.users)})
		}
	}
	return err
}

// findClosing selects what decides whether anything is still sent for an event.
const findClosing = `
SELECT status, expires_at
FROM events
WHERE seq = @event`

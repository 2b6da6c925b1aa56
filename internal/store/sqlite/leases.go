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

// release gives up the rows that a closed lease holds. They are in batches that have
// started and are not finished. These batches have an index, so release does not
// have to look at every delivery.
func release(ctx context.Context, c *conn, lease, at int64) error {
	type span struct {
		event, first, last    int64
		wave, channel, status int
	}
	var spans []span
	err := c.each(ctx, startedBatches, args{"now": at}, func(scan func(...any) error) error {
		var p span
		err := scan(&p.event, &p.wave, &p.channel, &p.first, &p.last, &p.status)
		spans = append(spans, p)
		return err
	})
	for _, p := range spans {
		if err != nil {
			return err
		}
		_, err = c.exec(ctx, releaseRows, args{"event": p.event, "wave": p.wave, "channel": p.channel, "first": p.first, "last": p.last,
			"lease": lease, "status": p.status, "now": at})
	}
	return err
}

// startedBatches selects the batches that have started and are not finished, with the
// status that rows of theirs get when they are released.
var startedBatches = row.SQL(`
SELECT b.event_seq, b.wave, b.channel, b.first_user, b.last_user,
	CASE
		WHEN e.status = {event_cancelled} THEN {cancelled}
		WHEN e.expires_at <= @now THEN {expired}
		ELSE {pending}
	END
FROM batches b INDEXED BY batches_in_work
JOIN events e ON e.seq = b.event_seq
WHERE b.started_at IS NOT NULL
	AND b.finished_at IS NULL`)

// releaseRows gives a batch's rows that the lease holds the status, which is pending or
// the one that ends them. If an earlier attempt may have reached the recipient, a row
// that ends is uncertain.
var releaseRows = row.SQL(`
UPDATE deliveries
SET status = CASE WHEN uncertain AND @status <> {pending} THEN {uncertain} ELSE @status END,
	lease_id = NULL,
	updated_at = @now
WHERE event_seq = @event
	AND wave = @wave
	AND channel = @channel
	AND user_seq BETWEEN @first AND @last
	AND status = {sending}
	AND lease_id = @lease`)

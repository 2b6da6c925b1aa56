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
		lease.ID, err = c.insert(ctx, "INSERT INTO leases (holder, expires_at) VALUES (?1, "+now+" + ?2)", holder, ttl.Milliseconds())
		return err
	})
	return lease, err
}

// RenewLease implements ledger.Leases.
func (s Leases) RenewLease(ctx context.Context, lease ledger.Lease, ttl time.Duration) error {
	return s.DB.write(ctx, "renew lease", func(c *conn) error {
		at, err := clock(ctx, c)
		if err != nil {
			return err
		}
		n, err := c.exec(ctx, "UPDATE leases SET expires_at = ?2 + ?3 WHERE id = ?1 AND expires_at > ?2", lease.ID, at, ttl.Milliseconds())
		if err == nil && n == 0 {
			err = row.LeaseEnded()
		}
		return err
	})
}

// CloseLease implements ledger.Leases.
func (s Leases) CloseLease(ctx context.Context, lease ledger.Lease) error {
	return s.DB.write(ctx, "close lease", func(c *conn) error {
		at, err := clock(ctx, c)
		if err != nil {
			return err
		}
		n, err := c.exec(ctx, "DELETE FROM leases WHERE id = ?1 AND expires_at > ?2", lease.ID, at)
		if err != nil || n == 0 {
			return err // too late: its rows may have been taken over, and those that were not are uncertain
		}
		return release(ctx, c, lease.ID, at)
	})
}

// release gives back what a lease holds. Its rows are in batches that were
// started and are not finished: the index on these spares a look at every delivery.
func release(ctx context.Context, c *conn, lease, at int64) error {
	type span struct {
		event, first, last int64
		channel, closing   int
	}
	var spans []span
	err := c.each(ctx, `SELECT b.event_seq, b.channel, b.first_user, b.last_user,
			CASE WHEN e.status = 'cancelled' THEN 7 WHEN e.expires_at <= ?1 THEN 8 ELSE 0 END
		FROM batches b INDEXED BY batches_in_work JOIN events e ON e.seq = b.event_seq
		WHERE b.started_at IS NOT NULL AND b.finished_at IS NULL`, []any{at}, func(scan func(...any) error) error {
		var p span
		err := scan(&p.event, &p.channel, &p.first, &p.last, &p.closing)
		spans = append(spans, p)
		return err
	})
	for _, p := range spans {
		if err != nil {
			return err
		}
		_, err = c.exec(ctx, `UPDATE deliveries SET status = CASE WHEN uncertain AND ?6 THEN 6 ELSE ?6 END, lease_id = NULL, updated_at = ?7
			WHERE event_seq = ?1 AND channel = ?2 AND user_seq BETWEEN ?3 AND ?4 AND status = 1 AND lease_id = ?5`,
			p.event, p.channel, p.first, p.last, lease, p.closing, at)
	}
	return err
}

package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Leases implements ledger.Leases.
type Leases struct{ DB *DB }

// OpenLease implements ledger.Leases.
func (s Leases) OpenLease(ctx context.Context, holder string, ttl time.Duration) (lease ledger.Lease, err error) {
	err = s.DB.again("open lease", func() error {
		return s.DB.pool.QueryRow(ctx, insertLease, row.Text(holder), ttl.Milliseconds()).Scan(&lease.ID)
	})
	return lease, err
}

// insertLease opens a lease of so many milliseconds.
const insertLease = "INSERT INTO leases (holder, expires_at) VALUES ($1, clock_timestamp() + $2 * interval '1 ms') RETURNING id"

// RenewLease implements ledger.Leases.
func (s Leases) RenewLease(ctx context.Context, lease ledger.Lease, ttl time.Duration) error {
	return s.DB.again("renew lease", func() error {
		tag, err := s.DB.pool.Exec(ctx, renewLease, lease.ID, ttl.Milliseconds())
		if err == nil && tag.RowsAffected() == 0 {
			err = row.LeaseEnded()
		}
		return err
	})
}

// renewLease lets a lease last so many milliseconds from now, unless it has ended.
const renewLease = `
	UPDATE leases
	SET expires_at = clock_timestamp() + $2 * interval '1 ms'
	WHERE id = $1 AND expires_at > clock_timestamp()`

// CloseLease implements ledger.Leases.
func (s Leases) CloseLease(ctx context.Context, lease ledger.Lease) error {
	return s.DB.write(ctx, "close lease", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "DELETE FROM leases WHERE id = $1 AND expires_at > clock_timestamp()", lease.ID)
		if err != nil || tag.RowsAffected() == 0 {
			return err // too late: other workers may have claimed its rows, and the remaining ones are uncertain
		}
		_, err = tx.Exec(ctx, releaseRows, lease.ID)
		return err
	})
}

// releaseRows makes the rows that a lease holds pending again, or ends them if their event is closed.
// They belong to batches that were started and are not finished. Those have an index of their own, so
// that the statement need not read every delivery.
var releaseRows = row.SQL(`
	UPDATE deliveries d
	SET status = CASE WHEN d.uncertain AND b.closing <> {pending} THEN {uncertain} ELSE b.closing END,
		lease_id = NULL,
		updated_at = ` + now + `
	FROM (
		SELECT b.event_seq, b.wave, b.channel, b.first_user, b.last_user,
			` + closing("clock_timestamp()") + ` AS closing
		FROM batches b
		JOIN events e ON e.seq = b.event_seq
		WHERE b.started_at IS NOT NULL AND b.finished_at IS NULL) b
	WHERE d.event_seq = b.event_seq AND d.wave = b.wave AND d.channel = b.channel
		AND d.user_seq BETWEEN b.first_user AND b.last_user
		AND d.status = {sending} AND d.lease_id = $1`)

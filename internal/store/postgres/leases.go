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
			return err // too late: other workers may have taken its claims over, and the rows of the remaining ones are uncertain
		}
		rows, err := tx.Query(ctx, listClaimedBatches, lease.ID)
		batches, err := list(rows, err, scanClaimedBatch)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM claims WHERE lease_id = $1", lease.ID); err != nil {
			return err
		}
		group := make(advances, len(batches))
		for i, b := range batches {
			group[i] = &advance{Step: ledger.Step{Lease: lease, Batch: b}}
		}
		return group.within(ctx, tx)
	})
}

// listClaimedBatches selects the batches of which a lease holds rows.
const listClaimedBatches = `
	SELECT e.id, k.wave, c.name, k.batch
	FROM (SELECT DISTINCT event_seq, wave, channel, batch FROM claims WHERE lease_id = $1) k
	JOIN events e ON e.seq = k.event_seq
	JOIN channels c ON c.id = k.channel
	ORDER BY k.event_seq, k.wave, k.channel, k.batch`

func scanClaimedBatch(r pgx.CollectableRow) (b ledger.Batch, err error) {
	err = r.Scan(&b.EventID, &b.Wave, &b.Channel, &b.Seq)
	return b, err
}

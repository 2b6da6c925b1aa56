package postgres

import (
	"context"
	"fmt"

	"time"

	"schoolbell"

	"github.com/jackc/pgx/v5"

	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Deliveries implements ledger.Deliveries.
type Deliveries struct{ DB *DB }

// Advance implements ledger.Deliveries. If all rows that it could claim had to be ended instead, it looks for
// others in a transaction of its own.
func (s Deliveries) Advance(ctx context.Context, lease ledger.Lease, batch ledger.Batch, attempts []ledger.Attempt, claim int) (ledger.Grant, error) {
	lost := 0
	for {
		a := &advance{lease: lease, batch: batch, attempts: attempts, claim: claim}
		if err := s.DB.twoTrips(ctx, "advance batch", a.lock, a.work); err != nil {
			return ledger.Grant{}, err
		}
		a.grant.Lost += lost
		if len(a.grant.Recipients) > 0 || claim <= 0 || a.ended < claim {
			return a.grant, nil
		}
		lost, attempts = a.grant.Lost, nil
	}
}

// advance is one transaction on a batch: it locks and reads the batch, and then does what there is to do.
type advance struct {
	lease    ledger.Lease
	batch    ledger.Batch
	attempts []ledger.Attempt
	claim    int

	lockedBatch
	grant ledger.Grant
	ended int // rows that could be claimed and had to be ended instead
}

// lockedBatch is what a transaction knows of the batch that it has locked.
type lockedBatch struct {
	event       int64
	channel     int16
	first, last int64 // users
	now         time.Time
	closing     int  // the status that its rows get instead of being sent; row.Pending if they may be sent
	unfinished  bool // not all of its rows are terminal
	inWork      bool
	abandoned   bool // it has a claim whose lease is gone
	alive       bool // the caller's lease has not ended
	category    schoolbell.Category
	mandatory   bool
	addressed   bool
	every       bool // the channel sends to every address
}

// key returns the parameters of ofBatch.
func (b *lockedBatch) key(batch ledger.Batch) named {
	return named{"event": b.event, "wave": int16(batch.Wave), "channel": b.channel, "batch": int32(batch.Seq)}
}

// lock queues the statements of the first round trip. The first of them locks the batch, so that the others
// see all that was committed before.
func (a *advance) lock(b *pgx.Batch) {
	*a = advance{lease: a.lease, batch: a.batch, attempts: a.attempts, claim: a.claim}
	of := named{"event_id": a.batch.EventID, "wave": a.batch.Wave, "channel_name": a.batch.Channel, "batch": a.batch.Seq}
	b.Queue(lockBatch, of)
	b.Queue(readBatch, of.with(named{"lease": a.lease.ID})).QueryRow(func(r pgx.Row) error {
		err := r.Scan(&a.event, &a.channel, &a.first, &a.last, &a.now, &a.closing, &a.unfinished, &a.inWork, &a.abandoned, &a.alive,
			&a.category, &a.mandatory, &a.addressed, &a.every)
		if noRows(err) {
			return row.NoBatch(a.batch)
		}
		a.grant.LeaseEnded, a.grant.Lost = !a.alive, len(a.attempts)
		return err
	})
}

// work queues the statements of the second round trip. The batch goes to work before a row of it changes.
func (a *advance) work(b *pgx.Batch) {
	key := a.key(a.batch)
	span := key.with(named{"first": a.first, "last": a.last})
	claims := a.claim > 0 && a.alive && a.closing == row.Pending
	if a.unfinished && !a.inWork {
		b.Queue(beginWork, span)
	}
	if len(a.attempts) > 0 {
		a.record(b, key)
	}
	if a.closing != row.Pending || a.abandoned && claims {
		b.Queue(settleRows, span.with(named{"closing": a.closing, "now": a.now}))
	}
	if claims {
		addresses := 1
		if a.every {
			addresses = schoolbell.MaxAddresses
		}
		b.Queue(claimRows, span.with(named{"now": a.now, "lease": a.lease.ID, "limit": a.claim, "addresses": addresses,
			"category": a.category, "mandatory": a.mandatory, "addressed": a.addressed})).Query(a.collectClaimed)
	}
	b.Queue(countBatchRows, span.with(named{"now": a.now})).Query(a.collectCounts)
}

// record queues the statement that records the attempts.
func (a *advance) record(b *pgx.Batch, key named) {
	statement, args := recordRows, key.with(columns(a.attempts)).with(named{"lease": a.lease.ID, "closing": a.closing, "now": a.now})
	if bad := addressColumns(a.attempts); bad != nil {
		statement, args = recordRowsAndAddresses, args.with(bad)
	}
	b.Queue(statement, args).QueryRow(func(r pgx.Row) error {
		var recorded int
		if err := r.Scan(&recorded); err != nil {
			return fmt.Errorf("record attempts: %w", err)
		}
		a.grant.Lost -= recorded
		return nil
	})
}

// collectClaimed reads the result of claimRows.
func (a *advance) collectClaimed(rows pgx.Rows) error {
	for rows.Next() {
		var d ledger.Recipient
		var sendable bool
		if err := rows.Scan(&d.Seq, &d.Attempts, &d.Uncertain, &d.UserID, &d.Name, &d.Addresses, &d.Locale, &d.Timezone, &sendable); err != nil {
			return fmt.Errorf("claim: %w", err)
		}
		if !sendable {
			a.ended++
			continue
		}
		if a.grant.Recipients == nil {
			a.grant.Recipients = make([]ledger.Recipient, 0, a.claim)
		}
		a.grant.Recipients = append(a.grant.Recipients, d)
	}
	return rows.Err()
}

// collectCounts reads the result of countBatchRows.
func (a *advance) collectCounts(rows pgx.Rows) error {
	if len(a.grant.Recipients) > 0 {
		return rows.Err()
	}
	g, next := &a.grant, int64(-1)
	for rows.Next() {
		var status, outcome, n int
		var claimed bool
		var in int64
		if err := rows.Scan(&status, &outcome, &claimed, &n, &in); err != nil {
			return fmt.Errorf("count rows: %w", err)
		}
		g.Counts.Add(row.Status(status), row.Outcome(outcome), n)
		switch {
		case status != row.Pending:
			continue
		case claimed:
			g.Sending += n
		default:
			g.Pending += n
		}
		if next < 0 || in < next {
			next = in
		}
	}
	g.NextIn, g.Finished = duration(max(next, 0)), g.Pending+g.Sending == 0
	return rows.Err()
}

// columns returns attempts as the arrays that recordRows takes.
func columns(attempts []ledger.Attempt) named {
	n := len(attempts)
	seqs, statuses, spent, uncertain := make([]int64, n), make([]int16, n), make([]int32, n), make([]bool, n)
	retryIn, reasons, providers := make([]int64, n), make([]string, n), make([]string, n)
	for i, a := range attempts {
		seqs[i], statuses[i], spent[i], uncertain[i] = a.Seq, int16(row.StatusNumber(a.Status)), int32(a.Spent), a.Uncertain
		retryIn[i], reasons[i], providers[i] = a.RetryIn.Milliseconds(), row.Text(a.Reason), row.Text(a.ProviderID)
	}
	return named{"users": seqs, "statuses": statuses, "attempts": spent, "uncertain": uncertain,
		"retry_in": retryIn, "reasons": reasons, "providers": providers}
}

// addressColumns returns the address changes of attempts as the arrays that recordRowsAndAddresses
// takes, nil if there are none.
func addressColumns(attempts []ledger.Attempt) named {
	var users []int64
	var addresses, reasons []string
	var states []int16
	for _, a := range attempts {
		for _, c := range a.Addresses {
			users, addresses, reasons = append(users, a.Seq), append(addresses, c.Address), append(reasons, row.Text(c.Reason))
			states = append(states, int16(row.StateNumber(c.State)))
		}
	}
	if users == nil {
		return nil
	}
	return named{"bad_users": users, "bad_addresses": addresses, "bad_states": states, "bad_reasons": reasons}
}

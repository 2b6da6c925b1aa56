package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Deliveries implements ledger.Deliveries.
type Deliveries struct{ DB *DB }

// Advance implements ledger.Deliveries.
func (s Deliveries) Advance(ctx context.Context, steps []ledger.Step) ([]ledger.Grant, error) {
	all, left := make([]*advance, len(steps)), make([]*advance, len(steps))
	for i, step := range steps {
		all[i] = &advance{Step: step}
		left[i] = all[i]
	}
	for len(left) > 0 {
		var group advances
		group, left = ofDifferentBatches(left)
		if err := s.DB.twoTrips(ctx, "advance batches", group.lock, group.work); err != nil {
			return nil, err
		}
		left = append(group.again(), left...)
	}
	return advances(all).grants(), nil
}

// advance is one step, in the transaction that does it.
type advance struct {
	ledger.Step
	lost int // attempts, in earlier transactions

	lockedBatch
	grant ledger.Grant
	ended int     // rows that could be claimed and had to be ended instead
	later []int64 // users of rows that must be ended by a further transaction, because they want them in a digest
	items digestItems

	granted   *ledger.Grant // by an earlier transaction that has claimed rows
	forDigest []int64       // the later ones of an earlier transaction
}

// lockedBatch is what a transaction knows of a batch that it has locked.
type lockedBatch struct {
	event        int64 // 0 if there is no such batch
	channel      int16
	first, last  int64 // users
	now          time.Time
	closing      int  // the status that its rows get instead of being sent; row.Pending if they may be sent
	held         bool // its event: no row may be claimed
	restored     bool // its wave: each row may have been sent before
	personal     bool // its wave: each recipient needs a message of their own
	revision     int  // of the event
	digest       bool // its event
	unfinished   bool // not all of its rows are terminal
	inWork       bool
	hasFollowers bool // a row of it follows another one
	abandoned    bool // it has a claim whose lease is gone
	alive        bool // the caller's lease has not ended
	category     schoolbell.Category
	mandatory    bool
	addressed    bool
	every        bool // the channel sends to every address
}

// advances are the steps of one transaction, each with another batch.
type advances []*advance

// grants returns the results of the steps.
func (g advances) grants() []ledger.Grant {
	var grants []ledger.Grant
	for _, a := range g {
		a.items.fill(a.grant.Recipients)
		grants = append(grants, a.grant)
	}
	return grants
}

// within does the steps in a transaction that does other things too.
func (g advances) within(ctx context.Context, tx pgx.Tx) error {
	if len(g) == 0 {
		return nil
	}
	var first, second pgx.Batch
	first.Queue(planOnce)
	g.lock(&first)
	if err := tx.SendBatch(ctx, &first).Close(); err != nil {
		return err
	}
	g.work(&second)
	return tx.SendBatch(ctx, &second).Close()
}

// ofDifferentBatches splits steps: no two of the group have the same batch, and those left can follow it.
func ofDifferentBatches(steps []*advance) (group advances, left []*advance) {
	taken := make(map[ledger.Batch]bool, len(steps))
	for _, a := range steps {
		key := a.Batch
		key.Size = 0
		if taken[key] {
			left = append(left, a)
			continue
		}
		taken[key] = true
		group = append(group, a)
	}
	return group, left
}

// again returns the steps that need a further transaction: those of which all rows that they could claim had to be ended,
// because there may be others to claim, and those with rows that are ended by that transaction.
func (g advances) again() (again []*advance) {
	for _, a := range g {
		if a.granted != nil { // this transaction only ended rows
			a.grant = *a.granted
			continue
		}
		a.grant.Lost += a.lost
		switch {
		case len(a.later) > 0:
			if a.forDigest = a.later; len(a.grant.Recipients) > 0 {
				granted := a.grant
				a.granted, a.Claim = &granted, 0
			}
		case len(a.grant.Recipients) > 0 || a.Claim == 0 || a.ended < a.Claim:
			continue
		default:
			a.forDigest = nil
		}
		a.lost, a.Attempts = a.grant.Lost, nil
		again = append(again, a)
	}
	return again
}

// lock queues the statements of the first round trip. One of them locks the batches, so that the others see all that
// was committed before. If rows are claimed, they include those of leases that have ended.
func (g advances) lock(b *pgx.Batch) {
	ids, channels := make([]string, len(g)), make([]string, len(g))
	waves, batches := make([]int16, len(g)), make([]int32, len(g))
	for i, a := range g {
		ids[i], channels[i], waves[i], batches[i] = a.Batch.EventID, string(a.Batch.Channel), int16(a.Batch.Wave), int32(a.Batch.Seq)
	}
	if slices.ContainsFunc(g, func(a *advance) bool { return a.Claim > 0 }) {
		b.Queue(sweepLeases)
	}
	b.Queue(lockAdvanced, named{"event_ids": ids, "waves": waves, "channel_names": channels, "batches": batches})
	for _, a := range g {
		a.read(b)
	}
}

// read queues the statement that reads the batch of a step.
func (a *advance) read(b *pgx.Batch) {
	*a = advance{Step: a.Step, lost: a.lost, granted: a.granted, forDigest: a.forDigest}
	of := named{"event_id": a.Batch.EventID, "wave": a.Batch.Wave, "channel_name": a.Batch.Channel, "batch": a.Batch.Seq, "lease": a.Lease.ID}
	b.Queue(readBatch, of).QueryRow(func(r pgx.Row) error {
		err := r.Scan(&a.event, &a.channel, &a.first, &a.last, &a.now, &a.closing, &a.held, &a.restored, &a.grant.Notice, &a.revision, &a.digest, &a.unfinished, &a.inWork, &a.hasFollowers, &a.personal, &a.abandoned, &a.alive,
			&a.category, &a.mandatory, &a.addressed, &a.every)
		if noRows(err) {
			a.grant.Err = row.NoBatch(a.Batch)
			return nil
		}
		a.grant.LeaseEnded, a.grant.Lost = !a.alive, len(a.Attempts)
		return err
	})
}

// work queues the statements of the second round trip, step by step. The steps are in the order of the totals that
// they change, so that two transactions do not wait for each other.
func (g advances) work(b *pgx.Batch) {
	steps := slices.DeleteFunc(slices.Clone(g), func(a *advance) bool { return a.event == 0 })
	slices.SortFunc(steps, func(a, b *advance) int {
		return cmp.Or(cmp.Compare(a.event, b.event), cmp.Compare(a.Batch.Wave, b.Batch.Wave), cmp.Compare(a.channel, b.channel),
			cmp.Compare(a.Batch.Seq%batchShards, b.Batch.Seq%batchShards), cmp.Compare(a.Batch.Seq, b.Batch.Seq))
	})
	for i, a := range steps {
		a.work(b, strconv.Itoa(i+1))
	}
}

// key returns the parameters of ofBatch.
func (a *advance) key() named {
	return named{"event": a.event, "wave": int16(a.Batch.Wave), "channel": a.channel, "batch": int32(a.Batch.Seq)}
}

// work queues the statements of one step. The batch goes to work before a row of it changes. number names the step
// in the transaction.
func (a *advance) work(b *pgx.Batch, number string) {
	key := a.key()
	span := key.with(named{"first": a.first, "last": a.last})
	claims := a.Claim > 0 && a.alive && a.closing == row.Pending && !a.held && a.revision == a.Revision
	a.grant.Changed = a.revision != a.Revision
	if a.unfinished && !a.inWork {
		b.Queue(beginWork, span)
	}
	if len(a.Attempts) > 0 {
		a.record(b, key)
	}
	if a.closing != row.Pending || a.abandoned && claims {
		b.Queue(settleRows, span.with(named{"closing": a.closing, "now": a.now, "hold": a.Hold.Milliseconds()}))
	}
	if a.follows() {
		a.follow(b, span)
	}
	if len(a.forDigest) > 0 && a.closing == row.Pending && !a.held {
		b.Queue(suppressForDigest, key.with(named{"users": a.forDigest, "now": a.now}))
	}
	if claims {
		addresses := 1
		if a.every {
			addresses = schoolbell.MaxAddresses
		}
		b.Queue(claimRows, span.with(named{"now": a.now, "lease": a.Lease.ID, "limit": a.Claim, "revision": int16(a.Revision), "addresses": addresses, "step": number,
			"category": a.category, "mandatory": a.mandatory, "addressed": a.addressed, "shared": a.Shared && !a.personal})).Query(a.collectClaimed)
		if a.digest {
			a.items.queue(b, key.with(named{"lease": a.Lease.ID, "now": a.now}))
		}
	}
	b.Queue(countBatchRows, span.with(named{"now": a.now, "step": number})).Query(a.collectCounts)
}

// record queues the statement that records the attempts.
func (a *advance) record(b *pgx.Batch, key named) {
	statement, args := recordPlainRows, key.with(columns(a.Attempts)).with(named{"lease": a.Lease.ID, "closing": a.closing, "now": a.now, "revision": int16(a.Revision)})
	if slices.ContainsFunc(a.Attempts, special) {
		statement, args = recordRows, args.with(addressColumns(a.Attempts))
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
		var quietHours string
		var unreachable *string
		if err := rows.Scan(&d.Seq, &d.Attempts, &d.Uncertain, &d.UserID, &d.Name, &d.Addresses, &d.Locale, &d.Timezone, &quietHours, &d.Shared, &unreachable); err != nil {
			return fmt.Errorf("claim: %w", err)
		}
		if unreachable != nil {
			a.ended++
			if *unreachable == schoolbell.ReasonInDigest {
				a.later = append(a.later, d.Seq)
			}
			continue
		}
		d.QuietHours = row.QuietHours(quietHours)
		d.Uncertain, d.Restored = d.Uncertain || a.restored, a.restored
		if a.grant.Recipients == nil {
			a.grant.Recipients = make([]ledger.Recipient, 0, a.Claim)
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

// special reports whether recordPlainRows cannot record an attempt.
func special(a ledger.Attempt) bool {
	return len(a.Addresses) > 0 || a.Reason == schoolbell.ReasonAwaitingReceipt
}

// addressColumns returns the address changes of attempts as the arrays that recordRows takes.
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
	return named{"bad_users": users, "bad_addresses": addresses, "bad_states": states, "bad_reasons": reasons}
}

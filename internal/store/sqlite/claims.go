package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
)

// claim is a row of claims: pending deliveries of one batch that a lease holds.
type claim struct {
	event       int64
	wave        int
	channel     int
	batch       int
	revision    int
	lease       int64
	leaseEndsAt int64   // 0 if the ledger does not have the lease any more
	users       []int64 // in order
}

func (k *claim) key() args {
	return args{"event": k.event, "wave": k.wave, "channel": k.channel, "batch": k.batch, "first": k.users[0]}
}

// live says whether the lease of the claim has not ended.
func (k *claim) live(now int64) bool { return k.leaseEndsAt > now }

func insertClaim(ctx context.Context, c *conn, k *claim) error {
	a := k.key()
	a["revision"], a["lease"], a["users"] = k.revision, k.lease, jsonOf(k.users)
	_, err := c.exec(ctx, addClaim, a)
	return err
}

// addClaim inserts a claim.
const addClaim = `
INSERT INTO claims (event_seq, wave, channel, batch, first_user, revision, lease_id, users)
VALUES (@event, @wave, @channel, @batch, @first, @revision, @lease, @users)`

func deleteClaim(ctx context.Context, c *conn, k *claim) error {
	_, err := c.exec(ctx, removeClaim, k.key())
	return err
}

// removeClaim deletes a claim.
const removeClaim = `
DELETE FROM claims
WHERE event_seq = @event
	AND wave = @wave
	AND channel = @channel
	AND batch = @batch
	AND first_user = @first`

// claimsOf returns the claims that query, which begins with selectClaims, selects.
func claimsOf(ctx context.Context, c *conn, query string, a args) (claims []*claim, err error) {
	err = c.each(ctx, query, a, func(scan func(...any) error) error {
		var k claim
		var users []byte
		if err := scan(&k.event, &k.wave, &k.channel, &k.batch, &k.revision, &k.lease, &k.leaseEndsAt, &users); err != nil {
			return err
		}
		claims = append(claims, &k)
		return json.Unmarshal(users, &k.users)
	})
	if err != nil {
		return nil, fmt.Errorf("read claims: %w", err)
	}
	return claims, nil
}

// selectClaims selects claims as claimsOf reads them. A WHERE follows.
const selectClaims = `
SELECT event_seq, wave, channel, batch, revision, lease_id, coalesce((SELECT expires_at FROM leases WHERE id = lease_id), 0), users
FROM claims`

// claimsOfEvent selects the claims of an event.
const claimsOfEvent = selectClaims + `
WHERE event_seq = @event`

// claimsOfBatch selects the claims of a batch.
const claimsOfBatch = claimsOfEvent + `
	AND wave = @wave
	AND channel = @channel
	AND batch = @batch`

// claimsOfLease selects the claims of a lease. There are few claims, so they need no index by lease.
const claimsOfLease = selectClaims + `
WHERE lease_id = @lease`

// takeOver deletes the claims whose lease has ended and returns the others. The messages of their
// deliveries may have been sent, so these become uncertain.
func takeOver(ctx context.Context, c *conn, claims []*claim, now int64) (live []*claim, err error) {
	for _, k := range claims {
		if k.live(now) {
			live = append(live, k)
			continue
		}
		a := args{"event": k.event, "wave": k.wave, "channel": k.channel, "users": jsonOf(k.users), "now": now}
		if _, err := c.exec(ctx, doubtRows, a); err != nil {
			return nil, err
		}
		if err := deleteClaim(ctx, c, k); err != nil {
			return nil, err
		}
	}
	return live, nil
}

// doubtRows makes deliveries uncertain that a claim names. They stay pending.
const doubtRows = `
UPDATE deliveries
SET uncertain = 1,
	updated_at = @now
WHERE event_seq = @event
	AND wave = @wave
	AND channel = @channel
	AND user_seq IN (SELECT value FROM json_each(@users))`

// held says that a claim names a row of deliveries, which is table or an alias of it.
func held(table string) string {
	return `EXISTS (
		SELECT 1
		FROM claims k
		CROSS JOIN json_each(k.users) j
		WHERE k.event_seq = ` + table + `.event_seq
			AND k.wave = ` + table + `.wave
			AND k.channel = ` + table + `.channel
			AND j.value = ` + table + `.user_seq
	)`
}

// heldOfEvent says the same of a row of the event @event, for statements that look at many rows: it reads
// the claims once.
func heldOfEvent(table string) string {
	return `(` + table + `.wave, ` + table + `.channel, ` + table + `.user_seq) IN (
		SELECT k.wave, k.channel, j.value
		FROM claims k
		CROSS JOIN json_each(k.users) j
		WHERE k.event_seq = @event
	)`
}

package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"

	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// candidate is a claimable row. reason says why it must be suppressed, if it must.
type candidate struct {
	ledger.Recipient
	outcome int
	reason  sql.NullString
}

// claimable returns up to n of the batch's rows that can be claimed.
func (w *work) claimable(ctx context.Context, c *conn, n int) ([]candidate, error) {
	found := make([]candidate, 0, n)
	a := args{"event": w.seq, "wave": w.wave, "channel": w.channel, "first": w.first, "last": w.last,
		"category": string(w.category), "now": w.now, "limit": n}
	query := &claimableToFirst
	switch {
	case w.addressed && w.shared && !w.personal && (w.channel == row.Email || w.channel == row.SMS):
		query = &claimableToShared
	case !w.addressed:
		query = &claimableWithoutAddress
	case w.every:
		query = &claimableToEvery
	}
	text := query.all
	if len(w.claims) > 0 {
		text, a["held"] = query.notHeld, w.held()
	}
	err := c.each(ctx, text, a, func(scan func(...any) error) (err error) {
		var d candidate
		var addresses sql.NullString
		var quietHours string
		if err := scan(&d.Seq, &d.Attempts, &d.Uncertain, &d.outcome, &d.UserID, &d.Name, &d.Locale, &d.Timezone, &quietHours, &d.reason, &addresses, &d.Shared); err != nil {
			return err
		}
		d.QuietHours = row.QuietHours(quietHours)
		switch {
		case !addresses.Valid:
		case w.every:
			err = json.Unmarshal([]byte(addresses.String), &d.Addresses)
		default:
			d.Addresses = []string{addresses.String}
		}
		found = append(found, d)
		return err
	})
	if err != nil || !w.addressed {
		return found, err
	}
	for i := range found {
		if d := &found[i]; len(d.Addresses) == 0 {
			if err := c.get(ctx, findUnreachable, args{"user": d.Seq, "channel": w.channel, "category": string(w.category)}, &d.reason); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// claimableRows are the statements that select the batch's rows that can be claimed, with their users: all
// pending ones that are due, or only those whose user is not @held.
type claimableRows struct{ all, notHeld string }

// claimableColumns begins claimableRows. Why a row must be suppressed, the addresses, and whether the first is shared, follow.
const claimableColumns = `
SELECT d.user_seq, d.attempts, d.uncertain, d.outcome, u.id, u.name, u.locale, u.timezone, u.quiet_hours, `

// fromClaimable continues claimableRows.
const fromClaimable = `
FROM deliveries d
CROSS JOIN users u ON u.seq = d.user_seq
WHERE d.event_seq = @event
	AND d.wave = @wave
	AND d.channel = @channel
	AND d.user_seq BETWEEN @first AND @last
	AND d.status = {pending}
	AND (d.retry_at IS NULL OR d.retry_at <= @now)`

// notHeld leaves the users out that claims hold.
const notHeld = `
	AND d.user_seq NOT IN (SELECT value FROM json_each(@held))`

// inOrder ends claimableRows.
const inOrder = `
ORDER BY d.user_seq
LIMIT @limit`

// A row that has an address is suppressed by the choice of its user only. So the whole rule, which
// looks addresses up too, is asked about the few rows without.
var (
	toFirst        = claimableColumns + notNow("d.user_seq") + ", " + usableAddress("d.user_seq") + ", 0" + fromClaimable
	toShared       = claimableColumns + notNow("d.user_seq") + ", " + usableAddress("d.user_seq") + ", " + isShared("d.user_seq") + fromClaimable
	toEvery        = claimableColumns + notNow("d.user_seq") + ", " + usableAddresses("d.user_seq") + ", 0" + fromClaimable
	withoutAddress = claimableColumns + unreachable("d.user_seq") + ", NULL, 0" + fromClaimable
)

// The rows to send to first addresses, to first addresses that may be shared, to all addresses, and on channels without addresses.
var (
	claimableToFirst        = claimableRows{all: row.SQL(toFirst + inOrder), notHeld: row.SQL(toFirst + notHeld + inOrder)}
	claimableToShared       = claimableRows{all: row.SQL(toShared + inOrder), notHeld: row.SQL(toShared + notHeld + inOrder)}
	claimableToEvery        = claimableRows{all: row.SQL(toEvery + inOrder), notHeld: row.SQL(toEvery + notHeld + inOrder)}
	claimableWithoutAddress = claimableRows{all: row.SQL(withoutAddress + inOrder), notHeld: row.SQL(withoutAddress + notHeld + inOrder)}
)

// findUnreachable selects why a user cannot be reached.
var findUnreachable = row.SQL("SELECT " + unreachable("@user"))

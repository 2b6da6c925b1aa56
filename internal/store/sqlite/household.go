package sqlite

import (
	"cmp"
	"context"
	"slices"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// FirstOfHouseholds implements ledger.Households.
func (s Deliveries) FirstOfHouseholds(ctx context.Context, b ledger.Batch, messages []ledger.HouseholdMessage) (first map[int64]int64, err error) {
	err = s.DB.write(ctx, "choose who gets messages of households", func(c *conn) error {
		first = make(map[int64]int64, len(messages))
		channel, _, err := s.DB.channels.number(ctx, c, b.Channel) // 0 for an unknown one, which no batch has
		if err != nil {
			return err
		}
		var event int64
		if err := c.get(ctx, "SELECT seq FROM events WHERE id = @id", args{"id": b.EventID}, &event); err != nil {
			return orNotFound(err, "event", b.EventID)
		}
		for _, m := range messages {
			a := args{"event": event, "wave": b.Wave, "channel": channel, "fingerprint": m.Fingerprint}
			if _, err := c.exec(ctx, chooseFirst, a.and(args{"user": m.User})); err != nil {
				return err
			}
			var user int64
			if err := c.get(ctx, findFirst, a, &user); err != nil {
				return err
			}
			first[m.User] = user
		}
		return nil
	})
	return first, err
}

// chooseFirst makes @user the one to whom a message is sent, unless there is somebody who gets, has got or cannot get it.
var chooseFirst = row.SQL(`
INSERT INTO household_messages (event_seq, wave, channel, fingerprint, user_seq)
VALUES (@event, @wave, @channel, @fingerprint, @user)
ON CONFLICT (event_seq, wave, channel, fingerprint) DO UPDATE
SET user_seq = excluded.user_seq
WHERE NOT EXISTS (
	SELECT 1
	FROM deliveries d
	WHERE d.event_seq = @event
		AND d.wave = @wave
		AND d.channel = @channel
		AND d.user_seq = household_messages.user_seq
		AND (d.status IN ({sent}, {failed}, {uncertain}) OR d.status = {pending} AND d.same_as IS NULL)
)`)

// findFirst selects to whom a message is sent.
const findFirst = `
SELECT user_seq
FROM household_messages
WHERE event_seq = @event
	AND wave = @wave
	AND channel = @channel
	AND fingerprint = @fingerprint`

// isShared says that somebody else may have the first usable address of a user on @channel.
func isShared(user string) string {
	return `coalesce((
		SELECT shared
		FROM addresses
		WHERE user_seq = ` + user + `
			AND channel = @channel
			AND state IN ({usable})
		ORDER BY position
		LIMIT 1
	), 0)`
}

// markShared marks the email addresses and phone numbers of users that others have too, as theirs and as those of the others.
var markShared = row.SQL(`
UPDATE addresses
SET shared = 1
WHERE NOT shared
	AND channel IN ({email}, {sms})
	AND lower(address) IN (
		SELECT lower(n.address)
		FROM json_each(@users)
		CROSS JOIN addresses n ON n.user_seq = value
		WHERE n.channel IN ({email}, {sms})
			AND EXISTS (
				SELECT 1
				FROM addresses o
				WHERE lower(o.address) = lower(n.address)
					AND o.channel IN ({email}, {sms})
					AND o.channel = n.channel
					AND o.user_seq <> n.user_seq
			)
	)`)

// follow lets the rows of attempts follow those of others from now on.
func follow(ctx context.Context, c *conn, w *work, attempts []ledger.Attempt) error {
	for _, t := range attempts {
		if t.SameAs == 0 {
			continue
		}
		n, err := c.exec(ctx, followRow, args{"event": w.seq, "wave": w.wave, "channel": w.channel, "user": t.Seq, "first": t.SameAs})
		if err != nil {
			return err
		}
		if n == 0 || w.follows {
			continue
		}
		w.follows = true
		if _, err := c.exec(ctx, noteFollows, args{"event": w.seq, "wave": w.wave, "channel": w.channel, "batch": w.batch}); err != nil {
			return err
		}
	}
	return nil
}

// followRow lets a row follow that of the user @first.
var followRow = row.SQL(`
UPDATE deliveries
SET same_as = @first
WHERE event_seq = @event
	AND wave = @wave
	AND channel = @channel
	AND user_seq = @user
	AND status = {pending}
	AND reason = {same_address}`)

// noteFollows stores that rows of a batch follow others.
const noteFollows = `
UPDATE batches
SET follows = 1
WHERE event_seq = @event
	AND wave = @wave
	AND channel = @channel
	AND seq = @batch`

// follower is a pending row that follows another one, with the state of that one.
type follower struct {
	user      int64
	outcome   int
	uncertain bool
	retryAt   int64 // 0 for none

	status int    // of the first; row.Suppressed too if there is none
	lost   bool   // the message of the first did not arrive
	reason string // of the first
	waits  int64  // retry time of the first; 0 for none
	same   bool   // the message of the first was sent to the address of this user
}

// settleFollowers ends the rows of the batch that follow rows that have ended. Those that need a message of their own can be claimed
// again, and the others wait.
func settleFollowers(ctx context.Context, c *conn, w *work) error {
	if !w.follows {
		return nil
	}
	var found []follower
	a := args{"event": w.seq, "wave": w.wave, "channel": w.channel, "first": w.first, "last": w.last}
	err := c.each(ctx, findFollowers, a, func(scan func(...any) error) error {
		var f follower
		err := scan(&f.user, &f.outcome, &f.uncertain, &f.retryAt, &f.status, &f.lost, &f.reason, &f.waits, &f.same)
		found = append(found, f)
		return err
	})
	if err != nil {
		return err
	}
	for _, f := range found {
		if slices.ContainsFunc(w.claims, func(k *claim) bool { return slices.Contains(k.users, f.user) }) {
			continue
		}
		if err := settleFollower(ctx, c, w, f); err != nil {
			return err
		}
	}
	return nil
}

// findFollowers selects the pending rows of a batch that follow others.
var findFollowers = row.SQL(`
SELECT d.user_seq, d.outcome, d.uncertain, coalesce(d.retry_at, 0),
	coalesce(f.status, {suppressed}), coalesce(` + lostMessage("f") + `, 0), coalesce(f.reason, ''), coalesce(f.retry_at, 0),
	coalesce(f.revision = d.revision, 0) AND EXISTS (
		SELECT 1
		FROM addresses a
		WHERE a.user_seq = d.same_as
			AND a.channel = @channel
			AND lower(a.address) = lower(` + usableAddress("d.user_seq") + `)
	)
FROM deliveries d
LEFT JOIN deliveries f ON f.event_seq = @event
	AND f.wave = @wave
	AND f.channel = @channel
	AND f.user_seq = d.same_as
WHERE d.event_seq = @event
	AND d.wave = @wave
	AND d.channel = @channel
	AND d.user_seq BETWEEN @first AND @last
	AND d.status = {pending}
	AND d.same_as IS NOT NULL
ORDER BY d.user_seq`)

// lostMessage says that the message of a delivery did not arrive.
func lostMessage(delivery string) string {
	return "(" + delivery + ".status = {failed} OR " + delivery + ".status IN ({sent}, {uncertain}) AND " + delivery + ".outcome = {outcome_bounced})"
}

// settleFollower does what settleFollowers says for one row.
func settleFollower(ctx context.Context, c *conn, w *work, f follower) error {
	a := args{"event": w.seq, "wave": w.wave, "channel": w.channel, "user": f.user, "now": w.now}
	if f.status == row.Pending {
		if f.retryAt > w.now {
			return nil
		}
		_, err := c.exec(ctx, letFollowerWait, a.and(args{"until": max(f.waits, w.now+ledger.FollowWait.Milliseconds())}))
		return err
	}
	status := row.Suppressed
	switch sent := f.status == row.Sent || f.status == row.Uncertain || f.status == row.Failed; {
	case !sent || !f.same:
		_, err := c.exec(ctx, releaseFollower, a)
		return err
	case f.uncertain: // an earlier attempt may have reached the recipient
		status = row.Uncertain
	case f.lost:
		status = row.Failed
	}
	w.move(kind{row.Pending, f.outcome}, kind{status, f.outcome}, 1)
	_, err := c.exec(ctx, endFollower, a.and(args{"status": status, "lost": f.lost, "reason": f.reason}))
	return err
}

// ofUser selects the row of a user.
const ofUser = `
WHERE event_seq = @event
	AND wave = @wave
	AND channel = @channel
	AND user_seq = @user`

// letFollowerWait postpones the next look at a row.
const letFollowerWait = `
UPDATE deliveries
SET retry_at = @until,
	updated_at = @now` + ofUser

// releaseFollower lets a row be claimed for a message of its own.
const releaseFollower = `
UPDATE deliveries
SET retry_at = NULL,
	reason = NULL,
	same_as = NULL,
	updated_at = @now` + ofUser

// endFollower gives a row the end of the one that it follows.
var endFollower = row.SQL(`
UPDATE deliveries
SET status = @status,
	retry_at = NULL,
	reason = CASE WHEN @lost THEN nullif(@reason, '') ELSE {same_address} END,
	updated_at = @now` + ofUser)

// failFollowers makes the deliveries failed that follow one whose message came back.
func failFollowers(ctx context.Context, c *conn, event int64, r schoolbell.Receipt, channel int, at int64) error {
	of := args{"event": event, "wave": r.Wave, "channel": channel, "user": r.User}
	if _, err := c.exec(ctx, countLostFollowers, of); err != nil {
		return err
	}
	if _, err := c.exec(ctx, noteLostFollowers, of.and(args{"now": at, "type": string(schoolbell.WebhookDeliveryFailed)})); err != nil {
		return err
	}
	_, err := c.exec(ctx, failLostFollowers, of.and(args{"reason": row.Text(r.Reason), "now": at}))
	return err
}

// lostFollowers says that a delivery follows one whose message came back.
var lostFollowers = `event_seq = @event
	AND wave = @wave
	AND channel = @channel
	AND same_as = @user
	AND same_as IS NOT NULL
	AND status = {suppressed}
	AND EXISTS (
		SELECT 1
		FROM deliveries f
		WHERE f.event_seq = @event
			AND f.wave = @wave
			AND f.channel = @channel
			AND f.user_seq = @user
			AND ` + lostMessage("f") + `
	)`

// countLostFollowers moves such deliveries in the totals, before failLostFollowers.
var countLostFollowers = row.SQL(moveTotals(lostFollowers, "{failed}", "outcome"))

// noteLostFollowers notes such deliveries for webhooks, before failLostFollowers, if their event has ended: those that had failed then
// are told with its end.
var noteLostFollowers = row.SQL(`
INSERT INTO webhook_facts (type, at, event_id, wave, channel, user_seq, detail)
SELECT @type, @now, (SELECT id FROM events WHERE seq = @event), wave, channel, user_seq, 'failed'
FROM deliveries
WHERE ` + lostFollowers + `
	AND (SELECT status FROM events WHERE seq = @event) IN ({event_completed}, {event_cancelled})
	AND EXISTS (SELECT 1 FROM webhooks w, json_each(w.types) t WHERE w.enabled AND t.value = @type)
ORDER BY user_seq`)

// failLostFollowers makes such deliveries failed.
var failLostFollowers = row.SQL(`
UPDATE deliveries
SET status = {failed},
	reason = nullif(@reason, ''),
	updated_at = @now
WHERE ` + lostFollowers)

// addShared adds, to a chunk of a preview, the deliveries that would be sent to addresses that others have too.
func (s Previews) addShared(ctx context.Context, c *conn, w *walk, found *ledger.PreviewChunk) error {
	for _, name := range w.channels {
		channel, err := s.DB.channels.asked(ctx, c, "channels", name)
		if err != nil {
			return err
		}
		if channel != row.Email && channel != row.SMS {
			continue
		}
		err = c.each(ctx, findShared, args{"channel": channel}, func(scan func(...any) error) error {
			var user int64
			x := ledger.PreviewShared{Channel: name}
			err := scan(&user, &x.Address)
			x.Person, _ = slices.BinarySearchFunc(found.People, user, func(p ledger.Recipient, user int64) int { return cmp.Compare(p.Seq, user) })
			found.Shared = append(found.Shared, x)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// findShared selects the first usable addresses on @channel of the people in chunk, if others have them too.
var findShared = row.SQL(`
SELECT k.user_seq, lower(` + usableAddress("k.user_seq") + `)
FROM temp.chunk k
WHERE ` + isShared("k.user_seq") + `
ORDER BY k.user_seq`)

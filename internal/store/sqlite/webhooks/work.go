package webhooks

import (
	"context"
	"database/sql"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
	"schoolbell/internal/store/sqlite"
)

// TakeWebhookTurn implements ledger.Webhooks.
func (s Store) TakeWebhookTurn(ctx context.Context, holder string, length time.Duration) (taken bool, err error) {
	var work bool
	err = sqlite.Read(ctx, s.DB, "look for webhooks", func(c sqlite.Conn) error { return c.Get(ctx, hasWebhookWork, nil, &work) })
	if err != nil || !work {
		return false, err
	}
	err = sqlite.Write(ctx, s.DB, "take the turn to send webhooks", func(c sqlite.Conn) error {
		at, err := clock(ctx, c)
		if err != nil {
			return err
		}
		n, err := c.Exec(ctx, takeWebhookTurn, args{"name": row.WebhookTurn, "holder": holder, "until": at + length.Milliseconds(), "now": at})
		taken = n > 0
		return err
	})
	return taken, err
}

// hasWebhookWork says whether anything could have to be sent.
const hasWebhookWork = `
SELECT EXISTS (SELECT 1 FROM webhooks WHERE enabled)
	OR EXISTS (SELECT 1 FROM webhook_facts)`

// takeWebhookTurn gives a process the turn until a time, unless another has it.
const takeWebhookTurn = `
INSERT INTO turns (name, holder, until)
VALUES (@name, @holder, @until)
ON CONFLICT DO UPDATE
SET holder = excluded.holder,
	until = excluded.until
WHERE turns.until <= @now
	OR turns.holder = excluded.holder`

// EndWebhookTurn implements ledger.Webhooks.
func (s Store) EndWebhookTurn(ctx context.Context, holder string) error {
	return sqlite.Write(ctx, s.DB, "end the turn to send webhooks", func(c sqlite.Conn) error {
		_, err := c.Exec(ctx, "DELETE FROM turns WHERE name = @name AND holder = @holder", args{"name": row.WebhookTurn, "holder": holder})
		return err
	})
}

// WebhookWork implements ledger.Webhooks.
func (s Store) WebhookWork(ctx context.Context, facts, due int) (w ledger.WebhookWork, err error) {
	err = sqlite.Read(ctx, s.DB, "look for work of webhooks", func(c sqlite.Conn) error {
		w = ledger.WebhookWork{}
		if w.Webhooks, err = readWebhooks(ctx, c, listWebhooks, nil); err != nil {
			return err
		}
		if w.Facts, err = s.readFacts(ctx, c, facts); err != nil {
			return err
		}
		for _, hook := range w.Webhooks {
			if !hook.Enabled {
				continue
			}
			messages, err := readMessages(ctx, c, args{"webhook": hook.ID, "limit": due})
			if err != nil {
				return err
			}
			w.Due = append(w.Due, messages...)
		}
		w.Users, err = idsOf(ctx, c, row.UsersOf(w.Due))
		return err
	})
	return w, err
}

func (s Store) readFacts(ctx context.Context, c sqlite.Conn, limit int) (found []ledger.WebhookFact, err error) {
	err = c.Each(ctx, oldestFacts, args{"limit": limit}, func(scan func(...any) error) error {
		var f ledger.WebhookFact
		var at sql.NullInt64
		if err := scan(&f.Seq, &f.Type, &at, &f.EventID, &f.Wave, &f.Channel, &f.User, &f.Detail, &f.Page); err != nil {
			return err
		}
		f.At, f.Detail = timeOf(at), row.FactDetail(f.Type, f.Detail)
		found = append(found, f)
		return nil
	})
	return found, err
}

// oldestFacts selects the oldest facts.
const oldestFacts = `
SELECT f.seq, f.type, f.at, f.event_id, f.wave, coalesce(c.name, ''), f.user_seq, f.detail, f.page
FROM webhook_facts f
LEFT JOIN channels c ON c.id = f.channel
ORDER BY f.seq
LIMIT @limit`

func readMessages(ctx context.Context, c sqlite.Conn, a args) (found []ledger.WebhookMessage, err error) {
	err = c.Each(ctx, dueMessages, a, func(scan func(...any) error) error {
		var m ledger.WebhookMessage
		var created sql.NullInt64
		var facts string
		err := scan(&m.ID, &m.WebhookID, &m.Type, &created, &m.Attempts, &facts)
		if err != nil {
			return err
		}
		m.CreatedAt = timeOf(created)
		m.Facts, err = row.DecodeFacts(facts)
		found = append(found, m)
		return err
	})
	return found, err
}

// dueMessages selects messages of a webhook that are due.
const dueMessages = `
SELECT id, webhook_id, type, created_at, attempts, facts
FROM webhook_messages
WHERE webhook_id = @webhook
	AND next_at <= ` + now + `
ORDER BY next_at
LIMIT @limit`

// idsOf returns the ids of users by their numbers.
func idsOf(ctx context.Context, c sqlite.Conn, users []int64) (map[int64]string, error) {
	if len(users) == 0 {
		return nil, nil
	}
	ids := make(map[int64]string, len(users))
	err := c.Each(ctx, "SELECT seq, id FROM users WHERE seq IN (SELECT value FROM json_each(@users))", args{"users": jsonOf(users)}, func(scan func(...any) error) error {
		var seq int64
		var id string
		err := scan(&seq, &id)
		ids[seq] = id
		return err
	})
	return ids, err
}

// FailedDeliveries implements ledger.Webhooks.
func (s Store) FailedDeliveries(ctx context.Context, f ledger.WebhookFact, limit int) (found []ledger.WebhookFact, err error) {
	after := args{"wave": 0, "channel": "", "user": 0}
	if f.Page {
		after = args{"wave": f.Wave, "channel": string(f.Channel), "user": f.User}
	}
	err = sqlite.Read(ctx, s.DB, "list failed deliveries", func(c sqlite.Conn) error {
		return c.Each(ctx, failedDeliveries, after.and(args{"event": f.EventID, "limit": limit}), func(scan func(...any) error) error {
			d := ledger.WebhookFact{Type: schoolbell.WebhookDeliveryFailed, EventID: f.EventID, Detail: string(schoolbell.DeliveryFailed)}
			var at sql.NullInt64
			if err := scan(&d.Wave, &d.Channel, &d.User, &at); err != nil {
				return err
			}
			d.At = timeOf(at)
			found = append(found, d)
			return nil
		})
	})
	return found, err
}

// failedDeliveries selects failed deliveries of an event after a place.
var failedDeliveries = row.SQL(`
SELECT d.wave, c.name, d.user_seq, d.updated_at
FROM deliveries d
CROSS JOIN channels c ON c.id = d.channel
WHERE d.event_seq = (SELECT seq FROM events WHERE id = @event)
	AND (d.wave, d.channel, d.user_seq) > (@wave, coalesce((SELECT id FROM channels WHERE name = @channel), 0), @user)
	AND d.status = {failed}
ORDER BY d.wave, d.channel, d.user_seq
LIMIT @limit`)

// PutWebhookMessages implements ledger.Webhooks.
func (s Store) PutWebhookMessages(ctx context.Context, messages []ledger.WebhookMessage, told []ledger.WebhookFact, next *ledger.WebhookFact) error {
	return sqlite.Write(ctx, s.DB, "put webhook messages", func(c sqlite.Conn) error {
		for _, f := range told {
			statement, a := deleteFact, args{"seq": f.Seq}
			if next != nil && f.Seq == next.Seq {
				statement = moveFact
				a = args{"seq": next.Seq, "type": string(next.Type), "wave": next.Wave, "channel": string(next.Channel), "user": next.User}
			}
			n, err := c.Exec(ctx, statement, a)
			if err == nil && n == 0 {
				err = row.FactsTold()
			}
			if err != nil {
				return err
			}
		}
		for _, m := range messages {
			facts, err := row.EncodeFacts(m.Facts)
			if err != nil {
				return err
			}
			_, err = c.Exec(ctx, insertMessage, args{"id": m.ID, "webhook": m.WebhookID, "type": string(m.Type), "created_at": millis(m.CreatedAt), "facts": facts})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// deleteFact deletes a fact that was told.
const deleteFact = "DELETE FROM webhook_facts WHERE seq = @seq"

// moveFact sets the place up to which the failed deliveries of an event were told.
const moveFact = `
UPDATE webhook_facts
SET type = @type,
	wave = @wave,
	channel = coalesce((SELECT id FROM channels WHERE name = @channel), 0),
	user_seq = @user,
	page = 1
WHERE seq = @seq`

// insertMessage inserts a message whose first attempt is due at once.
const insertMessage = `
INSERT INTO webhook_messages (id, webhook_id, type, created_at, next_at, facts)
VALUES (@id, @webhook, @type, @created_at, ` + now + `, @facts)`

// RecordWebhookAttempt implements ledger.Webhooks.
func (s Store) RecordWebhookAttempt(ctx context.Context, a schoolbell.WebhookAttempt, r ledger.WebhookResult) error {
	return sqlite.Write(ctx, s.DB, "record an attempt of a webhook", func(c sqlite.Conn) error {
		if _, err := c.Exec(ctx, insertWebhookAttempt, args{"webhook": a.WebhookID, "message": a.MessageID, "type": string(a.Type), "number": a.Number,
			"at": millis(a.At), "duration": a.Duration.Milliseconds(), "reply": a.Status, "error": row.Text(a.Error)}); err != nil {
			return err
		}
		statement, of := "DELETE FROM webhook_messages WHERE id = @id", args{"id": a.MessageID}
		if !r.Ended {
			statement, of = postponeMessage, of.and(args{"attempts": a.Number, "next_at": millis(r.NextAt)})
		}
		if _, err := c.Exec(ctx, statement, of); err != nil || a.Type == schoolbell.WebhookTest {
			return err
		}
		return noteWebhookState(ctx, c, a, r.Disable)
	})
}

// noteWebhookState changes a webhook after an attempt of one of its messages. If it is disabled already, the change of ctx
// is void.
func noteWebhookState(ctx context.Context, c sqlite.Conn, a schoolbell.WebhookAttempt, disable string) error {
	if a.OK() {
		_, err := c.Exec(ctx, noteSuccess, args{"id": a.WebhookID})
		return err
	}
	if _, err := c.Exec(ctx, noteFailing, args{"id": a.WebhookID, "at": millis(a.At)}); err != nil || disable == "" {
		return err
	}
	n, err := c.Exec(ctx, failWebhook, args{"id": a.WebhookID, "reason": disable})
	if err == nil && n == 0 {
		ledger.ChangeOf(ctx).Void()
	}
	return err
}

// insertWebhookAttempt inserts an attempt.
const insertWebhookAttempt = `
INSERT INTO webhook_attempts (webhook_id, message_id, type, number, at, duration_ms, reply, error)
VALUES (@webhook, @message, @type, @number, @at, @duration, @reply, @error)`

// postponeMessage sets how many attempts a message had, and when the next one is due.
const postponeMessage = `
UPDATE webhook_messages
SET attempts = @attempts,
	next_at = @next_at
WHERE id = @id`

// noteSuccess says that a webhook does not fail any more.
const noteSuccess = `
UPDATE webhooks
SET failing_since = NULL
WHERE id = @id
	AND failing_since IS NOT NULL`

// noteFailing says since when a webhook fails.
const noteFailing = `
UPDATE webhooks
SET failing_since = @at
WHERE id = @id
	AND failing_since IS NULL`

// failWebhook disables a webhook that is enabled, for a reason.
const failWebhook = `
UPDATE webhooks
SET enabled = 0,
	disabled_at = ` + now + `,
	disabled_reason = @reason
WHERE id = @id
	AND enabled`

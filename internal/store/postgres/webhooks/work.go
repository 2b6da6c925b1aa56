package webhooks

import (
	"cmp"
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/postgres"
	"schoolbell/internal/store/row"
)

// TakeWebhookTurn implements ledger.Webhooks.
func (s Store) TakeWebhookTurn(ctx context.Context, holder string, length time.Duration) (taken bool, err error) {
	err = postgres.Write(ctx, s.DB, "take the turn to send webhooks", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, takeWebhookTurn, named{"name": row.WebhookTurn, "holder": holder, "length": length.Milliseconds()})
		taken = tag.RowsAffected() > 0
		return err
	})
	return taken, err
}

// takeWebhookTurn gives a process the turn for some milliseconds, unless another has it or there is nothing to do.
const takeWebhookTurn = `
	INSERT INTO turns (name, holder, until)
	SELECT @name, @holder, clock_timestamp() + @length::bigint * interval '1 ms'
	WHERE EXISTS (SELECT 1 FROM webhooks WHERE enabled) OR EXISTS (SELECT 1 FROM webhook_facts)
	ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
	WHERE turns.until <= clock_timestamp() OR turns.holder = excluded.holder`

// EndWebhookTurn implements ledger.Webhooks.
func (s Store) EndWebhookTurn(ctx context.Context, holder string) error {
	return postgres.Write(ctx, s.DB, "end the turn to send webhooks", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM turns WHERE name = $1 AND holder = $2", row.WebhookTurn, holder)
		return err
	})
}

// WebhookWork implements ledger.Webhooks.
func (s Store) WebhookWork(ctx context.Context, facts, due int) (w ledger.WebhookWork, err error) {
	err = postgres.Read(ctx, s.DB, "look for work of webhooks", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, listWebhooks)
		if w.Webhooks, err = list(rows, err, scanWebhook); err != nil {
			return err
		}
		rows, err = tx.Query(ctx, oldestFacts, facts)
		if w.Facts, err = list(rows, err, scanFact); err != nil {
			return err
		}
		rows, err = tx.Query(ctx, dueMessages, due)
		if w.Due, err = list(rows, err, scanMessage); err != nil {
			return err
		}
		w.Users, err = idsOf(ctx, tx, row.UsersOf(w.Due))
		return err
	})
	return w, err
}

// oldestFacts selects the oldest $1 facts, as scanFact reads them.
const oldestFacts = `
	SELECT f.seq, f.type, f.at, f.event_id, f.wave, coalesce(c.name, ''), f.user_seq, f.detail, f.page
	FROM webhook_facts f
	LEFT JOIN channels c ON c.id = f.channel
	ORDER BY f.seq
	LIMIT $1`

func scanFact(r pgx.CollectableRow) (f ledger.WebhookFact, err error) {
	err = r.Scan(&f.Seq, &f.Type, &f.At, &f.EventID, &f.Wave, &f.Channel, &f.User, &f.Detail, &f.Page)
	f.At, f.Detail = schoolbell.Time(f.At), row.FactDetail(f.Type, f.Detail)
	return f, err
}

// dueMessages selects up to $1 messages of each enabled webhook that are due, as scanMessage reads them.
const dueMessages = `
	SELECT m.id, m.webhook_id, m.type, m.created_at, m.attempts, m.facts
	FROM webhooks w
	CROSS JOIN LATERAL (
		SELECT *
		FROM webhook_messages m
		WHERE m.webhook_id = w.id AND m.next_at <= clock_timestamp()
		ORDER BY m.next_at
		LIMIT $1) m
	WHERE w.enabled`

func scanMessage(r pgx.CollectableRow) (m ledger.WebhookMessage, err error) {
	var facts string
	if err := r.Scan(&m.ID, &m.WebhookID, &m.Type, &m.CreatedAt, &m.Attempts, &facts); err != nil {
		return m, err
	}
	m.CreatedAt = m.CreatedAt.UTC()
	m.Facts, err = row.DecodeFacts(facts)
	return m, err
}

// idsOf returns the ids of users by their numbers.
func idsOf(ctx context.Context, q pgx.Tx, users []int64) (ids map[int64]string, err error) {
	if len(users) == 0 {
		return nil, nil
	}
	rows, err := q.Query(ctx, "SELECT seq, id FROM users WHERE seq = ANY ($1)", users)
	if err != nil {
		return nil, err
	}
	ids = make(map[int64]string, len(users))
	var seq int64
	var id string
	_, err = pgx.ForEachRow(rows, []any{&seq, &id}, func() error { ids[seq] = id; return nil })
	return ids, err
}

// FailedDeliveries implements ledger.Webhooks.
func (s Store) FailedDeliveries(ctx context.Context, f ledger.WebhookFact, limit int) (found []ledger.WebhookFact, err error) {
	after := named{"wave": 0, "channel": "", "user": int64(0)}
	if f.Page {
		after = named{"wave": f.Wave, "channel": string(f.Channel), "user": f.User}
	}
	err = postgres.Read(ctx, s.DB, "list failed deliveries", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, failedDeliveries, with(after, named{"event": f.EventID, "limit": limit}))
		found, err = list(rows, err, func(r pgx.CollectableRow) (ledger.WebhookFact, error) {
			d := ledger.WebhookFact{Type: schoolbell.WebhookDeliveryFailed, EventID: f.EventID, Detail: string(schoolbell.DeliveryFailed)}
			err := r.Scan(&d.Wave, &d.Channel, &d.User, &d.At)
			d.At = d.At.UTC()
			return d, err
		})
		return err
	})
	return found, err
}

// failedDeliveries selects failed deliveries of an event after a place.
var failedDeliveries = row.SQL(`
	SELECT d.wave, c.name, d.user_seq, d.updated_at
	FROM deliveries d
	JOIN channels c ON c.id = d.channel
	WHERE d.event_seq = (SELECT seq FROM events WHERE id = @event)
		AND (d.wave, d.channel, d.user_seq) > (@wave::smallint, coalesce((SELECT id FROM channels WHERE name = @channel), 0), @user::bigint)
		AND d.status = {failed}
	ORDER BY d.wave, d.channel, d.user_seq
	LIMIT @limit`)

// PutWebhookMessages implements ledger.Webhooks.
func (s Store) PutWebhookMessages(ctx context.Context, messages []ledger.WebhookMessage, told []ledger.WebhookFact, next *ledger.WebhookFact) error {
	return postgres.Write(ctx, s.DB, "put webhook messages", func(tx pgx.Tx) error {
		var seqs []int64
		for _, f := range told {
			if next != nil && f.Seq == next.Seq {
				tag, err := tx.Exec(ctx, moveFact, named{"seq": f.Seq, "type": next.Type, "wave": next.Wave, "channel": next.Channel, "user": next.User})
				if err != nil || tag.RowsAffected() == 0 {
					return cmp.Or(err, row.FactsTold())
				}
				continue
			}
			seqs = append(seqs, f.Seq)
		}
		tag, err := tx.Exec(ctx, "DELETE FROM webhook_facts WHERE seq = ANY ($1)", seqs)
		if err != nil || int(tag.RowsAffected()) != len(seqs) {
			return cmp.Or(err, row.FactsTold())
		}
		for _, m := range messages {
			facts, err := row.EncodeFacts(m.Facts)
			if err == nil {
				_, err = tx.Exec(ctx, insertMessage, named{"id": m.ID, "webhook": m.WebhookID, "type": m.Type, "created_at": stored(m.CreatedAt), "facts": facts})
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

const (
	// moveFact sets the place up to which the failed deliveries of an event were told.
	moveFact = `
	UPDATE webhook_facts
	SET type = @type, wave = @wave, channel = coalesce((SELECT id FROM channels WHERE name = @channel), 0), user_seq = @user, page = true
	WHERE seq = @seq`

	// insertMessage inserts a message whose first attempt is due at once.
	insertMessage = `
	INSERT INTO webhook_messages (id, webhook_id, type, created_at, next_at, facts)
	VALUES (@id, @webhook, @type, @created_at, ` + now + `, @facts)`
)

// RecordWebhookAttempt implements ledger.Webhooks.
func (s Store) RecordWebhookAttempt(ctx context.Context, a schoolbell.WebhookAttempt, r ledger.WebhookResult) error {
	return postgres.Write(ctx, s.DB, "record an attempt of a webhook", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, insertWebhookAttempt, named{"webhook": a.WebhookID, "message": a.MessageID, "type": a.Type, "number": a.Number,
			"at": stored(a.At), "duration": a.Duration.Milliseconds(), "reply": a.Status, "error": row.Text(a.Error)})
		switch {
		case err != nil:
		case r.Ended:
			_, err = tx.Exec(ctx, "DELETE FROM webhook_messages WHERE id = $1", a.MessageID)
		default:
			_, err = tx.Exec(ctx, postponeMessage, a.MessageID, a.Number, stored(r.NextAt))
		}
		if err != nil || a.Type == schoolbell.WebhookTest {
			return err
		}
		return noteWebhookState(ctx, tx, a, r.Disable)
	})
}

// noteWebhookState changes a webhook after an attempt of one of its messages. If it is disabled already, the change of ctx
// is void.
func noteWebhookState(ctx context.Context, tx pgx.Tx, a schoolbell.WebhookAttempt, disable string) error {
	if a.OK() {
		_, err := tx.Exec(ctx, "UPDATE webhooks SET failing_since = NULL WHERE id = $1 AND failing_since IS NOT NULL", a.WebhookID)
		return err
	}
	if _, err := tx.Exec(ctx, noteFailing, a.WebhookID, stored(a.At)); err != nil || disable == "" {
		return err
	}
	tag, err := tx.Exec(ctx, failWebhook, a.WebhookID, disable)
	if err == nil && tag.RowsAffected() == 0 {
		ledger.ChangeOf(ctx).Void()
	}
	return err
}

const (
	// insertWebhookAttempt inserts an attempt.
	insertWebhookAttempt = `
	INSERT INTO webhook_attempts (webhook_id, message_id, type, number, at, duration_ms, reply, error)
	VALUES (@webhook, @message, @type, @number, @at, @duration, @reply, @error)`

	// postponeMessage sets how many attempts a message had, and when the next one is due.
	postponeMessage = "UPDATE webhook_messages SET attempts = $2, next_at = $3 WHERE id = $1"

	// noteFailing says since when a webhook fails.
	noteFailing = "UPDATE webhooks SET failing_since = $2 WHERE id = $1 AND failing_since IS NULL"

	// failWebhook disables a webhook that is enabled, for a reason.
	failWebhook = "UPDATE webhooks SET enabled = false, disabled_at = " + now + ", disabled_reason = $2 WHERE id = $1 AND enabled"
)

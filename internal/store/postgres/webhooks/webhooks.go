// Package webhooks is the store of webhooks in PostgreSQL.
package webhooks

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/postgres"
	"schoolbell/internal/store/row"
)

// Store implements ledger.Webhooks.
type Store struct{ DB *postgres.DB }

// Webhooks implements ledger.Webhooks.
func (s Store) Webhooks(ctx context.Context) (found []schoolbell.Webhook, err error) {
	err = postgres.Read(ctx, s.DB, "list webhooks", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, listWebhooks)
		found, err = list(rows, err, scanWebhook)
		return err
	})
	return found, err
}

// Webhook implements ledger.Webhooks.
func (s Store) Webhook(ctx context.Context, id string) (w schoolbell.Webhook, err error) {
	err = postgres.Read(ctx, s.DB, "read a webhook", func(tx pgx.Tx) error {
		w, err = webhookOf(ctx, tx, selectWebhook, id)
		return err
	})
	return w, err
}

// webhookOf returns the webhook that a statement selects by its id.
func webhookOf(ctx context.Context, q pgx.Tx, statement, id string) (w schoolbell.Webhook, err error) {
	rows, err := q.Query(ctx, statement, id)
	found, err := list(rows, err, scanWebhook)
	if err != nil {
		return w, err
	}
	if len(found) == 0 {
		return w, schoolbell.NotFound("webhook", id)
	}
	return found[0], nil
}

// selectWebhooks selects the columns that scanWebhook reads.
const selectWebhooks = `
	SELECT id, url, types, description, enabled, secret, previous_secret, previous_until, created_at, failing_since,
		disabled_at, disabled_reason
	FROM webhooks`

const (
	// listWebhooks selects all webhooks.
	listWebhooks = selectWebhooks + " ORDER BY created_at, id"

	// selectWebhook selects one webhook.
	selectWebhook = selectWebhooks + " WHERE id = $1"

	// lockWebhook selects one webhook and keeps others from changing it.
	lockWebhook = selectWebhook + " FOR UPDATE"
)

func scanWebhook(r pgx.CollectableRow) (w schoolbell.Webhook, err error) {
	var secret, previous []byte
	var previousUntil, failing, disabled *time.Time
	err = r.Scan(&w.ID, &w.URL, &w.Types, &w.Description, &w.Enabled, &secret, &previous, &previousUntil, &w.CreatedAt, &failing, &disabled, &w.DisabledReason)
	w.Secret, w.Previous, w.PreviousUntil = secret, previous, timeOf(previousUntil)
	w.CreatedAt, w.FailingSince, w.DisabledAt = w.CreatedAt.UTC(), timeOf(failing), timeOf(disabled)
	return w, err
}

// AddWebhook implements ledger.Webhooks.
func (s Store) AddWebhook(ctx context.Context, w schoolbell.Webhook) error {
	return postgres.Write(ctx, s.DB, "add a webhook", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "LOCK TABLE webhooks IN SHARE ROW EXCLUSIVE MODE"); err != nil { // so that the limit holds
			return err
		}
		var n int
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM webhooks").Scan(&n); err != nil {
			return err
		}
		if n >= schoolbell.MaxWebhooks {
			return row.TooManyWebhooks()
		}
		_, err := tx.Exec(ctx, insertWebhook, named{"id": w.ID, "url": w.URL, "types": w.Types, "description": w.Description,
			"enabled": w.Enabled, "secret": []byte(w.Secret), "created_at": stored(w.CreatedAt)})
		return err
	})
}

// insertWebhook inserts a webhook.
const insertWebhook = `
	INSERT INTO webhooks (id, url, types, description, enabled, secret, created_at)
	VALUES (@id, @url, @types, @description, @enabled, @secret, @created_at)`

// ChangeWebhook implements ledger.Webhooks.
func (s Store) ChangeWebhook(ctx context.Context, id string, p ledger.WebhookPatch) (w schoolbell.Webhook, err error) {
	err = postgres.Write(ctx, s.DB, "change a webhook", func(tx pgx.Tx) error {
		if w, err = webhookOf(ctx, tx, lockWebhook, id); err != nil {
			return err
		}
		w = row.PatchWebhook(w, p)
		if _, err := tx.Exec(ctx, updateWebhook, named{"id": id, "url": w.URL, "types": w.Types, "description": w.Description, "enabled": w.Enabled}); err != nil {
			return err
		}
		w, err = webhookOf(ctx, tx, selectWebhook, id)
		return err
	})
	return w, err
}

// updateWebhook changes what a caller chooses. A webhook that is enabled begins as if it had never failed.
const updateWebhook = `
	UPDATE webhooks
	SET url = @url, types = @types, description = @description, enabled = @enabled,
		failing_since = CASE WHEN enabled OR NOT @enabled THEN failing_since END,
		disabled_at = CASE WHEN NOT @enabled THEN coalesce(disabled_at, ` + now + `) END,
		disabled_reason = CASE WHEN @enabled THEN '' ELSE disabled_reason END
	WHERE id = @id`

// RemoveWebhook implements ledger.Webhooks.
func (s Store) RemoveWebhook(ctx context.Context, id string) error {
	return postgres.Write(ctx, s.DB, "remove a webhook", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "DELETE FROM webhooks WHERE id = $1", id)
		if err == nil && tag.RowsAffected() == 0 {
			err = schoolbell.NotFound("webhook", id)
		}
		return err
	})
}

// RotateWebhook implements ledger.Webhooks.
func (s Store) RotateWebhook(ctx context.Context, id string, secret schoolbell.WebhookSecret, previousUntil time.Time) (w schoolbell.Webhook, err error) {
	err = postgres.Write(ctx, s.DB, "rotate the secret of a webhook", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, rotateWebhook, id, []byte(secret), stored(previousUntil)); err != nil {
			return err
		}
		w, err = webhookOf(ctx, tx, selectWebhook, id)
		return err
	})
	return w, err
}

// rotateWebhook gives the webhook $1 the secret $2; the one that it has still signs until $3.
const rotateWebhook = "UPDATE webhooks SET secret = $2, previous_secret = secret, previous_until = $3 WHERE id = $1"

// WebhookAttempts implements ledger.Webhooks.
func (s Store) WebhookAttempts(ctx context.Context, id string, before int64, limit int) (found []schoolbell.WebhookAttempt, err error) {
	err = postgres.Read(ctx, s.DB, "list attempts of a webhook", func(tx pgx.Tx) error {
		if _, err := webhookOf(ctx, tx, selectWebhook, id); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, listWebhookAttempts, id, before, limit)
		found, err = list(rows, err, func(r pgx.CollectableRow) (a schoolbell.WebhookAttempt, err error) {
			var ms int64
			err = r.Scan(&a.Seq, &a.WebhookID, &a.MessageID, &a.Type, &a.Number, &a.At, &ms, &a.Status, &a.Error)
			a.At, a.Duration = a.At.UTC(), time.Duration(ms)*time.Millisecond
			return a, err
		})
		return err
	})
	return found, err
}

// listWebhookAttempts selects up to $3 attempts of the webhook $1, newest first, those before $2 unless that is 0.
const listWebhookAttempts = `
	SELECT seq, webhook_id, message_id, type, number, at, duration_ms, reply, error
	FROM webhook_attempts
	WHERE webhook_id = $1 AND ($2::bigint = 0 OR seq < $2)
	ORDER BY seq DESC
	LIMIT $3`

// WaitingWebhookMessages implements ledger.Webhooks.
func (s Store) WaitingWebhookMessages(ctx context.Context, id string) (n int, err error) {
	err = postgres.Read(ctx, s.DB, "count messages of a webhook", func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "SELECT count(*) FROM webhook_messages WHERE webhook_id = $1", id).Scan(&n)
	})
	return n, err
}

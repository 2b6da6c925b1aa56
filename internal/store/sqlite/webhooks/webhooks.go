// Package webhooks is the store of webhooks in SQLite.
package webhooks

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
	"schoolbell/internal/store/sqlite"
)

// Store implements ledger.Webhooks.
type Store struct{ DB *sqlite.DB }

// Webhooks implements ledger.Webhooks.
func (s Store) Webhooks(ctx context.Context) (found []schoolbell.Webhook, err error) {
	err = sqlite.Read(ctx, s.DB, "list webhooks", func(c sqlite.Conn) error {
		found, err = readWebhooks(ctx, c, listWebhooks, nil)
		return err
	})
	return found, err
}

// Webhook implements ledger.Webhooks.
func (s Store) Webhook(ctx context.Context, id string) (w schoolbell.Webhook, err error) {
	err = sqlite.Read(ctx, s.DB, "read a webhook", func(c sqlite.Conn) error {
		w, err = webhookOf(ctx, c, id)
		return err
	})
	return w, err
}

func webhookOf(ctx context.Context, c sqlite.Conn, id string) (w schoolbell.Webhook, err error) {
	found, err := readWebhooks(ctx, c, selectWebhook, args{"id": id})
	if err != nil {
		return w, err
	}
	if len(found) == 0 {
		return w, schoolbell.NotFound("webhook", id)
	}
	return found[0], nil
}

// selectWebhooks selects the columns that readWebhooks reads.
const selectWebhooks = `
SELECT id, url, types, description, enabled, secret, previous_secret, previous_until, created_at, failing_since,
	disabled_at, disabled_reason
FROM webhooks`

const (
	// listWebhooks selects all webhooks.
	listWebhooks = selectWebhooks + " ORDER BY created_at, id"

	// selectWebhook selects one webhook.
	selectWebhook = selectWebhooks + " WHERE id = @id"
)

func readWebhooks(ctx context.Context, c sqlite.Conn, query string, a args) (found []schoolbell.Webhook, err error) {
	err = c.Each(ctx, query, a, func(scan func(...any) error) error {
		var w schoolbell.Webhook
		var types string
		var secret, previous []byte
		var previousUntil, created, failing, disabled sql.NullInt64
		if err := scan(&w.ID, &w.URL, &types, &w.Description, &w.Enabled, &secret, &previous, &previousUntil, &created, &failing,
			&disabled, &w.DisabledReason); err != nil {
			return err
		}
		w.Secret, w.Previous, w.PreviousUntil = secret, previous, timeOf(previousUntil)
		w.CreatedAt, w.FailingSince, w.DisabledAt = timeOf(created), timeOf(failing), timeOf(disabled)
		found = append(found, w)
		return json.Unmarshal([]byte(types), &found[len(found)-1].Types)
	})
	return found, err
}

// AddWebhook implements ledger.Webhooks.
func (s Store) AddWebhook(ctx context.Context, w schoolbell.Webhook) error {
	return sqlite.Write(ctx, s.DB, "add a webhook", func(c sqlite.Conn) error {
		var n int
		if err := c.Get(ctx, "SELECT count(*) FROM webhooks", nil, &n); err != nil {
			return err
		}
		if n >= schoolbell.MaxWebhooks {
			return row.TooManyWebhooks()
		}
		_, err := c.Exec(ctx, insertWebhook, args{"id": w.ID, "url": w.URL, "types": jsonOf(w.Types), "description": w.Description,
			"enabled": w.Enabled, "secret": []byte(w.Secret), "created_at": millis(w.CreatedAt)})
		return err
	})
}

// insertWebhook inserts a webhook.
const insertWebhook = `
INSERT INTO webhooks (id, url, types, description, enabled, secret, created_at)
VALUES (@id, @url, @types, @description, @enabled, @secret, @created_at)`

// ChangeWebhook implements ledger.Webhooks.
func (s Store) ChangeWebhook(ctx context.Context, id string, p ledger.WebhookPatch) (w schoolbell.Webhook, err error) {
	err = sqlite.Write(ctx, s.DB, "change a webhook", func(c sqlite.Conn) error {
		if w, err = webhookOf(ctx, c, id); err != nil {
			return err
		}
		w = row.PatchWebhook(w, p)
		a := args{"id": id, "url": w.URL, "types": jsonOf(w.Types), "description": w.Description, "enabled": w.Enabled}
		if _, err := c.Exec(ctx, updateWebhook, a); err != nil {
			return err
		}
		w, err = webhookOf(ctx, c, id)
		return err
	})
	return w, err
}

// updateWebhook changes what a caller chooses. A webhook that is enabled begins as if it had never failed.
const updateWebhook = `
UPDATE webhooks
SET url = @url,
	types = @types,
	description = @description,
	enabled = @enabled,
	failing_since = CASE WHEN enabled OR NOT @enabled THEN failing_since END,
	disabled_at = CASE WHEN NOT @enabled THEN coalesce(disabled_at, ` + now + `) END,
	disabled_reason = CASE WHEN @enabled THEN '' ELSE disabled_reason END
WHERE id = @id`

// RemoveWebhook implements ledger.Webhooks.
func (s Store) RemoveWebhook(ctx context.Context, id string) error {
	return sqlite.Write(ctx, s.DB, "remove a webhook", func(c sqlite.Conn) error {
		n, err := c.Exec(ctx, "DELETE FROM webhooks WHERE id = @id", args{"id": id})
		if err == nil && n == 0 {
			err = schoolbell.NotFound("webhook", id)
		}
		return err
	})
}

// RotateWebhook implements ledger.Webhooks.
func (s Store) RotateWebhook(ctx context.Context, id string, secret schoolbell.WebhookSecret, previousUntil time.Time) (w schoolbell.Webhook, err error) {
	err = sqlite.Write(ctx, s.DB, "rotate the secret of a webhook", func(c sqlite.Conn) error {
		if _, err := c.Exec(ctx, rotateWebhook, args{"id": id, "secret": []byte(secret), "until": millis(previousUntil)}); err != nil {
			return err
		}
		w, err = webhookOf(ctx, c, id)
		return err
	})
	return w, err
}

// rotateWebhook gives a webhook a secret; the one that it has still signs until a time.
const rotateWebhook = `
UPDATE webhooks
SET secret = @secret,
	previous_secret = secret,
	previous_until = @until
WHERE id = @id`

// WebhookAttempts implements ledger.Webhooks.
func (s Store) WebhookAttempts(ctx context.Context, id string, before int64, limit int) (found []schoolbell.WebhookAttempt, err error) {
	err = sqlite.Read(ctx, s.DB, "list attempts of a webhook", func(c sqlite.Conn) error {
		if _, err := webhookOf(ctx, c, id); err != nil {
			return err
		}
		return c.Each(ctx, listWebhookAttempts, args{"id": id, "before": before, "limit": limit}, func(scan func(...any) error) error {
			var a schoolbell.WebhookAttempt
			var at sql.NullInt64
			var ms int64
			if err := scan(&a.Seq, &a.WebhookID, &a.MessageID, &a.Type, &a.Number, &at, &ms, &a.Status, &a.Error); err != nil {
				return err
			}
			a.At, a.Duration = timeOf(at), time.Duration(ms)*time.Millisecond
			found = append(found, a)
			return nil
		})
	})
	return found, err
}

// listWebhookAttempts selects attempts of a webhook, newest first, those before one unless that is 0.
const listWebhookAttempts = `
SELECT seq, webhook_id, message_id, type, number, at, duration_ms, reply, error
FROM webhook_attempts
WHERE webhook_id = @id
	AND (@before = 0 OR seq < @before)
ORDER BY seq DESC
LIMIT @limit`

// WaitingWebhookMessages implements ledger.Webhooks.
func (s Store) WaitingWebhookMessages(ctx context.Context, id string) (n int, err error) {
	err = sqlite.Read(ctx, s.DB, "count messages of a webhook", func(c sqlite.Conn) error {
		return c.Get(ctx, "SELECT count(*) FROM webhook_messages WHERE webhook_id = @id", args{"id": id}, &n)
	})
	return n, err
}

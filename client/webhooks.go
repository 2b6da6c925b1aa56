package client

import (
	"context"
	"net/http"

	"schoolbell/wire"
)

const webhooks = "webhooks"

// Webhooks lists all webhooks, the oldest first.
func (c *Client) Webhooks(ctx context.Context) ([]wire.Webhook, error) {
	var out wire.WebhookList
	_, err := c.do(ctx, call{method: http.MethodGet, path: segments("v1", webhooks)}, &out)
	return out.Webhooks, err
}

// Webhook returns a webhook.
func (c *Client) Webhook(ctx context.Context, id string) (*wire.Webhook, error) {
	out := &wire.Webhook{}
	_, err := c.do(ctx, call{method: http.MethodGet, path: segments("v1", webhooks, id)}, out)
	return out, err
}

// AddWebhook creates a webhook. The answer has its secret, which is never shown again.
func (c *Client) AddWebhook(ctx context.Context, w wire.NewWebhook) (*wire.Webhook, error) {
	out := &wire.Webhook{}
	_, err := c.json(ctx, call{method: http.MethodPost, path: segments("v1", webhooks)}, w, out)
	return out, err
}

// ChangeWebhook changes a webhook, or enables one that was disabled.
func (c *Client) ChangeWebhook(ctx context.Context, id string, change wire.WebhookChange) (*wire.Webhook, error) {
	out := &wire.Webhook{}
	_, err := c.json(ctx, call{method: http.MethodPatch, path: segments("v1", webhooks, id)}, change, out)
	return out, err
}

// RemoveWebhook deletes a webhook. Its messages are not sent any more.
func (c *Client) RemoveWebhook(ctx context.Context, id string) error {
	_, err := c.do(ctx, call{method: http.MethodDelete, path: segments("v1", webhooks, id)}, nil)
	return err
}

// RotateWebhook gives a webhook a new secret, which the answer has. For a day, messages have signatures by both.
func (c *Client) RotateWebhook(ctx context.Context, id string) (*wire.Webhook, error) {
	out := &wire.Webhook{}
	_, err := c.do(ctx, call{method: http.MethodPost, path: segments("v1", webhooks, id, "rotate")}, out)
	return out, err
}

// TestWebhook sends a message of type webhook.test to a webhook, and returns the attempt.
func (c *Client) TestWebhook(ctx context.Context, id string) (*wire.WebhookAttempt, error) {
	out := &wire.WebhookAttempt{}
	_, err := c.do(ctx, call{method: http.MethodPost, path: segments("v1", webhooks, id, "test")}, out)
	return out, err
}

// WebhookAttempts lists the attempts of a webhook, newest first.
func (c *Client) WebhookAttempts(ctx context.Context, id string, p Page) (*wire.WebhookAttemptPage, error) {
	out := &wire.WebhookAttemptPage{}
	_, err := c.do(ctx, call{method: http.MethodGet, path: segments("v1", webhooks, id, "attempts"), query: p.query()}, out)
	return out, err
}

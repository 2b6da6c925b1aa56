package api

import (
	"context"
	"net/http"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/wire"
)

// Webhooks is what the API needs of the use cases of webhooks.
type Webhooks interface {
	Webhooks(ctx context.Context) ([]schoolbell.Webhook, error)
	Webhook(ctx context.Context, id string) (schoolbell.Webhook, error)
	Create(ctx context.Context, w schoolbell.Webhook) (schoolbell.Webhook, error)
	Change(ctx context.Context, id string, p ledger.WebhookPatch) (schoolbell.Webhook, error)
	Remove(ctx context.Context, id string) error
	Rotate(ctx context.Context, id string) (schoolbell.Webhook, error)
	Test(ctx context.Context, id string) (schoolbell.WebhookAttempt, error)
	Attempts(ctx context.Context, id string, before int64, limit int) ([]schoolbell.WebhookAttempt, error)
}

// WebhookPath names a webhook in the path.
type WebhookPath struct {
	ID string `path:"id" maxLength:"100" doc:"The webhook's id."`
}

type listWebhooksOutput struct{ Body wire.WebhookList }

func (s *Server) listWebhooks(ctx context.Context, _ *struct{}) (*listWebhooksOutput, error) {
	found, err := s.cfg.Webhooks.Webhooks(ctx)
	out := &listWebhooksOutput{wire.WebhookList{Webhooks: make([]wire.Webhook, 0, len(found))}}
	for _, w := range found {
		out.Body.Webhooks = append(out.Body.Webhooks, wire.WebhookOf(w))
	}
	return out, err
}

type webhookOutput struct{ Body wire.Webhook }

func (s *Server) getWebhook(ctx context.Context, in *WebhookPath) (*webhookOutput, error) {
	w, err := s.cfg.Webhooks.Webhook(ctx, in.ID)
	return &webhookOutput{wire.WebhookOf(w)}, err
}

type createWebhookInput struct{ Body wire.NewWebhook }

type createWebhookOutput struct {
	Location string `header:"Location"`
	Body     wire.Webhook
}

func (s *Server) createWebhook(ctx context.Context, in *createWebhookInput) (*createWebhookOutput, error) {
	w, err := s.cfg.Webhooks.Create(ctx, schoolbell.Webhook{URL: in.Body.URL, Types: in.Body.Types, Description: in.Body.Description})
	if err != nil {
		return nil, err
	}
	ledger.ChangeOf(ctx).Set("types", w.Types)
	out := &createWebhookOutput{Location: "/v1/webhooks/" + w.ID, Body: wire.WebhookOf(w)}
	out.Body.Secret = w.Secret.Reveal()
	return out, nil
}

type changeWebhookInput struct {
	WebhookPath
	Body wire.WebhookChange
}

func (s *Server) changeWebhook(ctx context.Context, in *changeWebhookInput) (*webhookOutput, error) {
	b := in.Body
	if b.Enabled != nil {
		ledger.ChangeOf(ctx).Set("enabled", *b.Enabled)
	}
	w, err := s.cfg.Webhooks.Change(ctx, in.ID, ledger.WebhookPatch{URL: b.URL, Types: b.Types, Description: b.Description, Enabled: b.Enabled})
	return &webhookOutput{wire.WebhookOf(w)}, err
}

func (s *Server) removeWebhook(ctx context.Context, in *WebhookPath) (*struct{}, error) {
	return nil, s.cfg.Webhooks.Remove(ctx, in.ID)
}

func (s *Server) rotateWebhook(ctx context.Context, in *WebhookPath) (*webhookOutput, error) {
	w, err := s.cfg.Webhooks.Rotate(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := &webhookOutput{wire.WebhookOf(w)}
	out.Body.Secret = w.Secret.Reveal()
	return out, nil
}

type webhookAttemptOutput struct{ Body wire.WebhookAttempt }

func (s *Server) testWebhook(ctx context.Context, in *WebhookPath) (*webhookAttemptOutput, error) {
	a, err := s.cfg.Webhooks.Test(ctx, in.ID)
	return &webhookAttemptOutput{wire.WebhookAttemptOf(a)}, err
}

type listWebhookAttemptsInput struct {
	WebhookPath
	Page
}

type webhookAttemptsOutput struct{ Body wire.WebhookAttemptPage }

func (s *Server) listWebhookAttempts(ctx context.Context, in *listWebhookAttemptsInput) (*webhookAttemptsOutput, error) {
	at, err := decodeCursor("attempts", in.Cursor)
	if err != nil {
		return nil, err
	}
	list, err := s.cfg.Webhooks.Attempts(ctx, in.ID, at.N, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &webhookAttemptsOutput{}
	list, out.Body.Next, err = cut(list, in.Limit, func(a schoolbell.WebhookAttempt) cursor { return cursor{Kind: "attempts", N: a.Seq} })
	out.Body.Attempts = make([]wire.WebhookAttempt, 0, len(list))
	for _, a := range list {
		out.Body.Attempts = append(out.Body.Attempts, wire.WebhookAttemptOf(a))
	}
	return out, err
}

// webhookRoutes is the part of the route table about webhooks.
func (s *Server) webhookRoutes() group {
	const post, admin = http.MethodPost, schoolbell.ScopeAdmin
	return group{tag: "Webhooks", path: "/v1/webhooks", read: admin, write: admin, routes: []route{
		{id: "list-webhooks", handler: typed(s.listWebhooks), summary: "List the webhooks"},
		{id: "create-webhook", action: "webhook.create", method: post, handler: typed(s.createWebhook), status: http.StatusCreated, summary: "Create a webhook",
			description: "Messages follow Standard Webhooks 1.0.0. The answer has the secret that signs them, only this once."},
		{id: "get-webhook", path: "/{id}", handler: typed(s.getWebhook), summary: "Get a webhook"},
		{id: "change-webhook", action: "webhook.change", method: http.MethodPatch, path: "/{id}", handler: typed(s.changeWebhook), summary: "Change, disable or enable a webhook"},
		{id: "remove-webhook", action: "webhook.remove", method: http.MethodDelete, path: "/{id}", handler: typed(s.removeWebhook), status: http.StatusNoContent,
			summary: "Remove a webhook", description: "Messages that are not sent yet are dropped."},
		{id: "rotate-webhook", action: "webhook.rotate", method: post, path: "/{id}/rotate", handler: typed(s.rotateWebhook), summary: "Give a webhook a new secret",
			description: "The answer has it, only this once. For 24 hours, messages have signatures by the old secret too."},
		{id: "test-webhook", action: "webhook.test", method: post, path: "/{id}/test", handler: typed(s.testWebhook), summary: "Send a message of type webhook.test now",
			description: "The answer says what the receiver replied."},
		{id: "list-webhook-attempts", path: "/{id}/attempts", handler: typed(s.listWebhookAttempts), summary: "List the attempts of a webhook, newest first"},
	}}
}

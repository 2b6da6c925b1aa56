// Package settings is the pages of the panel on which the school's settings are changed: the school itself, categories, providers, API keys,
// webhooks and retention.
package settings

import (
	"context"
	"embed"
	"net/http"
	"time"

	"schoolbell"
	"schoolbell/internal/health"
	"schoolbell/internal/ledger"
	"schoolbell/internal/panel/site"
)

//go:embed templates/*.html
var files embed.FS

var parse = site.Parser(files, nil)

// Config is what the pages need. What stands before Health is required.
type Config struct {
	Settings   SchoolSettings
	Categories CategoryService
	Channels   []schoolbell.Channel // that are set up, in the order in which they are shown
	Keys       APIKeys
	Webhooks   WebhookService
	Tests      Tests
	Messages   Messages

	Traffic Traffic

	Health    func(ctx context.Context) health.Readiness
	Providers Providers
	Kept      schoolbell.Retention // what the settings of the process say
}

// Traffic counts the messages that were sent.
type Traffic interface {
	// Traffic counts the messages since a time by channel, in steps.
	Traffic(ctx context.Context, since time.Time, step time.Duration) ([]ledger.TrafficStep, error)
}

// SchoolSettings are the settings of the school as the ledger has them.
type SchoolSettings interface {
	Get(ctx context.Context) (schoolbell.SchoolSettings, error)
	Put(ctx context.Context, v schoolbell.SchoolSettings) (schoolbell.SchoolSettings, error)
}

// CategoryService manages the categories of the school.
type CategoryService interface {
	Categories(ctx context.Context) ([]schoolbell.CategoryInfo, error)
	Category(ctx context.Context, id schoolbell.Category) (schoolbell.CategoryInfo, error)
	PutCategory(ctx context.Context, c schoolbell.CategoryInfo) (schoolbell.CategoryInfo, schoolbell.Change, error)
	DeleteCategory(ctx context.Context, id schoolbell.Category) error
	CategoryUse(ctx context.Context, id schoolbell.Category) (schoolbell.CategoryUse, error)
}

// APIKeys are the secrets of programs.
type APIKeys interface {
	Keys(ctx context.Context) ([]schoolbell.APIKey, error)
	CreateKey(ctx context.Context, name string, scope schoolbell.Scope, expires time.Time) (secret string, k schoolbell.APIKey, err error)
	Rotate(ctx context.Context, fingerprint string, grace time.Duration, expires time.Time) (secret string, k, replaced schoolbell.APIKey, err error)
	Revoke(ctx context.Context, fingerprint string) (schoolbell.APIKey, error)
}

// WebhookService manages the webhooks.
type WebhookService interface {
	Webhooks(ctx context.Context) ([]schoolbell.Webhook, error)
	Webhook(ctx context.Context, id string) (schoolbell.Webhook, error)
	Create(ctx context.Context, w schoolbell.Webhook) (schoolbell.Webhook, error)
	Change(ctx context.Context, id string, p ledger.WebhookPatch) (schoolbell.Webhook, error)
	Remove(ctx context.Context, id string) error
	Rotate(ctx context.Context, id string) (schoolbell.Webhook, error)
	Test(ctx context.Context, id string) (schoolbell.WebhookAttempt, error)
	Attempts(ctx context.Context, id string, before int64, limit int) ([]schoolbell.WebhookAttempt, error)
	Waiting(ctx context.Context, id string) (int, error)
}

// Messages are the events and deliveries of test messages.
type Messages interface {
	Event(ctx context.Context, id string) (*schoolbell.Event, error)
	Deliveries(ctx context.Context, eventID string, f schoolbell.DeliveryFilter, after ledger.DeliveryCursor, limit int) ([]schoolbell.Delivery, ledger.DeliveryCursor, error)
}

// Pages are the pages of the settings.
type Pages struct {
	site *site.Site
	cfg  Config
}

// New returns the pages.
func New(s *site.Site, cfg Config) *Pages { return &Pages{s, cfg} }

// Group lists the pages.
func (p *Pages) Group() site.Group {
	return site.Group{Routes: []site.Route{
		{Method: http.MethodGet, Path: "settings", Need: schoolbell.ScopeAdmin, Serve: p.showSettings},
		{Method: http.MethodPost, Path: "settings", Need: schoolbell.ScopeAdmin, Action: "settings.put", Serve: p.putSchool},
		{Method: http.MethodGet, Path: "settings/categories", Need: schoolbell.ScopeAdmin, Serve: p.listCategories},
		{Method: http.MethodPost, Path: "settings/categories", Need: schoolbell.ScopeAdmin, Action: "category.put", Serve: p.addCategory},
		{Method: http.MethodGet, Path: "settings/categories/{id}", Need: schoolbell.ScopeAdmin, Serve: p.editCategory},
		{Method: http.MethodPost, Path: "settings/categories/{id}", Need: schoolbell.ScopeAdmin, Action: "category.put", Serve: p.putCategory},
		{Method: http.MethodGet, Path: "settings/categories/{id}/remove", Need: schoolbell.ScopeAdmin, Serve: p.askRemoveCategory},
		{Method: http.MethodPost, Path: "settings/categories/{id}/remove", Need: schoolbell.ScopeAdmin, Action: "category.delete", Serve: p.removeCategory},
		{Method: http.MethodGet, Path: "settings/providers", Need: schoolbell.ScopeAdmin, Serve: p.showProviders},
		{Method: http.MethodPost, Path: "settings/providers/{channel}/test", Need: schoolbell.ScopeAdmin, Action: "channel.test", Serve: p.sendTest},
		{Method: http.MethodGet, Path: "settings/providers/tests/{id}", Need: schoolbell.ScopeAdmin, Serve: p.showProviderTest},
		{Method: http.MethodGet, Path: "settings/providers/tests/{id}/live", Need: schoolbell.ScopeAdmin, Serve: p.streamProviderTest},
		{Method: http.MethodGet, Path: "settings/keys", Need: schoolbell.ScopeAdmin, Serve: p.listKeys},
		{Method: http.MethodPost, Path: "settings/keys", Need: schoolbell.ScopeAdmin, Action: "key.create", Serve: p.addKey},
		{Method: http.MethodGet, Path: "settings/keys/{id}", Need: schoolbell.ScopeAdmin, Serve: p.showKey},
		{Method: http.MethodPost, Path: "settings/keys/{id}/rotate", Need: schoolbell.ScopeAdmin, Action: "key.rotate", Serve: p.rotateKey},
		{Method: http.MethodGet, Path: "settings/keys/{id}/revoke", Need: schoolbell.ScopeAdmin, Serve: p.askRevokeKey},
		{Method: http.MethodPost, Path: "settings/keys/{id}/revoke", Need: schoolbell.ScopeAdmin, Action: "key.revoke", Serve: p.revokeKey},
		{Method: http.MethodGet, Path: "settings/webhooks", Need: schoolbell.ScopeAdmin, Serve: p.listWebhooks},
		{Method: http.MethodPost, Path: "settings/webhooks", Need: schoolbell.ScopeAdmin, Action: "webhook.create", Serve: p.addWebhook},
		{Method: http.MethodGet, Path: "settings/webhooks/{id}", Need: schoolbell.ScopeAdmin, Serve: p.showWebhook},
		{Method: http.MethodPost, Path: "settings/webhooks/{id}", Need: schoolbell.ScopeAdmin, Action: "webhook.change", Serve: p.changeWebhook},
		{Method: http.MethodPost, Path: "settings/webhooks/{id}/switch", Need: schoolbell.ScopeAdmin, Action: "webhook.change", Serve: p.switchWebhook},
		{Method: http.MethodPost, Path: "settings/webhooks/{id}/test", Need: schoolbell.ScopeAdmin, Action: "webhook.test", Serve: p.testWebhook},
		{Method: http.MethodPost, Path: "settings/webhooks/{id}/rotate", Need: schoolbell.ScopeAdmin, Action: "webhook.rotate", Serve: p.rotateWebhook},
		{Method: http.MethodGet, Path: "settings/webhooks/{id}/remove", Need: schoolbell.ScopeAdmin, Serve: p.askRemoveWebhook},
		{Method: http.MethodPost, Path: "settings/webhooks/{id}/remove", Need: schoolbell.ScopeAdmin, Action: "webhook.remove", Serve: p.removeWebhook},
		{Method: http.MethodGet, Path: "settings/retention", Need: schoolbell.ScopeAdmin, Serve: p.showRetention},
		{Method: http.MethodPost, Path: "settings/retention", Need: schoolbell.ScopeAdmin, Action: "settings.put", Serve: p.putRetention},
	}, Notices: map[string]string{
		"category":         "The category is saved.",
		"category-removed": "The category is removed.",
		"revoked":          "The key is revoked. Within five seconds, every process refuses it.",
		"tested":           "The receiver has taken the test.",
		"webhook-removed":  "The webhook is removed. What was not sent by now is not sent any more.",
	}}
}

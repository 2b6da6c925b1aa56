package client

import (
	"context"
	"net/http"
	"net/url"

	"schoolbell"
	"schoolbell/wire"
)

// Templates lists every template without its text.
func (c *Client) Templates(ctx context.Context) ([]wire.TemplateName, error) {
	var out wire.TemplateList
	_, err := c.do(ctx, call{method: http.MethodGet, path: "/v1/templates"}, &out)
	return out.Templates, err
}

// Template returns a template as it is used now: the school's own, or the standard one.
func (c *Client) Template(ctx context.Context, key schoolbell.TemplateKey) (*wire.Template, error) {
	out := &wire.Template{}
	_, err := c.do(ctx, call{method: http.MethodGet, path: templatePath(key)}, out)
	return out, err
}

// PutTemplate stores a new version of a template.
func (c *Client) PutTemplate(ctx context.Context, key schoolbell.TemplateKey, text wire.TemplateText) (*wire.Template, error) {
	out := &wire.Template{}
	_, err := c.json(ctx, call{method: http.MethodPut, path: templatePath(key)}, text, out)
	return out, err
}

// ResetTemplate goes back to the standard template.
func (c *Client) ResetTemplate(ctx context.Context, key schoolbell.TemplateKey) error {
	_, err := c.do(ctx, call{method: http.MethodDelete, path: templatePath(key)}, nil)
	return err
}

// TemplateVersions lists the versions of a template, newest first, from a cursor; "" is the first page.
func (c *Client) TemplateVersions(ctx context.Context, key schoolbell.TemplateKey, cursor string) (*wire.TemplatePage, error) {
	out := &wire.TemplatePage{}
	_, err := c.do(ctx, call{method: http.MethodGet, path: templatePath(key) + "/versions", query: url.Values{"cursor": {cursor}}}, out)
	return out, err
}

// PreviewTemplate shows a template with an event for a user, without storing it.
func (c *Client) PreviewTemplate(ctx context.Context, key schoolbell.TemplateKey, in wire.TemplatePreview) (*wire.TemplateShown, error) {
	out := &wire.TemplateShown{}
	_, err := c.json(ctx, call{method: http.MethodPost, path: templatePath(key) + "/preview"}, in, out)
	return out, err
}

func templatePath(key schoolbell.TemplateKey) string {
	return segments("v1", "templates", string(key.Category), string(key.Channel), key.Locale)
}

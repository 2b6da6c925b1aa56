package client

import (
	"context"
	"net/http"

	"schoolbell/wire"
)

// Suppressions lists the addresses to which nothing is sent.
func (c *Client) Suppressions(ctx context.Context, p Page) (*wire.SuppressionPage, error) {
	out := &wire.SuppressionPage{}
	_, err := c.do(ctx, call{method: http.MethodGet, path: "/v1/suppressions", query: p.query()}, out)
	return out, err
}

// Suppress makes sure that nothing more is sent to an address of a channel, and returns the suppression of each user who has it.
func (c *Client) Suppress(ctx context.Context, s wire.NewSuppression) ([]wire.Suppression, error) {
	var out wire.SuppressionPage
	_, err := c.json(ctx, call{method: http.MethodPost, path: "/v1/suppressions"}, s, &out)
	return out.Suppressions, err
}

// RemoveSuppression lets messages be sent to the address of a suppression again.
func (c *Client) RemoveSuppression(ctx context.Context, id string) error {
	_, err := c.do(ctx, call{method: http.MethodDelete, path: segments("v1", "suppressions", id)}, nil)
	return err
}

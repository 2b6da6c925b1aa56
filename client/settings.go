package client

import (
	"context"
	"net/http"

	"schoolbell/wire"
)

// Settings returns the settings of the school.
func (c *Client) Settings(ctx context.Context) (*wire.Settings, error) {
	out := &wire.Settings{}
	_, err := c.do(ctx, call{method: http.MethodGet, path: "/v1/settings"}, out)
	return out, err
}

// PutSettings replaces all settings of the school and returns them as stored. Settings with
// a Version that is not the current one are a [*Problem] of status 409 and change nothing;
// without one they always replace.
func (c *Client) PutSettings(ctx context.Context, s *wire.Settings) (*wire.Settings, error) {
	out := &wire.Settings{}
	_, err := c.json(ctx, call{method: http.MethodPut, path: "/v1/settings"}, s, out)
	return out, err
}

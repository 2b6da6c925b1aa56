package client

import (
	"context"
	"net/http"

	"schoolbell"
	"schoolbell/wire"
)

// TestChannel sends one real message. What happens to it is in the deliveries of the event that is returned.
func (c *Client) TestChannel(ctx context.Context, channel schoolbell.Channel, to wire.ChannelTest) (wire.ChannelTested, error) {
	var out wire.ChannelTested
	_, err := c.json(ctx, call{method: http.MethodPost, path: segments("v1", "channels", string(channel), "test")}, to, &out)
	return out, err
}

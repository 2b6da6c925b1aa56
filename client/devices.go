package client

import (
	"context"
	"net/http"

	"schoolbell/wire"
)

// PushKey returns the public key with which browsers subscribe to push messages; empty if the server sends none.
func (c *Client) PushKey(ctx context.Context) (string, error) {
	var out wire.Push
	_, err := c.do(ctx, call{method: http.MethodGet, path: segments("v1", "push")}, &out)
	return out.PublicKey, err
}

// AddDevice registers a browser for the user's push messages, and reports whether it is new.
func (c *Client) AddDevice(ctx context.Context, userID string, d wire.DeviceRequest) (stored wire.Device, created bool, err error) {
	resp, err := c.json(ctx, call{method: http.MethodPost, path: segments("v1", "users", userID, "devices")}, d, &stored)
	if err != nil {
		return stored, false, err
	}
	return stored, resp.StatusCode == http.StatusCreated, nil
}

// Devices returns the browsers that receive the user's push messages, the oldest first.
func (c *Client) Devices(ctx context.Context, userID string) ([]wire.Device, error) {
	var out wire.Devices
	_, err := c.do(ctx, call{method: http.MethodGet, path: segments("v1", "users", userID, "devices")}, &out)
	return out.Devices, err
}

// RemoveDevice removes a browser of the user's.
func (c *Client) RemoveDevice(ctx context.Context, userID, deviceID string) error {
	_, err := c.do(ctx, call{method: http.MethodDelete, path: segments("v1", "users", userID, "devices", deviceID)}, nil)
	return err
}

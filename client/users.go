package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"schoolbell/wire"

	"schoolbell"
)

// PutUser creates or replaces the user and returns it as stored, and whether it is new.
func (c *Client) PutUser(ctx context.Context, u schoolbell.User) (stored *schoolbell.User, created bool, err error) {
	stored = &schoolbell.User{}
	resp, err := c.json(ctx, call{method: http.MethodPut, path: segments("v1", "users", u.ID)}, wire.UserRequest(u), stored)
	if err != nil {
		return nil, false, err
	}
	return stored, resp.StatusCode == http.StatusCreated, nil
}

// User returns the user.
func (c *Client) User(ctx context.Context, id string) (*schoolbell.User, error) {
	out := &schoolbell.User{}
	_, err := c.do(ctx, call{method: http.MethodGet, path: segments("v1", "users", id)}, out)
	return out, err
}

// Users lists users in order of id.
func (c *Client) Users(ctx context.Context, p Page) (*wire.UserPage, error) {
	out := &wire.UserPage{}
	_, err := c.do(ctx, call{method: http.MethodGet, path: "/v1/users", query: p.query()}, out)
	return out, err
}

// DeleteUser forgets the user.
func (c *Client) DeleteUser(ctx context.Context, id string) error {
	_, err := c.do(ctx, call{method: http.MethodDelete, path: segments("v1", "users", id)}, nil)
	return err
}

// ExportUser writes everything that is stored about the user to w: one JSON document, a
// [wire.UserExport]. After an error w may have a part of it.
func (c *Client) ExportUser(ctx context.Context, id string, w io.Writer) error {
	r := call{method: http.MethodGet, path: segments("v1", "users", id, "export")}
	resp, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("read the answer to %s %s: %w", r.method, r.path, err)
	}
	return nil
}

// Media types of imports.
const (
	NDJSON = "application/x-ndjson"
	CSV    = "text/csv"
	JSON   = "application/json"
)

// ImportUsers streams users from r, in the media type [NDJSON] or [CSV]. Rows
// that are wrong are in the report; an import that stopped half-way is a
// [*Problem] whose Import says what went in.
func (c *Client) ImportUsers(ctx context.Context, r io.Reader, mediaType string) (*wire.ImportReport, error) {
	out := &wire.ImportReport{}
	_, err := c.do(ctx, call{method: http.MethodPost, path: "/v1/users:import", body: r,
		header: map[string]string{"Content-Type": mediaType}}, out)
	return out, err
}

// UserDeliveries lists what was sent to a user, newest event first. The limit of a page counts events, and a page may be short
// although there is a next one.
func (c *Client) UserDeliveries(ctx context.Context, userID string, p Page) (*wire.UserDeliveryPage, error) {
	out := &wire.UserDeliveryPage{}
	_, err := c.do(ctx, call{method: http.MethodGet, path: segments("v1", "users", userID, "deliveries"), query: p.query()}, out)
	return out, err
}

// CreateToken makes a token that is good for the user's own inbox and
// preferences for ttl, in whole seconds; 0 means an hour.
func (c *Client) CreateToken(ctx context.Context, userID string, ttl time.Duration) (*wire.Token, error) {
	in := wire.NewToken{TTL: int(ttl / time.Second)}
	out := &wire.Token{}
	_, err := c.json(ctx, call{method: http.MethodPost, path: segments("v1", "users", userID, "token")}, in, out)
	return out, err
}

// Preferences returns the wishes the user ever set.
func (c *Client) Preferences(ctx context.Context, userID string) ([]schoolbell.Preference, error) {
	var out wire.Preferences
	_, err := c.do(ctx, call{method: http.MethodGet, path: segments("v1", "users", userID, "preferences")}, &out)
	return out.Preferences, err
}

// Schedule returns when the user wants messages.
func (c *Client) Schedule(ctx context.Context, userID string) (wire.Schedule, error) {
	var out wire.Schedule
	_, err := c.do(ctx, call{method: http.MethodGet, path: segments("v1", "users", userID, "schedule")}, &out)
	return out, err
}

// PutSchedule replaces when the user wants messages, and returns it. What is zero is as the school has it.
func (c *Client) PutSchedule(ctx context.Context, userID string, s schoolbell.Schedule) (wire.Schedule, error) {
	var out wire.Schedule
	in := wire.Schedule{QuietHours: s.QuietHours, Digest: s.Digest}
	_, err := c.json(ctx, call{method: http.MethodPut, path: segments("v1", "users", userID, "schedule")}, in, &out)
	return out, err
}

// CreateCalendar gives the user a calendar feed, and returns where it is. A user who has one keeps it.
func (c *Client) CreateCalendar(ctx context.Context, userID string) (wire.CalendarFeed, error) {
	var out wire.CalendarFeed
	_, err := c.do(ctx, call{method: http.MethodPost, path: segments("v1", "users", userID, "calendar")}, &out)
	return out, err
}

// RevokeCalendar ends the calendar feed of the user, if there is one.
func (c *Client) RevokeCalendar(ctx context.Context, userID string) error {
	_, err := c.do(ctx, call{method: http.MethodDelete, path: segments("v1", "users", userID, "calendar")}, nil)
	return err
}

// PutPreferences sets the given wishes, leaves others as they are, and returns them all.
func (c *Client) PutPreferences(ctx context.Context, userID string, wishes ...schoolbell.Preference) ([]schoolbell.Preference, error) {
	in := wire.PreferencesRequest{}
	for _, p := range wishes {
		in.Preferences = append(in.Preferences, wire.PreferenceRequest{Category: p.Category, Channel: p.Channel, Mode: p.Mode})
	}
	var out wire.Preferences
	_, err := c.json(ctx, call{method: http.MethodPut, path: segments("v1", "users", userID, "preferences")}, in, &out)
	return out.Preferences, err
}

// PutGroup creates or replaces the group and returns it as stored, and whether it is new.
func (c *Client) PutGroup(ctx context.Context, g schoolbell.Group) (stored *schoolbell.Group, created bool, err error) {
	stored = &schoolbell.Group{}
	resp, err := c.json(ctx, call{method: http.MethodPut, path: segments("v1", "groups", g.ID)}, wire.GroupRequest(g), stored)
	if err != nil {
		return nil, false, err
	}
	return stored, resp.StatusCode == http.StatusCreated, nil
}

// Group returns the group.
func (c *Client) Group(ctx context.Context, id string) (*schoolbell.Group, error) {
	out := &schoolbell.Group{}
	_, err := c.do(ctx, call{method: http.MethodGet, path: segments("v1", "groups", id)}, out)
	return out, err
}

// Groups lists groups in order of id.
func (c *Client) Groups(ctx context.Context, p Page) (*wire.GroupPage, error) {
	out := &wire.GroupPage{}
	_, err := c.do(ctx, call{method: http.MethodGet, path: "/v1/groups", query: p.query()}, out)
	return out, err
}

// RevokeTokens ends all tokens of the user, in each process of the server within five
// seconds, and their live streams within ten.
func (c *Client) RevokeTokens(ctx context.Context, id string) error {
	_, err := c.do(ctx, call{method: http.MethodDelete, path: segments("v1", "users", id, "token")}, nil)
	return err
}

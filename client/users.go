package client

import (
	"context"
	"io"
	"net/http"
	"time"

	"schoolbell"
)

// PutUser creates or replaces the user and returns it as stored, and whether it is new.
func (c *Client) PutUser(ctx context.Context, u schoolbell.User) (stored *schoolbell.User, created bool, err error) {
	stored = &schoolbell.User{}
	resp, err := c.json(ctx, call{method: http.MethodPut, path: segments("v1", "users", u.ID)}, u, stored)
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

// UserPage is one page of users in order of id.
type UserPage struct {
	Users []*schoolbell.User `json:"users"`
	Next  string             `json:"next"`
}

// Users lists users in order of id.
func (c *Client) Users(ctx context.Context, p Page) (*UserPage, error) {
	out := &UserPage{}
	_, err := c.do(ctx, call{method: http.MethodGet, path: "/v1/users", query: p.query()}, out)
	return out, err
}

// DeleteUser forgets the user.
func (c *Client) DeleteUser(ctx context.Context, id string) error {
	_, err := c.do(ctx, call{method: http.MethodDelete, path: segments("v1", "users", id)}, nil)
	return err
}

// Media types of imports.
const (
	NDJSON = "application/x-ndjson"
	CSV    = "text/csv"
)

// ImportReport says what an import did.
type ImportReport struct {
	Imported int           `json:"imported"`
	Updated  int           `json:"updated"`
	Rejected int           `json:"rejected"`
	Errors   []ImportError `json:"errors"`
	Omitted  int           `json:"errors_omitted"` // errors beyond those listed
}

// ImportError is one fault in an imported file.
type ImportError struct {
	Line    int    `json:"line"`
	Field   string `json:"field"`
	Message string `json:"message"`
}

// ImportUsers streams users from r, in the media type [NDJSON] or [CSV]. Rows
// that are wrong are in the report; an import that stopped half-way is a
// [*Problem] whose Import says what went in.
func (c *Client) ImportUsers(ctx context.Context, r io.Reader, mediaType string) (*ImportReport, error) {
	out := &ImportReport{}
	_, err := c.do(ctx, call{method: http.MethodPost, path: "/v1/users:import", body: r,
		header: map[string]string{"Content-Type": mediaType}}, out)
	return out, err
}

// Token is a short-lived credential of one user.
type Token struct {
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expires_at"`
}

// CreateToken makes a token that is good for the user's own inbox and
// preferences for ttl, in whole seconds; 0 means an hour.
func (c *Client) CreateToken(ctx context.Context, userID string, ttl time.Duration) (*Token, error) {
	in := struct {
		TTL int `json:"ttl,omitempty"`
	}{int(ttl / time.Second)}
	out := &Token{}
	_, err := c.json(ctx, call{method: http.MethodPost, path: segments("v1", "users", userID, "token")}, in, out)
	return out, err
}

type preferences struct {
	Preferences []schoolbell.Preference `json:"preferences"`
}

// Preferences returns the wishes the user ever set.
func (c *Client) Preferences(ctx context.Context, userID string) ([]schoolbell.Preference, error) {
	var out preferences
	_, err := c.do(ctx, call{method: http.MethodGet, path: segments("v1", "users", userID, "preferences")}, &out)
	return out.Preferences, err
}

// PutPreferences sets the given wishes, leaves others as they are, and returns them all.
func (c *Client) PutPreferences(ctx context.Context, userID string, wishes ...schoolbell.Preference) ([]schoolbell.Preference, error) {
	var out preferences
	_, err := c.json(ctx, call{method: http.MethodPut, path: segments("v1", "users", userID, "preferences")}, preferences{wishes}, &out)
	return out.Preferences, err
}

// PutGroup creates or replaces the group and returns it as stored, and whether it is new.
func (c *Client) PutGroup(ctx context.Context, g schoolbell.Group) (stored *schoolbell.Group, created bool, err error) {
	stored = &schoolbell.Group{}
	resp, err := c.json(ctx, call{method: http.MethodPut, path: segments("v1", "groups", g.ID)}, g, stored)
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

// GroupPage is one page of groups in order of id.
type GroupPage struct {
	Groups []*schoolbell.Group `json:"groups"`
	Next   string              `json:"next"`
}

// Groups lists groups in order of id.
func (c *Client) Groups(ctx context.Context, p Page) (*GroupPage, error) {
	out := &GroupPage{}
	_, err := c.do(ctx, call{method: http.MethodGet, path: "/v1/groups", query: p.query()}, out)
	return out, err
}

// RevokeTokens ends all tokens of the user, in each process of the server within five
// seconds, and their live streams within ten.
func (c *Client) RevokeTokens(ctx context.Context, id string) error {
	_, err := c.do(ctx, call{method: http.MethodDelete, path: segments("v1", "users", id, "token")}, nil)
	return err
}

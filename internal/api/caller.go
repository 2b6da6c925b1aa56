package api

import (
	"context"

	"schoolbell"
	"schoolbell/internal/auth"
)

// caller is who makes a request: an API key, or a user by a token.
type caller struct {
	auth.Principal

	key   schoolbell.APIKey // zero for a token
	token auth.TokenUser    // zero for a key

	// check returns why the caller may not go on with the request, as for a new one.
	check func(ctx context.Context) error
}

type callerKey struct{}

// callerOf returns who makes the request of ctx. Open routes have no caller.
func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

// keyID names the key behind the request: the caller's own, or the one that made the token.
func (c caller) keyID() string {
	if c.token.Key != "" {
		return c.token.Key
	}
	return c.ID
}

package auth

import (
	"cmp"
	"context"

	"schoolbell"
)

// Principal is who makes a call, and what they may do. It travels in the context of the
// call, see [WithPrincipal].
type Principal struct {
	Kind   schoolbell.ActorKind
	ID     string // of the key, the user, the account or the queue
	Name   string // of a program; empty for people
	Grants Grants
}

// Grants say what a principal may do. The zero value allows nothing.
type Grants struct {
	Scope  schoolbell.Scope // allows the calls of that scope
	User   string           // allows the calls about the inbox, the preferences and the devices of this user
	Groups []string         // limits Scope to people of these groups; nil is no limit. No principal has any yet
}

// Allow reports whether the grants allow a call that needs a scope.
func (g Grants) Allow(need schoolbell.Scope) bool { return g.Scope.Allows(need) }

// AllowUser reports whether the grants allow what users may do, to this user.
func (g Grants) AllowUser(id string) bool { return g.User != "" && g.User == id }

// Actor is the principal as the ledger keeps it.
func (p Principal) Actor() schoolbell.Actor {
	if p.Kind == "" {
		return schoolbell.Actor{Kind: schoolbell.ActorSystem}
	}
	return schoolbell.Actor{Kind: p.Kind, ID: p.ID, Name: p.Name}
}

func keyID(k schoolbell.APIKey) string { return cmp.Or(k.ID, Fingerprint(k)) }

// KeyPrincipal is the principal of an API key.
func KeyPrincipal(k schoolbell.APIKey) Principal {
	return Principal{Kind: schoolbell.ActorKey, ID: keyID(k), Name: k.Name, Grants: Grants{Scope: k.Scope}}
}

// Principal is the principal of a user token.
func (u TokenUser) Principal() Principal {
	return Principal{Kind: schoolbell.ActorUser, ID: u.ID, Grants: Grants{User: u.ID}}
}

type principalKey struct{}

// WithPrincipal returns a context whose calls p makes.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalOf returns who makes the calls with ctx. Without one it is the zero Principal,
// the program itself, which has no grants.
func PrincipalOf(ctx context.Context) Principal {
	p, _ := ctx.Value(principalKey{}).(Principal)
	return p
}

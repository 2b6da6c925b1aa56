package cli

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/internal/app"
	"schoolbell/internal/auth"
	"schoolbell/internal/config"
	"schoolbell/wire"
)

type keyCmd struct {
	Create keyCreateCmd `cmd:"" help:"Create an API key and print its secret once."`
	List   keyListCmd   `cmd:"" help:"List the API keys, oldest first."`
	Rotate keyRotateCmd `cmd:"" help:"Give an API key a new secret and print it once."`
	Revoke keyRevokeCmd `cmd:"" help:"Revoke an API key."`
}

// keyring is what the key commands have in common: they work on the ledger
// itself, so that anybody who may use it needs no key to make one.
type keyring struct {
	JSON   bool        `name:"json" help:"Print as JSON."`
	Config config.Core `embed:""`
}

// open opens the keys in the ledger that the settings name; shut must be called.
func (c *keyring) open(ctx context.Context, a *program) (keys *auth.Service, shut func() error, err error) {
	if err := a.load(&c.Config); err != nil {
		return nil, nil, err
	}
	l, err := app.ReadyLedger(ctx, &c.Config, newLogger(a.Err, c.Config.General))
	if err != nil {
		return nil, nil, err
	}
	return auth.New(l.Auth, auth.Options{}), l.Close, nil
}

type keyJSON struct {
	Fingerprint string           `json:"fingerprint"`
	Name        string           `json:"name"`
	Scope       schoolbell.Scope `json:"scope"`
	CreatedAt   wire.Time        `json:"created_at"`
	ExpiresAt   wire.Time        `json:"expires_at,omitzero"`
	ReplacedAt  wire.Time        `json:"replaced_at,omitzero"`
	LastUsedAt  wire.Time        `json:"last_used_at,omitzero"`
	Secret      string           `json:"secret,omitempty"` // of a new key only
	Replaced    *keyJSON         `json:"replaced,omitempty"`
}

func newKeyJSON(k schoolbell.APIKey) keyJSON {
	return keyJSON{Fingerprint: auth.Fingerprint(k), Name: k.Name, Scope: k.Scope, CreatedAt: wire.At(k.CreatedAt),
		ExpiresAt: wire.At(k.ExpiresAt), ReplacedAt: wire.At(k.ReplacedAt), LastUsedAt: wire.At(k.LastUsedAt)}
}

type keyCreateCmd struct {
	keyring
	Expires string `name:"expires" placeholder:"TIME" help:"Time from which the key is rejected: 2027-07-31, 2027-07-31T18:00, +12h or +90d. Never if left out."`
	Name    string `name:"name" required:"" placeholder:"NAME" help:"Name of the program that uses the key."`
	Scope   string `name:"scope" required:"" placeholder:"SCOPE" help:"Scope: read, send (includes read) or admin (everything)."`
}

// Run makes a key.
func (c *keyCreateCmd) Run(ctx context.Context, a *program) (err error) {
	if !slices.Contains(schoolbell.Scopes(), schoolbell.Scope(c.Scope)) {
		return usage("--scope: %q is not read, send or admin", c.Scope)
	}
	expires, err := parseExpiry(c.Expires, time.Now())
	if err != nil {
		return usage("--expires: %v", err)
	}
	keys, shut, err := c.open(ctx, a)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shut()) }()
	secret, k, err := keys.CreateKey(asAccount(ctx), strings.TrimSpace(c.Name), schoolbell.Scope(c.Scope), expires)
	if err != nil {
		return err
	}
	if c.JSON {
		made := newKeyJSON(k)
		made.Secret = secret
		return a.printJSON(made)
	}
	a.say("API key, shown only this once: %s", a.style.bold(secret))
	a.say("Fingerprint %s, name %s, scope %s%s", auth.Fingerprint(k), k.Name, k.Scope, expiry(k))
	return nil
}

type keyListCmd struct{ keyring }

// Run lists the keys.
func (c *keyListCmd) Run(ctx context.Context, a *program) (err error) {
	keys, shut, err := c.open(ctx, a)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shut()) }()
	all, err := keys.Keys(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		out := make([]keyJSON, len(all))
		for i, k := range all {
			out[i] = newKeyJSON(k)
		}
		return a.printJSON(map[string]any{"keys": out})
	}
	if len(all) == 0 {
		a.say("No API keys.")
		return nil
	}
	t := newTable("FINGERPRINT", "SCOPE", "CREATED", "LAST USED", "EXPIRES", "NAME")
	for _, k := range all {
		t.add(auth.Fingerprint(k), string(k.Scope), when(k.CreatedAt), when(k.LastUsedAt), when(k.ExpiresAt), k.Name)
	}
	t.print(a.Out, a.style)
	return nil
}

type keyRevokeCmd struct {
	keyring
	Fingerprint string `arg:"" name:"fingerprint" help:"Fingerprint of the key, or its beginning, as shown by key list."`
}

// Run revokes a key.
func (c *keyRevokeCmd) Run(ctx context.Context, a *program) (err error) {
	keys, shut, err := c.open(ctx, a)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shut()) }()
	k, err := keys.Revoke(asAccount(ctx), c.Fingerprint)
	if err != nil {
		return keyAdvice(err)
	}
	if c.JSON {
		return a.printJSON(newKeyJSON(k))
	}
	a.say("Key %s, name %s, scope %s, is revoked. Servers reject it within 5 seconds.", auth.Fingerprint(k), k.Name, k.Scope)
	if k.Name == auth.SeededName {
		a.say("A server that starts with this key in SCHOOLBELL_API_KEY creates it again.")
	}
	return nil
}

package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// Auth implements auth.Store.
type Auth struct{ DB *DB }

// PutAPIKey implements auth.Store.
func (s Auth) PutAPIKey(ctx context.Context, k schoolbell.APIKey) error {
	return s.DB.write(ctx, "put API key", func(c *conn) error {
		_, err := c.exec(ctx, putKey, k.Digest, k.Name, string(k.Scope), millis(k.CreatedAt))
		return err
	})
}

// SeedAPIKey implements auth.Store.
func (s Auth) SeedAPIKey(ctx context.Context, k schoolbell.APIKey) (replaced []schoolbell.APIKey, err error) {
	err = s.DB.write(ctx, "seed API key", func(c *conn) error {
		replaced = nil
		err := c.each(ctx, "SELECT digest, name, scope, created_at FROM api_keys WHERE name = ?1 AND digest <> ?2", []any{k.Name, k.Digest}, func(scan func(...any) error) error {
			old, err := scanKey(scan)
			replaced = append(replaced, old)
			return err
		})
		if err != nil {
			return err
		}
		if _, err := c.exec(ctx, "DELETE FROM api_keys WHERE name = ?1 AND digest <> ?2", k.Name, k.Digest); err != nil {
			return err
		}
		_, err = c.exec(ctx, putKey, k.Digest, k.Name, string(k.Scope), millis(k.CreatedAt))
		return err
	})
	return replaced, err
}

const putKey = `INSERT INTO api_keys (digest, name, scope, created_at) VALUES (?1, ?2, ?3, ?4)
	ON CONFLICT (digest) DO UPDATE SET name = excluded.name, scope = excluded.scope`

func scanKey(scan func(...any) error) (k schoolbell.APIKey, err error) {
	var created sql.NullInt64
	err = scan(&k.Digest, &k.Name, &k.Scope, &created)
	k.CreatedAt = timeOf(created)
	return k, err
}

// HasFingerprint implements auth.Store.
func (s Auth) HasFingerprint(ctx context.Context, prefix []byte) (has bool, err error) {
	err = s.DB.read(ctx, "look for API key", func(c *conn) error {
		return c.get(ctx, "SELECT EXISTS (SELECT 1 FROM api_keys WHERE substr(digest, 1, length(?1)) = ?1)", []any{prefix}, &has)
	})
	return has, err
}

// UserRefs implements auth.Store.
func (s Auth) UserRefs(ctx context.Context, ids []string) (map[string]ledger.UserRef, error) {
	return userRefs(ctx, s.DB, ids)
}

// UserByRef implements auth.Store.
func (s Auth) UserByRef(ctx context.Context, ref ledger.UserRef) (id string, err error) {
	err = s.DB.read(ctx, "read user", func(c *conn) error {
		err := c.get(ctx, "SELECT id FROM users WHERE seq = ?1 AND generation = ?2 AND state = 0", []any{ref.Number, ref.Generation}, &id)
		return orNotFound(err, "user", "")
	})
	return id, err
}

// RevokeTokens implements auth.Store.
func (s Auth) RevokeTokens(ctx context.Context, userID string) error {
	return s.DB.write(ctx, "revoke tokens", func(c *conn) error {
		n, err := c.exec(ctx, "UPDATE users SET generation = generation + 1 WHERE id = ?1 AND state = 0", userID)
		if err == nil && n == 0 {
			return schoolbell.NotFound("user", userID)
		}
		return err
	})
}

// APIKey implements auth.Store.
func (s Auth) APIKey(ctx context.Context, digest []byte) (k schoolbell.APIKey, err error) {
	err = s.DB.read(ctx, "read API key", func(c *conn) error {
		var created sql.NullInt64
		err := c.get(ctx, "SELECT digest, name, scope, created_at FROM api_keys WHERE digest = ?1", []any{digest}, &k.Digest, &k.Name, &k.Scope, &created)
		if errors.Is(err, sql.ErrNoRows) {
			return &schoolbell.Error{Code: schoolbell.CodeUnauthorized, Message: "unknown API key"}
		}
		k.CreatedAt = timeOf(created)
		return err
	})
	return k, err
}

// HasAPIKeys implements auth.Store.
func (s Auth) HasAPIKeys(ctx context.Context) (has bool, err error) {
	err = s.DB.read(ctx, "look for API keys", func(c *conn) error {
		return c.get(ctx, "SELECT EXISTS (SELECT 1 FROM api_keys)", nil, &has)
	})
	return has, err
}

// ListAPIKeys implements auth.Store.
func (s Auth) ListAPIKeys(ctx context.Context) (keys []schoolbell.APIKey, err error) {
	err = s.DB.read(ctx, "list API keys", func(c *conn) error {
		return c.each(ctx, "SELECT digest, name, scope, created_at FROM api_keys ORDER BY created_at, digest", nil, func(scan func(...any) error) error {
			k, err := scanKey(scan)
			keys = append(keys, k)
			return err
		})
	})
	return keys, err
}

// DeleteAPIKey implements auth.Store.
func (s Auth) DeleteAPIKey(ctx context.Context, digest []byte) error {
	return s.DB.write(ctx, "delete API key", func(c *conn) error {
		n, err := c.exec(ctx, "DELETE FROM api_keys WHERE digest = ?1", digest)
		if err == nil && n == 0 {
			return &schoolbell.Error{Code: schoolbell.CodeNotFound, Message: "there is no such API key"}
		}
		return err
	})
}

// Secret implements auth.Store.
func (s Auth) Secret(ctx context.Context, name string, fresh []byte) (value []byte, err error) {
	err = s.DB.write(ctx, "read secret", func(c *conn) error {
		if _, err := c.exec(ctx, "INSERT INTO secrets (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING", name, fresh); err != nil {
			return err
		}
		return c.get(ctx, "SELECT value FROM secrets WHERE name = ?1", []any{name}, &value)
	})
	return value, err
}

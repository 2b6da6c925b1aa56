package sqlite

import (
	"context"
	"database/sql"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Auth implements auth.Store.
type Auth struct{ DB *DB }

// PutAPIKey implements auth.Store.
func (s Auth) PutAPIKey(ctx context.Context, k schoolbell.APIKey) error {
	return s.DB.write(ctx, "put API key", func(c *conn) error {
		_, err := putKey(ctx, c, k)
		return err
	})
}

// SeedAPIKey implements auth.Store.
func (s Auth) SeedAPIKey(ctx context.Context, k schoolbell.APIKey) (replaced []schoolbell.APIKey, err error) {
	err = s.DB.write(ctx, "seed API key", func(c *conn) error {
		replaced = nil
		others := args{"name": k.Name, "digest": k.Digest}
		err := c.each(ctx, keysOfSameName, others, func(scan func(...any) error) error {
			old, err := scanKey(scan)
			replaced = append(replaced, old)
			return err
		})
		if err != nil {
			return err
		}
		if _, err := c.exec(ctx, "DELETE FROM api_keys WHERE name = @name AND digest <> @digest", others); err != nil {
			return err
		}
		n, err := putKey(ctx, c, k)
		if n == 0 && len(replaced) == 0 {
			ledger.ChangeOf(ctx).Void()
		}
		return err
	})
	return replaced, err
}

// keysOfSameName selects the keys that have the same name as another.
const keysOfSameName = `
SELECT ` + keyColumns + `
FROM api_keys
WHERE name = @name
	AND digest <> @digest`

// putKey returns how many rows it changed.
func putKey(ctx context.Context, c *conn, k schoolbell.APIKey) (int, error) {
	return c.exec(ctx, upsertKey, args{"digest": k.Digest, "id": k.ID, "name": k.Name, "scope": string(k.Scope),
		"created_at": millis(k.CreatedAt), "expires_at": millis(k.ExpiresAt)})
}

// upsertKey stores a key. A key that exists gets the name and the scope, if they are others.
const upsertKey = `
INSERT INTO api_keys (digest, id, name, scope, created_at, expires_at)
VALUES (@digest, @id, @name, @scope, @created_at, @expires_at)
ON CONFLICT (digest) DO UPDATE
SET name = excluded.name,
	scope = excluded.scope
WHERE api_keys.name <> excluded.name
	OR api_keys.scope <> excluded.scope`

// RotateAPIKey implements auth.Store.
func (s Auth) RotateAPIKey(ctx context.Context, old schoolbell.APIKey, k schoolbell.APIKey) error {
	return s.DB.write(ctx, "rotate API key", func(c *conn) error {
		n, err := c.exec(ctx, replaceKey, args{"digest": old.Digest, "expires_at": millis(old.ExpiresAt), "replaced_at": millis(old.ReplacedAt)})
		if err == nil && n == 0 {
			return row.KeyReplaced()
		}
		if err == nil {
			_, err = putKey(ctx, c, k)
		}
		return err
	})
}

// replaceKey ends a key's secret, unless it was replaced before.
const replaceKey = `
UPDATE api_keys
SET expires_at = @expires_at,
	replaced_at = @replaced_at
WHERE digest = @digest
	AND replaced_at IS NULL`

// NoteKeyUse implements auth.Store.
func (s Auth) NoteKeyUse(ctx context.Context, digest []byte, at time.Time) error {
	return s.DB.write(ctx, "note the use of an API key", func(c *conn) error {
		_, err := c.exec(ctx, noteKeyUse, args{"digest": digest, "at": millis(at)})
		return err
	})
}

// noteKeyUse moves the last use of a key forward.
const noteKeyUse = `
UPDATE api_keys
SET used_at = @at
WHERE digest = @digest
	AND (used_at IS NULL OR used_at < @at)`

// keyColumns are the columns of keys that scanKey reads.
const keyColumns = "digest, id, name, scope, created_at, expires_at, replaced_at, used_at"

func scanKey(scan func(...any) error) (k schoolbell.APIKey, err error) {
	var created, expires, replaced, used sql.NullInt64
	err = scan(&k.Digest, &k.ID, &k.Name, &k.Scope, &created, &expires, &replaced, &used)
	k.CreatedAt, k.ExpiresAt, k.ReplacedAt, k.LastUsedAt = timeOf(created), timeOf(expires), timeOf(replaced), timeOf(used)
	return k, err
}

// HasFingerprint implements auth.Store.
func (s Auth) HasFingerprint(ctx context.Context, prefix []byte, at time.Time) (has bool, err error) {
	err = s.DB.read(ctx, "look for API key", func(c *conn) error {
		return c.get(ctx, hasFingerprint, args{"prefix": prefix, "at": millis(at)}, &has)
	})
	return has, err
}

// hasFingerprint says whether the digest of any key that has not expired begins with the prefix.
const hasFingerprint = `
SELECT EXISTS (
	SELECT 1
	FROM api_keys
	WHERE substr(digest, 1, length(@prefix)) = @prefix
		AND (expires_at IS NULL OR expires_at > @at)
)`

// UserRefs implements auth.Store.
func (s Auth) UserRefs(ctx context.Context, ids []string) (map[string]ledger.UserRef, error) {
	return userRefs(ctx, s.DB, ids)
}

// UserByRef implements auth.Store.
func (s Auth) UserByRef(ctx context.Context, ref ledger.UserRef) (id string, err error) {
	err = s.DB.read(ctx, "read user", func(c *conn) error {
		err := c.get(ctx, findUserByRef, args{"seq": ref.Number, "generation": ref.Generation}, &id)
		return orNotFound(err, "user", "")
	})
	return id, err
}

// findUserByRef selects the id of a live user whose tokens of a generation have not been revoked.
var findUserByRef = row.SQL(`
SELECT id
FROM users
WHERE seq = @seq
	AND generation = @generation
	AND state = {user_live}`)

// RevokeTokens implements auth.Store.
func (s Auth) RevokeTokens(ctx context.Context, userID string) error {
	return s.DB.write(ctx, "revoke tokens", func(c *conn) error {
		n, err := c.exec(ctx, startGeneration, args{"id": userID})
		if err == nil && n == 0 {
			return schoolbell.NotFound("user", userID)
		}
		return err
	})
}

// startGeneration starts a new generation of a user's tokens. It revokes the earlier ones.
var startGeneration = row.SQL(`
UPDATE users
SET generation = generation + 1
WHERE id = @id
	AND state = {user_live}`)

// APIKey implements auth.Store.
func (s Auth) APIKey(ctx context.Context, digest []byte) (k schoolbell.APIKey, err error) {
	err = s.DB.read(ctx, "read API key", func(c *conn) error {
		err := c.each(ctx, findKey, args{"digest": digest}, func(scan func(...any) error) (err error) {
			k, err = scanKey(scan)
			return err
		})
		if err == nil && k.Digest == nil {
			return &schoolbell.Error{Code: schoolbell.CodeUnauthorized, Message: "unknown API key"}
		}
		return err
	})
	return k, err
}

// findKey selects the key with a digest.
const findKey = `
SELECT ` + keyColumns + `
FROM api_keys
WHERE digest = @digest`

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
		return c.each(ctx, listKeys, nil, func(scan func(...any) error) error {
			k, err := scanKey(scan)
			keys = append(keys, k)
			return err
		})
	})
	return keys, err
}

// listKeys selects all keys, oldest first.
const listKeys = `
SELECT ` + keyColumns + `
FROM api_keys
ORDER BY created_at, digest`

// DeleteAPIKey implements auth.Store.
func (s Auth) DeleteAPIKey(ctx context.Context, digest []byte) error {
	return s.DB.write(ctx, "delete API key", func(c *conn) error {
		n, err := c.exec(ctx, "DELETE FROM api_keys WHERE digest = @digest", args{"digest": digest})
		if err == nil && n == 0 {
			return &schoolbell.Error{Code: schoolbell.CodeNotFound, Message: "there is no such API key"}
		}
		return err
	})
}

// Secret implements auth.Store.
func (s Auth) Secret(ctx context.Context, name string, fresh []byte) (value []byte, err error) {
	err = s.DB.write(ctx, "read secret", func(c *conn) error {
		if _, err := c.exec(ctx, addSecret, args{"name": name, "value": fresh}); err != nil {
			return err
		}
		return c.get(ctx, "SELECT value FROM secrets WHERE name = @name", args{"name": name}, &value)
	})
	return value, err
}

// addSecret stores a secret unless there is one with its name.
const addSecret = `
INSERT INTO secrets (name, value)
VALUES (@name, @value)
ON CONFLICT DO NOTHING`

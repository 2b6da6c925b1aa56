package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Auth implements auth.Store.
type Auth struct{ DB *DB }

// PutAPIKey implements auth.Store.
func (s Auth) PutAPIKey(ctx context.Context, k schoolbell.APIKey) error {
	return s.DB.write(ctx, "put API key", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, putKey, namedKey(k))
		return err
	})
}

// SeedAPIKey implements auth.Store.
func (s Auth) SeedAPIKey(ctx context.Context, k schoolbell.APIKey) (replaced []schoolbell.APIKey, err error) {
	err = s.DB.write(ctx, "seed API key", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, deleteReplacedKeys, k.Name, k.Digest)
		if replaced, err = list(rows, err, scanKey); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, putKey, namedKey(k))
		if tag.RowsAffected() == 0 && len(replaced) == 0 {
			ledger.ChangeOf(ctx).Void()
		}
		return err
	})
	return replaced, err
}

// deleteReplacedKeys deletes the keys of a name that have another digest, and returns them.
const deleteReplacedKeys = "DELETE FROM api_keys WHERE name = $1 AND digest <> $2 RETURNING " + keyColumns

// putKey inserts a key or changes its name and scope. It touches no row that has them.
const putKey = `
	INSERT INTO api_keys (digest, id, name, scope, created_at, expires_at)
	VALUES (@digest, @id, @name, @scope, @created_at, @expires_at)
	ON CONFLICT (digest) DO UPDATE SET name = excluded.name, scope = excluded.scope
	WHERE api_keys.name <> excluded.name OR api_keys.scope <> excluded.scope`

// namedKey returns the parameters of putKey.
func namedKey(k schoolbell.APIKey) named {
	return named{"digest": k.Digest, "id": k.ID, "name": k.Name, "scope": k.Scope, "created_at": stored(k.CreatedAt), "expires_at": stored(k.ExpiresAt)}
}

// RotateAPIKey implements auth.Store.
func (s Auth) RotateAPIKey(ctx context.Context, old schoolbell.APIKey, k schoolbell.APIKey) error {
	return s.DB.write(ctx, "rotate API key", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, replaceKey, named{"digest": old.Digest, "expires_at": stored(old.ExpiresAt), "replaced_at": stored(old.ReplacedAt)})
		if err == nil && tag.RowsAffected() == 0 {
			return row.KeyReplaced()
		}
		if err == nil {
			_, err = tx.Exec(ctx, putKey, namedKey(k))
		}
		return err
	})
}

// replaceKey ends a key's secret, unless it was replaced before.
const replaceKey = `
	UPDATE api_keys SET expires_at = @expires_at, replaced_at = @replaced_at
	WHERE digest = @digest AND replaced_at IS NULL`

// NoteKeyUse implements auth.Store.
func (s Auth) NoteKeyUse(ctx context.Context, digest []byte, at time.Time) error {
	return s.DB.again("note the use of an API key", func() error {
		_, err := s.DB.pool.Exec(ctx, noteKeyUse, digest, stored(at))
		return err
	})
}

// noteKeyUse moves the last use of a key forward.
const noteKeyUse = "UPDATE api_keys SET used_at = $2 WHERE digest = $1 AND (used_at IS NULL OR used_at < $2)"

// keyColumns are the columns of keys that scanKey reads.
const keyColumns = "digest, id, name, scope, created_at, expires_at, replaced_at, used_at"

// selectKeys selects keys.
const selectKeys = "SELECT " + keyColumns + " FROM api_keys"

// selectKeyByDigest selects a key.
const selectKeyByDigest = selectKeys + " WHERE digest = $1"

func scanKey(r pgx.CollectableRow) (k schoolbell.APIKey, err error) {
	var expires, replaced, used *time.Time
	err = r.Scan(&k.Digest, &k.ID, &k.Name, &k.Scope, &k.CreatedAt, &expires, &replaced, &used)
	k.CreatedAt, k.ExpiresAt, k.ReplacedAt, k.LastUsedAt = k.CreatedAt.UTC(), timeOf(expires), timeOf(replaced), timeOf(used)
	return k, err
}

// HasFingerprint implements auth.Store.
func (s Auth) HasFingerprint(ctx context.Context, prefix []byte, at time.Time) (has bool, err error) {
	err = s.DB.again("look for API key", func() error {
		return s.DB.pool.QueryRow(ctx, hasFingerprint, named{"prefix": prefix, "at": stored(at)}).Scan(&has)
	})
	return has, err
}

// hasFingerprint selects whether a key that has not expired has a digest that begins with the bytes.
const hasFingerprint = `
	SELECT EXISTS (
		SELECT 1 FROM api_keys
		WHERE substr(digest, 1, length(@prefix::bytea)) = @prefix::bytea AND (expires_at IS NULL OR expires_at > @at))`

// UserRefs implements auth.Store.
func (s Auth) UserRefs(ctx context.Context, ids []string) (map[string]ledger.UserRef, error) {
	return userRefs(ctx, s.DB, ids)
}

// UserByRef implements auth.Store.
func (s Auth) UserByRef(ctx context.Context, ref ledger.UserRef) (id string, err error) {
	err = s.DB.again("read user", func() error {
		err := s.DB.pool.QueryRow(ctx, selectUserByRef, ref.Number, ref.Generation).Scan(&id)
		return orNotFound(err, "user", "")
	})
	return id, err
}

// selectUserByRef selects the id of a person with a number and a generation.
var selectUserByRef = row.SQL("SELECT id FROM users WHERE seq = $1 AND generation = $2 AND state = {user_live}")

// RevokeTokens implements auth.Store.
func (s Auth) RevokeTokens(ctx context.Context, userID string) error {
	return s.DB.write(ctx, "revoke tokens", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, nextGeneration, userID)
		if err == nil && tag.RowsAffected() == 0 {
			return schoolbell.NotFound("user", userID)
		}
		return err
	})
}

// nextGeneration begins a generation of a person, which ends the tokens of the one before.
var nextGeneration = row.SQL("UPDATE users SET generation = generation + 1 WHERE id = $1 AND state = {user_live}")

// APIKey implements auth.Store.
func (s Auth) APIKey(ctx context.Context, digest []byte) (k schoolbell.APIKey, err error) {
	err = s.DB.again("read API key", func() error {
		rows, err := s.DB.pool.Query(ctx, selectKeyByDigest, digest)
		if err != nil {
			return err
		}
		k, err = pgx.CollectExactlyOneRow(rows, scanKey)
		if noRows(err) {
			return &schoolbell.Error{Code: schoolbell.CodeUnauthorized, Message: "unknown API key"}
		}
		return err
	})
	return k, err
}

// HasAPIKeys implements auth.Store.
func (s Auth) HasAPIKeys(ctx context.Context) (has bool, err error) {
	err = s.DB.again("look for API keys", func() error {
		return s.DB.pool.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM api_keys)").Scan(&has)
	})
	return has, err
}

// ListAPIKeys implements auth.Store.
func (s Auth) ListAPIKeys(ctx context.Context) (keys []schoolbell.APIKey, err error) {
	err = s.DB.again("list API keys", func() error {
		rows, err := s.DB.pool.Query(ctx, selectKeys+" ORDER BY created_at, digest")
		keys, err = list(rows, err, scanKey)
		return err
	})
	return keys, err
}

// DeleteAPIKey implements auth.Store.
func (s Auth) DeleteAPIKey(ctx context.Context, digest []byte) error {
	return s.DB.write(ctx, "delete API key", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "DELETE FROM api_keys WHERE digest = $1", digest)
		if err == nil && tag.RowsAffected() == 0 {
			return &schoolbell.Error{Code: schoolbell.CodeNotFound, Message: "there is no such API key"}
		}
		return err
	})
}

// Secret implements auth.Store.
func (s Auth) Secret(ctx context.Context, name string, fresh []byte) (value []byte, err error) {
	err = s.DB.write(ctx, "read secret", func(tx pgx.Tx) error {
		// This waits for another process that is storing its own secret.
		if _, err := tx.Exec(ctx, "INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING", name, fresh); err != nil {
			return err
		}
		return tx.QueryRow(ctx, "SELECT value FROM secrets WHERE name = $1", name).Scan(&value)
	})
	return value, err
}

package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"schoolbell/internal/advice"
	"schoolbell/internal/auth"
	"schoolbell/internal/config"
)

// firstKey is the API key that the first start makes; zero if it made none.
type firstKey struct {
	secret string
	path   string // of the file that has it; empty on a terminal
}

// makeFirstKey makes the first API key if there is none. On a terminal it is shown.
// Elsewhere the output is a log that others may read and that is kept: the key goes
// into a file of its own, and the log names that. The file is there before the ledger
// knows the key, because nobody can find out the key later.
func (a *program) makeFirstKey(ctx context.Context, cfg *config.Config, keys *auth.Service) (k firstKey, err error) {
	k.secret, err = keys.FirstStart(asAccount(ctx), func(secret string) error {
		if isTerminal(a.Out) {
			return nil
		}
		k.path, err = writeKeyFile(cfg.General.DataDir, secret)
		if err != nil {
			return advice.Add(fmt.Errorf("write the first API key to a file: %w", err), "let this user write to DATA_DIR, or set SCHOOLBELL_API_KEY; no key was made")
		}
		return nil
	})
	if err != nil && k.path != "" {
		err = errors.Join(err, os.Remove(k.path)) // of a key that the ledger does not have
	}
	return k, err
}

// showFirstKey tells the API key that the first start has made.
func (a *program) showFirstKey(k firstKey) {
	switch {
	case k.secret == "":
	case k.path == "":
		a.say("  API key, shown only this once: %s", a.style.bold(k.secret))
	default:
		a.say("  API key, written to %s: read it and delete the file", k.path)
	}
}

// writeKeyFile writes the secret to disk, into a new file that nobody else may read. The
// name has the key's fingerprint, so that no earlier file is in the way.
func writeKeyFile(dir, secret string) (path string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	digest := sha256.Sum256([]byte(secret))
	path = filepath.Join(dir, "api-key-"+hex.EncodeToString(digest[:6]))
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // O_EXCL follows no link
	if err != nil {
		return "", err
	}
	_, err = fmt.Fprintln(f, secret)
	if err = errors.Join(err, f.Sync(), f.Close(), syncFolder(dir)); err != nil {
		return "", errors.Join(err, os.Remove(path))
	}
	return path, nil
}

// syncFolder makes the names of new files in dir survive a crash.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

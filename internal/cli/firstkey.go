package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"schoolbell/internal/config"
)

// showFirstKey tells the API key that the first start has made; "" if it made none. On
// a terminal it is shown. Elsewhere the output is a log that others may read and that is
// kept: the key goes into a file of its own, and the log names that.
func (a *app) showFirstKey(cfg *config.Config, secret string) error {
	switch {
	case secret == "":
		return nil
	case isTerminal(a.Out):
		a.say("  API key, shown this once: %s", a.style.bold(secret))
		return nil
	}
	path, err := writeKeyFile(cfg.General.DataDir, secret)
	if err != nil {
		return advise(fmt.Errorf("keep the first API key in a file: %w", err), "let this user write to DATA_DIR, or make a key: schoolbell key create --name NAME --scope admin")
	}
	a.say("  API key, kept in %s: read it and delete the file", path)
	return nil
}

// writeKeyFile writes the secret into a new file that nobody else may read. The name
// has the key's fingerprint, so that no earlier file is in the way.
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
	if _, err = fmt.Fprintln(f, secret); err != nil {
		_ = f.Close()
		return "", err
	}
	return path, f.Close()
}

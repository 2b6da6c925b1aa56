package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/joho/godotenv"

	"schoolbell"
)

// Origin says where the value of a setting came from.
type Origin string

// The origins, the strongest first. A secret that was read from a file has the
// name of the setting that named the file in brackets behind its origin.
const (
	FromFlag    Origin = "flag"
	FromEnv     Origin = "env"
	FromDotEnv  Origin = ".env"
	FromDefault Origin = "default"
)

// Sources are what [Load] reads beside the defaults.
type Sources struct {
	Env     []string          // as os.Environ
	EnvFile string            // the .env file; empty for none
	Must    bool              // EnvFile has to exist
	Flagged func(string) bool // tells which flags were given, whose fields are set already; nil for none
}

// maxSecretFile is the largest file that may hold a secret, in bytes.
const maxSecretFile = 64 << 10

// Target is a struct of settings: [Core], [Staff], [Config] or [Client].
type Target interface {
	// Check reports everything that is wrong with the settings as [schoolbell.Faults],
	// each under its name in the environment. It looks at no network. (It is not called
	// Validate because kong calls methods of that name automatically, before the
	// environment has been read.)
	Check() error

	// filled takes the origins of the settings, once all of them are read, and fills what
	// follows from other settings.
	filled(origins map[string]Origin, src Sources)
}

// Load fills target and returns where each
// value came from, by name in the environment. The error is [schoolbell.Faults]
// with every value that could not be read; the values themselves are not judged.
func Load(target Target, src Sources) (map[string]Origin, error) {
	var faults schoolbell.Faults
	layers := []layer{{FromEnv, envMap(src.Env)}}
	dotenv, err := readEnvFile(src.EnvFile, src.Must)
	if err != nil {
		faults = append(faults, &schoolbell.Error{Code: schoolbell.CodeInvalid, Field: src.EnvFile, Message: err.Error()})
	}
	layers = append(layers, layer{FromDotEnv, dotenv})

	origins := make(map[string]Origin)
	for _, f := range fieldsOf(target) {
		if src.Flagged != nil && src.Flagged(f.Flag) {
			origins[f.Env] = FromFlag
			continue
		}
		text, origin, err := f.lookup(layers)
		if err == nil && text != "" {
			err = decode(f.value, text, f.unit)
		}
		if err != nil {
			faults.Add(f.Env, "%v", err)
		}
		origins[f.Env] = origin
	}
	target.filled(origins, src)
	return origins, faults.Err()
}

// Set reports whether the setting of that name in the environment was given, by
// flag, environment or .env, rather than left at its default. c must have been
// filled by [Load].
func (c *Core) Set(env string) bool {
	origin, known := c.origins[env]
	return known && origin != FromDefault
}

// layer is one source of texts.
type layer struct {
	origin Origin
	texts  map[string]string
}

// lookup returns the text of the strongest layer that has one.
func (f field) lookup(layers []layer) (string, Origin, error) {
	for _, l := range layers {
		for _, name := range append([]string{f.Env}, f.Aliases...) {
			text, file := l.texts[name], ""
			if f.Secret {
				file = l.texts[name+"_FILE"]
			}
			switch {
			case text != "" && file != "":
				return "", l.origin, fmt.Errorf("is set twice, as %s and as %s_FILE", name, name)
			case file != "":
				text, err := readSecret(file)
				return text, l.origin + Origin(" ("+name+"_FILE)"), err
			case text != "":
				return text, l.origin, nil
			}
		}
	}
	return f.Default, FromDefault, nil
}

// readSecret reads a file that holds one value; a line break at its end is not part of it.
func readSecret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("cannot be read from its file: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err != nil {
		return "", fmt.Errorf("cannot be read from its file: %w", err)
	}
	text := strings.TrimRight(string(b), "\r\n")
	switch {
	case len(b) > maxSecretFile:
		return "", fmt.Errorf("its file %s is larger than %d bytes", path, maxSecretFile)
	case text == "":
		return "", fmt.Errorf("its file %s is empty", path)
	}
	return text, nil
}

// Exposed returns the files with secrets of any setting of [Config] that other users of the machine may read: the
// .env file, if it holds one, and those that a setting such as SMTP_PASSWORD_FILE names.
func Exposed(src Sources) (paths []string) {
	dotenv, _ := readEnvFile(src.EnvFile, false) // Load has reported what is wrong with it
	env := envMap(src.Env)
	secretInEnv := false
	for _, f := range fieldsOf(&Config{}) {
		if !f.Secret {
			continue
		}
		for _, name := range append([]string{f.Env}, f.Aliases...) {
			secretInEnv = secretInEnv || dotenv[name] != ""
			for _, file := range []string{env[name+"_FILE"], dotenv[name+"_FILE"]} {
				if file != "" && readableByOthers(file) {
					paths = append(paths, file)
				}
			}
		}
	}
	if secretInEnv && readableByOthers(src.EnvFile) {
		paths = append(paths, src.EnvFile)
	}
	return paths
}

// OpenToOthers returns DATA_DIR, and the ledger's files in it, if other users of the
// machine may look into them. It is empty when the ledger is elsewhere, or when nobody
// else gets into DATA_DIR.
func (c *Core) OpenToOthers() (paths []string) {
	info, err := os.Stat(c.General.DataDir)
	if c.Ledger.DatabaseURL != "" || err != nil || info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	paths = []string{c.General.DataDir}
	for _, end := range []string{"", "-wal", "-shm"} {
		if path := c.SQLitePath() + end; readableByOthers(path) {
			paths = append(paths, path)
		}
	}
	return paths
}

// secretMounts are where Docker and Kubernetes mount secrets, readable by all who are
// in the container.
var secretMounts = []string{"/run/secrets/", "/var/run/secrets/"}

func readableByOthers(path string) bool {
	if abs, err := filepath.Abs(path); err == nil && slices.ContainsFunc(secretMounts, func(dir string) bool { return strings.HasPrefix(abs, dir) }) {
		return false
	}
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0
}

func envMap(env []string) map[string]string {
	m := make(map[string]string, len(env))
	for _, kv := range env {
		if name, text, ok := strings.Cut(kv, "="); ok {
			m[name] = text
		}
	}
	return m
}

// readEnvFile reads a .env file. The parser's own error is not passed on: it
// quotes the file, and the file holds secrets.
func readEnvFile(path string, must bool) (map[string]string, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !must:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	m, err := godotenv.UnmarshalBytes(text)
	if err != nil {
		return nil, fmt.Errorf("line %d is not NAME=value", faultyLine(string(text)))
	}
	return m, nil
}

// faultyLine returns the number of the first line with which the text stops being readable.
func faultyLine(text string) int {
	lines := strings.SplitAfter(text, "\n")
	for n := range lines {
		if _, err := godotenv.Unmarshal(strings.Join(lines[:n+1], "")); err != nil {
			return n + 1
		}
	}
	return len(lines)
}

package testenv

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const makeDeps = "run `make deps`"

// find returns the path of the first of names that is installed: in PATH, or in
// one of the extra folders, which may be patterns. Later matches of a pattern win:
// they are newer versions.
func find(names, folders []string) (string, error) {
	for _, name := range names {
		if p, err := exec.LookPath(name); err == nil {
			return filepath.Abs(p)
		}
		for _, folder := range folders {
			found, err := filepath.Glob(filepath.Join(folder, name))
			if err == nil && len(found) > 0 {
				return found[len(found)-1], nil
			}
		}
	}
	return "", exec.ErrNotFound
}

// Chromium returns the path of a Chromium or Chrome; CHROMIUM in the environment
// names one that is elsewhere.
func Chromium(t testing.TB) string {
	t.Helper()
	if p := os.Getenv("CHROMIUM"); p != "" {
		return p
	}
	p, err := find([]string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}, nil)
	if err != nil {
		missing(t, "chromium", makeDeps)
	}
	return p
}

// Node returns the path of node, having made sure that the npm packages which
// folder's package-lock.json names are installed beside it. An empty folder asks
// for no packages.
func Node(t testing.TB, folder string) string {
	t.Helper()
	node, err := find([]string{"node", "nodejs"}, nil)
	if err != nil {
		missing(t, "node", makeDeps)
	}
	if folder == "" {
		return node
	}
	if err := npmInstalled(folder); err != nil {
		missing(t, "npm packages of "+folder+" ("+err.Error()+")", makeDeps)
	}
	return node
}

// npmInstalled compares the lock file with the copy that npm leaves in
// node_modules after an installation.
func npmInstalled(folder string) error {
	lock, err := os.Stat(filepath.Join(folder, "package-lock.json"))
	if err != nil {
		return err
	}
	done, err := os.Stat(filepath.Join(folder, "node_modules", ".package-lock.json"))
	if errors.Is(err, os.ErrNotExist) {
		return errors.New("not installed")
	}
	if err != nil {
		return err
	}
	if done.ModTime().Before(lock.ModTime()) {
		return errors.New("older than package-lock.json")
	}
	return nil
}

package testenv

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"schoolbell/bullmq/testproc"
)

const makeDeps = "run `make deps`"

// debianShell is what Debian's script chromium-headless-shell starts. The script stays
// between us and the browser, and signals end with it.
const debianShell = "/usr/lib/chromium/chromium-headless-shell"

// Chromium returns the path of a Chromium or Chrome, of its build without windows if
// there is one: pages take a third of the time in it. CHROMIUM in the environment names
// one that is elsewhere.
func Chromium(t testing.TB) string {
	t.Helper()
	if p := os.Getenv("CHROMIUM"); p != "" {
		return p
	}
	p, err := testproc.Find([]string{"chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}, nil)
	if err != nil {
		testproc.Missing(t, "chromium", makeDeps)
	}
	if _, err := os.Stat(debianShell); err == nil && filepath.Base(p) == filepath.Base(debianShell) {
		return debianShell
	}
	return p
}

// Node returns the path of node, having made sure that the npm packages which
// folder's package-lock.json names are installed beside it. An empty folder asks
// for no packages.
func Node(t testing.TB, folder string) string {
	t.Helper()
	node, err := testproc.Find([]string{"node", "nodejs"}, nil)
	if err != nil {
		testproc.Missing(t, "node", makeDeps)
	}
	if folder == "" {
		return node
	}
	if err := npmInstalled(folder); err != nil {
		testproc.Missing(t, "npm packages of "+folder+" ("+err.Error()+")", makeDeps)
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

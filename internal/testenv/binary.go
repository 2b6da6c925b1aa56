package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Binary builds cmd/schoolbell as it is shipped, once per test process, and
// returns the path of the executable.
func Binary(t testing.TB) string {
	t.Helper()
	return Build(t, "./cmd/schoolbell")
}

// Build builds a program of this module, once per test process, and returns the
// path of the executable. pkg is its folder, "./" and the path from the module's root.
func Build(t testing.TB, pkg string) string {
	t.Helper()
	once, _ := builds.LoadOrStore(pkg, sync.OnceValues(func() (string, error) { return build(pkg) }))
	p, err := once.(func() (string, error))()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var builds sync.Map // of what was asked for, by package

func build(pkg string) (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	dir, err := scratch()
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-trimpath", "-o", bin, pkg)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", pkg, err, out)
	}
	return bin, noteSources(root, pkg)
}

// noteSources looks at the files of this module that a program is made of. What a test
// looks at, go test holds its cached result against: of a program that the test merely
// runs it would not know that it has changed.
func noteSources(root, pkg string) error {
	const files = `{{with .Module}}{{if .Main}}{{range $.GoFiles}}{{$.Dir}}/{{.}}{{"\n"}}{{end}}{{range $.EmbedFiles}}{{$.Dir}}/{{.}}{{"\n"}}{{end}}{{end}}{{end}}`
	cmd := exec.Command("go", "list", "-deps", "-f", files, pkg)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("go list -deps %s: %w", pkg, err)
	}
	for _, name := range strings.Fields(string(out)) {
		if _, err := os.Stat(name); err != nil {
			return err
		}
	}
	return nil
}

// Root returns the root folder of the module: where go.mod is.
func Root(t testing.TB) string {
	t.Helper()
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no go.mod in or above the working folder")
		}
		dir = parent
	}
}

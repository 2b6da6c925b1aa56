package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Previous is the program as it was one commit earlier.
type Previous struct {
	Commit     string
	Binary     string // path of the executable
	Migrations bool   // this tree has migrations that the commit does not have
}

// PreviousProgram builds cmd/schoolbell of the commit before the one that is checked out, or of the one that is checked out
// if files have been changed since.
//
// As long as there are no installations, migrations may be edited. The commit then gets the edited ones: it runs on a
// schema that this tree has made, as it does in an upgrade after `schoolbell migrate`. It works if the edit only adds, as migrations must.
//
// It skips the test, and says why on standard error, if there is no such commit here, as in a clone with a
// shallow history.
func PreviousProgram(t testing.TB) Previous {
	t.Helper()
	root := Root(t)
	p := Previous{Commit: previousCommit(t, root)}
	tree := filepath.Join(t.TempDir(), "previous")
	if err := os.Mkdir(tree, 0o700); err != nil {
		t.Fatal(err)
	}
	unpack := exec.Command("sh", "-c", `git archive "$1" | tar -x -C "$2"`, "sh", p.Commit, tree)
	unpack.Dir = root
	if out, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("git archive %s: %v\n%s", p.Commit, err, out)
	}
	p.Migrations = shareMigrations(t, tree, root, p.Commit)
	p.Binary = filepath.Join(tree, "schoolbell-previous")
	build := exec.Command("go", "build", "-trimpath", "-o", p.Binary, "./cmd/schoolbell")
	build.Dir, build.Env = tree, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", p.Commit, err, out)
	}
	return p
}

// skipLoudly skips a test. The reason is also shown where nobody asked for the names of tests.
func skipLoudly(t testing.TB, format string, args ...any) {
	t.Helper()
	reason := fmt.Sprintf(format, args...)
	fmt.Fprintf(os.Stderr, "NOT TESTED: %s: %s\n", t.Name(), reason)
	t.Skip(reason)
}

func previousCommit(t testing.TB, root string) string {
	t.Helper()
	changed, err := git(root, "status", "--porcelain", "--untracked-files=no", "--", "*.go", "*.sql", "*.lua")
	if err != nil {
		skipLoudly(t, "there is no git repository to build the previous version from: %v", err)
	}
	name := "HEAD~1"
	if changed != "" {
		name = "HEAD"
	}
	commit, err := git(root, "rev-parse", "--verify", "--quiet", name+"^{commit}")
	if err != nil {
		skipLoudly(t, "the history has no %s, so the previous version cannot be built: fetch more of it with git fetch --deepen=1", name)
	}
	return commit
}

func git(root string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = root
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), err
}

// shareMigrations gives an older tree the migrations of both as they are in the newer one, and reports whether
// the newer one has more.
func shareMigrations(t testing.TB, older, tree, commit string) (more bool) {
	t.Helper()
	const migrations = "internal/store/*/migrations/*.sql"
	before, err := filepath.Glob(filepath.Join(older, migrations))
	if err != nil || len(before) == 0 {
		t.Fatalf("commit %s has no migrations at %s, %v", commit, migrations, err)
	}
	for _, path := range before {
		text, err := os.ReadFile(filepath.Join(tree, strings.TrimPrefix(path, older)))
		if err != nil {
			t.Fatalf("a migration of commit %s is gone: %v", commit, err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	after, err := filepath.Glob(filepath.Join(tree, migrations))
	if err != nil {
		t.Fatal(err)
	}
	return len(after) > len(before)
}

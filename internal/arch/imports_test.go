// Package arch holds the rules of the house that no compiler knows: which package
// may import which, and what files may look like. It has tests only.
package arch

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"schoolbell/internal/testenv"
)

const module = "schoolbell"

// arrows says which packages of ours a package may import, beside those in its
// own folder and below. The first line whose pattern fits counts; a pattern that
// ends in /... takes in everything below. A package that fits none is a fault:
// say here where it stands.
var arrows = []struct {
	pattern string
	may     []string
}{
	{".", nil},
	{"bullmq/bullmqotel", []string{"bullmq"}},
	{"bullmq/...", nil},
	{"client/...", []string{"."}},
	{"internal/store/storetest", []string{".", "internal/api", "internal/auth", "internal/inbox", "internal/notify", "internal/people", "internal/testenv"}}, // the views of a store
	{"internal/channel/channeltest", []string{".", "internal/testenv"}},
	{"internal/store/...", []string{".", "internal/store/row"}}, // row: what both engines encode alike
	{"internal/address", []string{"."}},
	{"internal/channel/...", []string{".", "internal/address"}},
	{"internal/render/...", []string{"."}},
	{"internal/notify/...", []string{".", "bullmq"}},
	{"internal/auth/...", []string{"."}},
	{"internal/people/...", []string{".", "internal/address"}},
	{"internal/inbox/...", []string{".", "internal/auth"}},
	{"internal/api/...", []string{".", "bullmq", "internal/notify", "internal/inbox", "internal/auth", "internal/people"}},
	{"internal/admin/...", []string{".", "bullmq", "internal/notify", "internal/inbox", "internal/auth", "internal/people"}},
	{"internal/config/...", []string{".", "internal/address", "internal/redisdial"}},
	{"internal/redisdial", nil},
	{"internal/embedded/...", []string{"."}},
	{"internal/cli/...", []string{"...", "!internal/testenv", "!internal/store/storetest"}},
	{"cmd/...", []string{"internal/cli"}},
	{"examples/...", []string{"bullmq"}},
	{"internal/testenv", nil},
	{"internal/arch", nil},
	{"deploy", nil},
	{"docs", nil},
	{"test/...", []string{".", "bullmq", "client", "internal/embedded", "internal/testenv"}}, // from outside, and through the mail catcher
	{"bench/...", []string{"..."}},
}

// goPackage is what `go list -json` says of a package.
type goPackage struct {
	ImportPath, Name, Dir              string
	Imports, TestImports, XTestImports []string
}

func list(t *testing.T, args ...string) []goPackage {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-e", "-json=ImportPath,Name,Dir,Imports,TestImports,XTestImports"}, args...)...)
	cmd.Dir = testenv.Root(t)
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		t.Fatalf("%v: %v\n%s", cmd, err, exit.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	var packages []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// ours returns the folder of a package of this module, "." for the root.
func ours(importPath string) (folder string, ok bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

func fits(pattern, folder string) bool {
	below, tree := strings.CutSuffix(pattern, "...")
	below = strings.TrimSuffix(below, "/")
	return folder == below || tree && (below == "" || strings.HasPrefix(folder, below+"/"))
}

// allowed tells whether the rule of arrows lets the package in folder from import
// the one in folder to.
func allowed(from, to string) (ok, known bool) {
	for _, rule := range arrows {
		if !fits(rule.pattern, from) {
			continue
		}
		for _, may := range rule.may {
			if not, denied := strings.CutPrefix(may, "!"); denied && fits(not, to) {
				return false, true
			}
		}
		inside := from != "." && fits(from+"/...", to)
		return inside || slices.ContainsFunc(rule.may, func(may string) bool { return fits(may, to) }), true
	}
	return false, false
}

func TestImportsFollowTheArrows(t *testing.T) {
	t.Parallel()
	for _, p := range list(t, "./...") {
		from, _ := ours(p.ImportPath)
		if _, known := allowed(from, from); !known {
			t.Errorf("%s has no line in arrows: add one that says what it may import", from)
			continue
		}
		for _, imported := range p.Imports {
			to, ok := ours(imported)
			if !ok {
				continue
			}
			if ok, _ := allowed(from, to); !ok {
				t.Errorf("%s must not import %s; see arrows in this test and docs/architecture.md", from, to)
			}
		}
	}
}

func TestTheRootPackageImportsTheStandardLibraryOnly(t *testing.T) {
	t.Parallel()
	for _, p := range list(t, ".") {
		for _, imported := range p.Imports {
			if first, _, _ := strings.Cut(imported, "/"); strings.Contains(first, ".") {
				t.Errorf("the root package must not import %s", imported)
			}
		}
	}
}

func TestOnlyItsAdapterImportsATracingLibrary(t *testing.T) {
	t.Parallel()
	for _, p := range list(t, "./...") {
		folder, _ := ours(p.ImportPath)
		for _, imported := range p.Imports {
			if strings.HasPrefix(imported, "go.opentelemetry.io/") && folder != "bullmq/bullmqotel" {
				t.Errorf("%s must not import %s", folder, imported)
			}
		}
		if folder == "bullmq/bullmqotel" && slices.ContainsFunc(p.Imports, func(i string) bool { return strings.HasPrefix(i, "go.opentelemetry.io/otel/sdk") }) {
			t.Errorf("%s must leave the choice of an SDK to its users", folder)
		}
	}
}

func TestTestHelpersStayOutOfTheBinary(t *testing.T) {
	t.Parallel()
	for _, p := range list(t, "-deps", "./cmd/...") {
		folder, ok := ours(p.ImportPath)
		if !ok {
			continue
		}
		if forTests(folder) {
			t.Errorf("%s is for tests, and the binary contains it", folder)
		}
		if slices.Contains(p.Imports, "testing") {
			t.Errorf("%s is part of the binary and imports testing outside its tests", folder)
		}
	}
}

// forTests tells whether a package is there for tests only: testenv and the suites.
func forTests(folder string) bool {
	return path.Base(folder) == "testenv" || strings.HasSuffix(folder, "test") || fits("bench/...", folder) || fits("test/...", folder)
}

func TestNobodyButTestsImportsTestenv(t *testing.T) {
	t.Parallel()
	for _, p := range list(t, "./...") {
		if folder, _ := ours(p.ImportPath); !forTests(folder) && slices.Contains(p.Imports, module+"/internal/testenv") {
			t.Errorf("%s imports testenv outside its tests", folder)
		}
	}
}

func TestPackagesAreNamedAfterWhatTheyProvide(t *testing.T) {
	t.Parallel()
	vague := []string{"util", "utils", "common", "models", "model", "types", "helpers", "helper", "misc", "shared", "base", "lib"}
	for _, p := range list(t, "./...") {
		if slices.Contains(vague, p.Name) {
			t.Errorf("%s: the name %s says nothing of what it provides", p.Dir, p.Name)
		}
	}
}

func TestArrowsAreRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, from, to string
		want           bool
	}{
		{"a store may import the root", "internal/store/sqlite", ".", true},
		{"a store may not import its sibling", "internal/store/sqlite", "internal/store/postgres", false},
		{"a store may import what is below it", "internal/store/sqlite", "internal/store/sqlite/migration", true},
		{"the queue library may not import the root", "bullmq", ".", false},
		{"the queue library may import what is below it", "bullmq", "bullmq/internal/keys", true},
		{"the root may not import the queue library", ".", "bullmq", false},
		{"the command line may import a channel", "internal/cli", "internal/channel/email", true},
		{"the command line may not import testenv", "internal/cli", "internal/testenv", false},
		{"the API may not import settings", "internal/api", "internal/config", false},
		{"a folder whose name begins alike is another", "internal/api", "internal/notifyother", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, known := allowed(c.from, c.to); got != c.want || !known {
				t.Errorf("%s → %s: allowed %v, known %v; want %v", c.from, c.to, got, known, c.want)
			}
		})
	}
}

// Package arch holds the rules of the repository that no compiler checks: which package
// may import which, and what files may look like. It has tests only.
package arch

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"schoolbell/internal/testenv"
)

const module = "schoolbell"

// importRules lists the packages of ours that a package may import, beside those in its
// own folder and below. The first rule whose pattern matches counts; a pattern that
// ends in /... matches everything below. A package that no rule matches is an error.
var importRules = []struct {
	pattern string
	may     []string
}{
	{".", nil},
	{"bullmq/bullmqotel", []string{"bullmq"}},
	{"bullmq/redistest", []string{"bullmq/testproc"}},
	{"bullmq/internal/script", []string{"bullmq/internal/wire"}},
	{"bullmq/internal/keys", []string{"bullmq/internal/wire"}},
	{"bullmq/internal/fetch", []string{"bullmq/internal/wire"}},
	{"bullmq/internal/repeat", []string{"bullmq/internal/cron", "bullmq/internal/wire"}},
	{"bullmq/...", nil},
	{"wire", []string{"."}},
	{"client/...", []string{".", "wire"}},
	{"internal/ledger", []string{"."}},
	{"internal/bounceserver", []string{"."}},
	{"internal/outage", nil},
	{"internal/advice", nil},
	{"internal/certificate", nil},
	{"internal/store/storetest", []string{".", "internal/ledger", "internal/staff", "internal/store", "internal/testenv"}},
	{"internal/channel/channeltest", []string{".", "internal/testenv", "internal/fake"}},
	{"internal/store", []string{"internal/api", "internal/auth", "internal/inbox", "internal/ledger", "internal/people", "internal/school", "internal/staff"}}, // those who use the stores
	{"internal/store/sqlite/webhooks", []string{".", "internal/ledger", "internal/store/row", "internal/store/sqlite"}},
	{"internal/store/postgres/webhooks", []string{".", "internal/ledger", "internal/store/row", "internal/store/postgres"}},
	{"internal/store/sqlite/school", []string{".", "internal/store/row", "internal/store/sqlite"}},
	{"internal/store/postgres/school", []string{".", "internal/store/row", "internal/store/postgres"}},
	{"internal/store/sqlite/staff", []string{".", "internal/staff", "internal/store/row", "internal/store/sqlite"}},
	{"internal/store/postgres/staff", []string{".", "internal/staff", "internal/store/row", "internal/store/postgres"}},
	{"internal/store/sqlite/backup", []string{".", "internal/ledger", "internal/store/row", "internal/store/sqlite"}},
	{"internal/store/migration", []string{}},
	{"internal/store/...", []string{".", "bullmq/combine", "internal/ledger", "internal/store/migration", "internal/store/row"}}, // row: what both engines encode alike
	{"internal/address", []string{"."}},
	{"internal/phone", nil},
	{"internal/channel", []string{".", "internal/advice", "internal/config", "internal/embedded", "internal/ledger", "internal/publicdial"}}, // opens every provider
	{"internal/channel/slots", []string{"."}},
	{"internal/channel/calls", []string{".", "internal/channel/slots"}},
	{"internal/channel/sms", nil},
	{"internal/channel/sms/...", []string{".", "internal/channel/calls", "internal/channel/sms"}},
	{"internal/fake", []string{"internal/channel/sms", "internal/channel/sms/twilio", "."}},
	{"internal/channel/email/ses", []string{".", "internal/address", "internal/channel/calls", "internal/channel/email"}},
	{"internal/channel/email/sendgrid", []string{".", "internal/address", "internal/channel/calls", "internal/channel/email"}},
	{"internal/publicdial", nil},
	{"internal/channel/push", []string{".", "internal/channel/calls", "internal/publicdial"}},
	{"internal/channel/...", []string{".", "internal/address", "internal/channel/calls", "internal/channel/slots"}},
	{"internal/template", nil},
	{"internal/locale", nil},
	{"internal/calendar", []string{"."}},
	{"internal/personal", []string{".", "internal/locale", "internal/template"}},
	{"internal/render/...", []string{".", "internal/calendar", "internal/ledger", "internal/locale", "internal/personal", "internal/template"}},
	{"internal/notify/...", []string{".", "bullmq", "bullmq/combine", "internal/ledger", "internal/outage", "internal/personal"}},
	{"internal/preview/...", []string{".", "wire", "internal/channel/sms", "internal/ledger", "internal/personal"}},
	{"internal/auth/...", []string{".", "internal/ledger"}},
	{"internal/people/...", []string{".", "internal/address", "internal/phone"}},
	{"internal/school/...", []string{".", "internal/outage"}},
	{"internal/retention/...", []string{".", "internal/ledger", "internal/outage"}},
	{"internal/inbox/...", []string{".", "internal/auth", "internal/ledger", "internal/outage", "internal/personal"}},
	{"internal/health", nil},
	{"internal/api/...", []string{".", "wire", "bullmq", "internal/calendar", "internal/ledger", "internal/notify", "internal/inbox", "internal/auth", "internal/people", "internal/school", "internal/health", "internal/web", "internal/receipt", "internal/preview", "internal/jobs", "internal/templates", "internal/testmessage", "internal/upload"}},
	{"internal/web/...", []string{".", "internal/locale", "internal/render"}},
	{"internal/receipt/...", []string{".", "internal/address", "internal/channel/email/returnpath"}},
	{"internal/webhook", []string{".", "wire", "internal/ledger", "internal/outage", "internal/publicdial"}},
	{"internal/staff", []string{".", "internal/ledger"}},
	{"internal/upload", []string{"."}},
	{"internal/identity", []string{"."}},
	{"internal/jobs", []string{".", "bullmq"}},
	{"internal/templates", []string{".", "internal/channel/sms", "internal/ledger"}},
	{"internal/testmessage", []string{".", "internal/ledger"}},
	{"internal/panel/site", []string{".", "internal/auth", "internal/health", "internal/ledger", "internal/panel/live", "internal/web"}},
	{"internal/panel/queues", []string{".", "bullmq", "internal/jobs", "internal/ledger", "internal/panel/chart", "internal/panel/flow", "internal/panel/live", "internal/panel/site"}},
	{"internal/panel/settings", []string{".", "internal/auth", "internal/health", "internal/ledger", "internal/panel/live", "internal/panel/site", "internal/testmessage"}},
	{"internal/panel/people", []string{".", "internal/ledger", "internal/panel/site", "internal/people", "internal/upload"}},
	{"internal/panel/accounts", []string{".", "internal/panel/site"}},
	{"internal/panel/mail", []string{".", "internal/embedded", "internal/panel/live", "internal/panel/site"}},
	{"internal/panel/audit", []string{".", "internal/panel/site"}},
	{"internal/panel/templateeditor", []string{".", "internal/ledger", "internal/panel/linediff", "internal/panel/site", "internal/templates"}},
	{"internal/panel", []string{".", "wire", "bullmq", "internal/ledger", "internal/auth", "internal/health", "internal/identity", "internal/outage", "internal/preview", "internal/staff"}},
	{"internal/panel/...", []string{".", "bullmq", "internal/ledger"}},
	{"internal/config/...", []string{".", "internal/address", "internal/channel/email/returnpath", "internal/channel/email/signing", "internal/channel/email/smtpconn", "internal/channel/sms", "internal/phone", "internal/redisdial", "internal/channel/push/vapid"}},
	{"internal/redisdial", nil},
	{"internal/embedded/...", []string{"."}},
	{"internal/app", []string{"...", "!internal/cli", "!internal/doctor", "!internal/testenv", "!internal/store/storetest"}}, // puts everything together
	{"internal/doctor", []string{".", "internal/advice", "internal/app", "internal/certificate", "internal/channel", "internal/config", "internal/ledger", "internal/store/sqlite"}},
	{"internal/cli/...", []string{".", "client", "wire", "internal/ledger", "internal/staff", "internal/advice", "internal/app", "internal/auth", "internal/certificate", "internal/channel", "internal/config", "internal/doctor", "internal/fake", "internal/health", "internal/channel/push/vapid"}},
	{"cmd/...", []string{"internal/cli"}},
	{"examples/...", []string{"bullmq"}},
	{"internal/testenv", []string{"bullmq/redistest", "bullmq/testproc"}},
	{"internal/arch", nil},
	{"deploy", nil},
	{"test/...", []string{".", "bullmq", "client", "wire", "internal/embedded", "internal/fake", "internal/testenv"}}, // from outside, and through the mail catcher and the fakes
	{"bench/...", []string{"..."}},
}

// goPackage is what `go list -json` says of a package.
type goPackage struct {
	ImportPath, Name, Dir              string
	Export                             string // the compiler's file of its types, where -export asks for it
	GoFiles                            []string
	Imports, TestImports, XTestImports []string
}

// modules returns the folders of the repository's modules, relative to the root.
func modules(t *testing.T) (folders []string) {
	t.Helper()
	for _, f := range tracked(t) {
		if path.Base(f.path) == "go.mod" {
			folders = append(folders, path.Dir(f.path))
		}
	}
	return folders
}

// listAll lists the packages of all modules.
func listAll(t *testing.T) (packages []goPackage) {
	t.Helper()
	for _, folder := range modules(t) {
		packages = append(packages, list(t, folder, "./...")...)
	}
	return packages
}

// list lists packages as they are seen from the module in a folder.
func list(t *testing.T, folder string, args ...string) []goPackage {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-e", "-json=ImportPath,Name,Dir,Export,GoFiles,Imports,TestImports,XTestImports"}, args...)...)
	cmd.Dir = filepath.Join(testenv.Root(t), filepath.FromSlash(folder))
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

// allowed reports whether the package in folder from may import the one in folder to.
func allowed(from, to string) (ok, known bool) {
	for _, rule := range importRules {
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

func TestImports(t *testing.T) {
	t.Parallel()
	t.Run("packages follow the import rules", testImportsFollowRules)
	t.Run("the root package imports only the standard library", testImportsRoot)
	t.Run("only the OpenTelemetry adapter imports a tracing library", testImportsTracing)
	t.Run("the binary contains no test helpers", testImportsBinary)
	t.Run("only tests import test helpers", testImportsTestHelpers)
	t.Run("the queue library can be tested alone", testImportsQueueLibrary)
	t.Run("the rules are interpreted correctly", testImportsRules)
}

func testImportsFollowRules(t *testing.T) {
	t.Parallel()
	for _, p := range listAll(t) {
		from, _ := ours(p.ImportPath)
		if _, known := allowed(from, from); !known {
			t.Errorf("%s has no rule in importRules: add one", from)
			continue
		}
		for _, imported := range p.Imports {
			to, ok := ours(imported)
			if !ok {
				continue
			}
			if ok, _ := allowed(from, to); !ok {
				t.Errorf("%s must not import %s; see importRules in this test and docs/architecture.md", from, to)
			}
		}
	}
}

func testImportsRoot(t *testing.T) {
	t.Parallel()
	for _, p := range list(t, ".", ".") {
		for _, imported := range p.Imports {
			if first, _, _ := strings.Cut(imported, "/"); strings.Contains(first, ".") {
				t.Errorf("the root package must not import %s", imported)
			}
		}
	}
}

func testImportsTracing(t *testing.T) {
	t.Parallel()
	for _, p := range listAll(t) {
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

func testImportsBinary(t *testing.T) {
	t.Parallel()
	for _, p := range list(t, ".", "-deps", "./cmd/...") {
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

// forTests reports whether a package is for tests only: helpers and suites.
func forTests(folder string) bool {
	return path.Base(folder) == "testenv" || path.Base(folder) == "testproc" || strings.HasSuffix(folder, "test") || fits("bench/...", folder) || fits("test/...", folder)
}

func testImportsTestHelpers(t *testing.T) {
	t.Parallel()
	for _, p := range listAll(t) {
		if folder, _ := ours(p.ImportPath); forTests(folder) {
			continue
		}
		for _, imported := range p.Imports {
			if to, ok := ours(imported); ok && forTests(to) {
				t.Errorf("%s imports %s outside its tests", p.ImportPath, to)
			}
		}
	}
}

// A module that needs another one of ours in its tests could not be tested alone.
func testImportsQueueLibrary(t *testing.T) {
	t.Parallel()
	for _, folder := range modules(t) {
		if !fits("bullmq/...", folder) {
			continue
		}
		for _, p := range list(t, folder, "./...") {
			for _, imported := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
				if to, ok := ours(imported); ok && !fits("bullmq/...", to) {
					t.Errorf("%s imports %s, which is not part of the queue library", p.ImportPath, to)
				}
			}
		}
	}
}

func TestModuleFiles(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for _, f := range tracked(t) {
		files[f.path] = string(f.text)
	}
	for _, folder := range modules(t) {
		if fits("bench/...", folder) { // nobody imports it
			continue
		}
		if files[path.Join(folder, "README.md")] == "" {
			t.Errorf("module %s has no README.md", folder)
		}
		if license := files[path.Join(folder, "LICENSE")]; license == "" || license != files["LICENSE"] {
			t.Errorf("module %s has no LICENSE, or another one than the root", folder)
		}
	}
}

func TestPackageNames(t *testing.T) {
	t.Parallel()
	vague := []string{"util", "utils", "common", "models", "model", "types", "helpers", "helper", "misc", "shared", "base", "lib"}
	for _, p := range listAll(t) {
		if slices.Contains(vague, p.Name) {
			t.Errorf("%s: the name %s says nothing of what it provides", p.Dir, p.Name)
		}
	}
}

func testImportsRules(t *testing.T) {
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
		{"the composition root may import a channel", "internal/app", "internal/channel/email", true},
		{"the composition root may not import the command line", "internal/app", "internal/cli", false},
		{"the command line may not import a channel", "internal/cli", "internal/channel/email", false},
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

package release

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"schoolbell/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// run runs a command in the root folder with the stored database, and returns what it prints
// and its exit status.
func run(t *testing.T, env []string, name string, args ...string) (string, int) {
	t.Helper()
	database, err := filepath.Abs(filepath.Join("testdata", "vulndb"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = testenv.Root(t)
	cmd.Env = append(append(os.Environ(), "GOVULNDB=file://"+filepath.ToSlash(database)), env...)
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

const vulnerable = `package main

import (
	"fmt"
	"os"

	"golang.org/x/text/language"
)

func main() { fmt.Println(language.ParseAcceptLanguage(os.Args[1])) }
`

func TestVulnCheck(t *testing.T) {
	t.Parallel()
	t.Run("a known vulnerability is reported", testVulnCheckReports)
	t.Run("the repository has no known vulnerability", testVulnCheckRepository)
	t.Run("a missing database is a failure", testVulnCheckMissingDatabase)
}

// The database has a vulnerability of an old golang.org/x/text and one of an old pgx.
func testVulnCheckReports(t *testing.T) {
	t.Parallel()
	for version, known := range map[string]bool{"v0.3.7": true, "v0.3.8": false} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for name, text := range map[string]string{
				"main.go": vulnerable,
				"go.mod":  "module sample\n\ngo 1.26\n\nrequire golang.org/x/text " + version + "\n",
			} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			out, status := run(t, []string{"GOFLAGS=-mod=mod -buildvcs=false"}, filepath.Join("scripts", "vuln.sh"), dir)
			switch reported := strings.Contains(out, "GO-2022-1059") && strings.Contains(out, "main.go:10"); {
			case known && (!reported || status != 3):
				t.Errorf("not reported, status %d:\n%s", status, out)
			case !known && (status != 0 || !strings.Contains(out, "No vulnerabilities found")):
				t.Errorf("status %d:\n%s", status, out)
			}
		})
	}
}

func testVulnCheckRepository(t *testing.T) {
	t.Parallel()
	out, status := run(t, nil, "make", "vuln")
	if status != 0 || strings.Count(out, "No vulnerabilities found") < 3 {
		t.Errorf("status %d:\n%s", status, out)
	}
}

// A database that cannot be reached must not look like a good result.
func testVulnCheckMissingDatabase(t *testing.T) {
	t.Parallel()
	out, status := run(t, []string{"GOVULNDB=file:///does/not/exist"}, filepath.Join("scripts", "vuln.sh"), "bullmq")
	if status == 0 || strings.Contains(out, "No vulnerabilities found") {
		t.Errorf("status %d:\n%s", status, out)
	}
}

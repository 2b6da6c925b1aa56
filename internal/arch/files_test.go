package arch

import (
	"bytes"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"schoolbell/internal/testenv"
)

const (
	maxLines        = 400
	maxTestLines    = 800
	maxPackageLines = 9000

	maxTestPackageLines = 15_000 // of a package of tests for other packages, whose name ends in "test"
)

// longFiles may be longer than the rest, each for a reason.
var longFiles = map[string]string{}

// file is a tracked file of ours: path from the root with slashes, and its text.
type file struct {
	path string
	text []byte
}

// tracked returns the text files git knows, as they are in the working tree.
func tracked(t *testing.T) []file {
	t.Helper()
	root := testenv.Root(t)
	// The tree may belong to another account, as in a container; reading it is safe.
	cmd := exec.Command("git", "-c", "safe.directory=*", "ls-files", "-z")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	var files []file
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if os.IsNotExist(err) || bytes.IndexByte(text, 0) >= 0 {
			continue // being removed, or not text
		}
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file{name, text})
	}
	if len(files) == 0 {
		t.Fatal("git tracks no files")
	}
	return files
}

func (f file) isGo() bool   { return path.Ext(f.path) == ".go" }
func (f file) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

func (f file) generated() bool {
	return regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`).Match(f.text)
}

func TestFiles(t *testing.T) {
	t.Parallel()
	t.Run("a file stays within its line limit", testFilesLength)
	t.Run("a package stays within its line limit", testFilesPackageLength)
	t.Run("no file contains a banned word", testFilesBannedWords)
	t.Run("banned words are found", testFilesBannedWordsFound)
	t.Run("scripts stop at the first error", testFilesScripts)
}

func testFilesLength(t *testing.T) {
	t.Parallel()
	for _, f := range tracked(t) {
		limit := maxLines
		if f.isTest() {
			limit = maxTestLines
		}
		lines := bytes.Count(f.text, []byte("\n"))
		if _, excused := longFiles[f.path]; excused || !f.isGo() || f.generated() || lines <= limit {
			continue
		}
		t.Errorf("%s has %d lines, over %d: split it by subject, or list it in longFiles with a reason", f.path, lines, limit)
	}
}

func testFilesPackageLength(t *testing.T) {
	t.Parallel()
	lines := map[string]int{}
	for _, f := range tracked(t) {
		if f.isGo() && !f.isTest() && !f.generated() {
			lines[path.Dir(f.path)] += bytes.Count(f.text, []byte("\n"))
		}
	}
	for folder, n := range lines {
		limit := maxPackageLines
		if strings.HasSuffix(folder, "test") {
			limit = maxTestPackageLines
		}
		if n > limit {
			t.Errorf("%s has %d lines, over %d: move a part that has an interface of its own to another package", folder, n, limit)
		}
	}
}

// The words are put together here so that this file does not break its own rules.
var banned = []struct {
	name    string
	in      func(file) bool
	pattern *regexp.Regexp
	instead string
}{
	{"leftover", file.isGo, regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b`), "do it, or write it down as an issue"},
	{"sleep in a test", file.isTest, regexp.MustCompile(`\btime\.Sle` + `ep\(`), "wait for a signal, or use testenv.Eventually"},
	{"path of one machine", anyFile, regexp.MustCompile(`(?m)(^|[\s"'=(:,` + "`" + `])/(wo` + `rk|ro` + `ot|ho` + `me/[a-z]+|Us` + `ers/[a-z]+)/`), "name it relative to the repository"},
	{"host of a package registry", anyFile, regexp.MustCompile(`regis` + `try\.(npm|yarn)|prox` + `y\.golang\.org|sum\.gol` + `ang\.org|"reso` + `lved": "http|py` + `pi\.org`), "leave it to the machine's settings (npm: omit-lockfile-registry-resolved=true)"},
}

func anyFile(file) bool { return true }

func testFilesBannedWords(t *testing.T) {
	t.Parallel()
	for _, f := range tracked(t) {
		for _, b := range banned {
			if !b.in(f) || !b.pattern.Match(f.text) {
				continue
			}
			for i, line := range bytes.Split(f.text, []byte("\n")) {
				if b.pattern.Match(line) {
					t.Errorf("%s:%d: %s: %q; %s", f.path, i+1, b.name, bytes.TrimSpace(line), b.instead)
				}
			}
		}
	}
}

func testFilesBannedWordsFound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want string
	}{
		{"// TO" + "DO: later", "leftover"},
		{"	time.Sle" + "ep(time.Second)", "sleep in a test"},
		{`cd "/wo` + `rk/main"`, "path of one machine"},
		{"see /ho" + "me/ada/x", "path of one machine"},
		{`"reso` + `lved": "https://example.org/a.tgz"`, "host of a package registry"},
		{"GET /v1/work/", ""},
		{"time.Sleeper()", ""},
		{"WORKDIR /src/", ""},
	} {
		found := ""
		for _, b := range banned {
			if b.pattern.MatchString(c.text) {
				found = b.name
			}
		}
		if found != c.want {
			t.Errorf("%q: found %q, want %q", c.text, found, c.want)
		}
	}
}

func testFilesScripts(t *testing.T) {
	t.Parallel()
	for _, f := range tracked(t) {
		if bytes.HasPrefix(f.text, []byte("#!/usr/bin/env bash\n")) && !bytes.Contains(f.text, []byte("\nset -euo pipefail\n")) {
			t.Errorf("%s lacks set -euo pipefail", f.path)
		}
	}
}

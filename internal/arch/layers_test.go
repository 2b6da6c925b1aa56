package arch

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"schoolbell/internal/testenv"
)

// layers returns the line of each package in the diagram of docs/architecture.md, 0 for the
// highest. The root package has the folder ".".
func layers(t *testing.T, page string) map[string]int {
	t.Helper()
	_, diagram, found := strings.Cut(page, "```layers\n")
	diagram, _, closed := strings.Cut(diagram, "```")
	if !found || !closed {
		t.Fatal("docs/architecture.md has no block ```layers")
	}
	line := map[string]int{}
	name := regexp.MustCompile(`(?:cmd|internal|bullmq|client|wire)(?:/[a-z/]+)?\b|schoolbell \(root\)`)
	for i, text := range strings.Split(strings.TrimSpace(diagram), "\n") {
		for _, folder := range name.FindAllString(text, -1) {
			if folder == "schoolbell (root)" {
				folder = "."
			}
			if _, twice := line[folder]; twice {
				t.Errorf("%s is in the diagram twice", folder)
			}
			line[folder] = i
		}
	}
	return line
}

// place returns the folder under which the diagram has a package: its own, or the nearest above.
func place(line map[string]int, folder string) (named string, known bool) {
	for ; ; folder = path.Dir(folder) {
		if _, known = line[folder]; known || folder == "." {
			return folder, known
		}
	}
}

// upward reports whether the diagram forbids that one package imports another.
func upward(line map[string]int, from, to string) bool {
	below := from != "." && fits(from+"/...", to)
	from, _ = place(line, from)
	to, _ = place(line, to)
	return !below && from != to && line[to] <= line[from]
}

func TestLayers(t *testing.T) {
	t.Parallel()
	t.Run("the architecture diagram matches the imports", testLayersDiagram)
	t.Run("the diagram is parsed correctly", testLayersParsed)
}

func testLayersDiagram(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(testenv.Root(t), "docs/architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	line := layers(t, string(page))
	folders := map[string]bool{}
	for _, p := range listAll(t) {
		from, _ := ours(p.ImportPath)
		if forTests(from) || fits("examples/...", from) || from == "internal/arch" || from == "deploy" || from == "docs" {
			continue
		}
		folders[from] = true
		if named, _ := place(line, from); named != from && !fits(named+"/internal/...", from) {
			t.Errorf("%s is in no line of the diagram in docs/architecture.md", from)
		}
		for _, imported := range p.Imports {
			if to, ok := ours(imported); ok && upward(line, from, to) {
				t.Errorf("%s imports %s, which is not below it in the diagram in docs/architecture.md", from, to)
			}
		}
	}
	for folder := range line {
		if !folders[folder] {
			t.Errorf("the diagram in docs/architecture.md names %s, which is no package", folder)
		}
	}
}

func testLayersParsed(t *testing.T) {
	t.Parallel()
	line := layers(t, "```layers\ntop   internal/cli\n      internal/api   client\nlow   internal/store/sqlite\n      schoolbell (root)\n```\n")
	for _, c := range []struct {
		name, from, to string
		want           bool
	}{
		{"downward", "internal/cli", "internal/api", false},
		{"upward", "internal/api", "internal/cli", true},
		{"same line", "internal/api", "client", true},
		{"below its own folder", "internal/api", "internal/api/docs", false},
		{"from below a folder upward", "internal/api/docs", "internal/cli", true},
		{"to the root", "internal/store/sqlite", ".", false},
		{"from the root", ".", "internal/store/sqlite", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := upward(line, c.from, c.to); got != c.want {
				t.Errorf("%s → %s is upward: %v, want %v", c.from, c.to, got, c.want)
			}
		})
	}
}

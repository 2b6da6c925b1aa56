package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"schoolbell/internal/testenv"
)

// document is a Markdown file of ours.
type document struct {
	path  string // from the root of the repository, with slashes
	lines []string
}

// block is a fenced block of a document.
type block struct {
	info string // behind the opening fence, such as "sh run"
	text string // with a line break at its end, unless empty
	from int    // index of the line after the opening fence
	to   int    // index of the line of the closing fence
}

// pages are the documents whose blocks are run and checked, in the order in which they are read.
var pages = []string{"README.md", "docs/commands.md", "docs/settings.md", "docs/deployment.md", "docs/reverse-proxy.md", "docs/channels/email.md", "docs/channels/sms.md", "docs/channels/push.md", "docs/channels/inbox.md", "docs/channels/message-page.md", "docs/preferences.md", "docs/calendar.md", "docs/panel.md", "docs/webhooks.md", "docs/guarantees.md", "docs/api.md", "docs/operations.md", "docs/migrating.md", "docs/bullmq.md", "docs/performance.md", "docs/glossary.md", "CONTRIBUTING.md", "SECURITY.md", "examples/README.md", "CHANGELOG.md", "docs/architecture.md", "bullmq/README.md", "bullmq/bullmqotel/README.md"}

func load(t *testing.T, path string) *document {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testenv.Root(t), filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	return &document{path: path, lines: strings.Split(string(text), "\n")}
}

// replace puts other lines in the place of those from index from up to before to.
func (d *document) replace(from, to int, with string) {
	var lines []string
	if with != "" {
		lines = strings.Split(strings.TrimSuffix(with, "\n"), "\n")
	}
	d.lines = append(append(append([]string{}, d.lines[:from]...), lines...), d.lines[to:]...)
}

func (d *document) save(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(testenv.Root(t), filepath.FromSlash(d.path)), []byte(strings.Join(d.lines, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
}

// blocks returns the fenced blocks in order.
func (d *document) blocks() []block {
	var out []block
	var open *block
	for i, line := range d.lines {
		info, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && open == nil:
			open = &block{info: info, from: i + 1}
		case fence:
			open.to = i
			if open.to > open.from {
				open.text = strings.Join(d.lines[open.from:open.to], "\n") + "\n"
			}
			out = append(out, *open)
			open = nil
		}
	}
	return out
}

// prose is the text outside of fenced blocks.
func (d *document) prose() string {
	var b strings.Builder
	inside := false
	for _, line := range d.lines {
		if strings.HasPrefix(line, "```") {
			inside = !inside
		} else if !inside {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

// rows returns the cells of the first table below the line that contains begin,
// and the lines from index from up to before to that its rows are.
func (d *document) rows(t *testing.T, begin string) (rows [][]string, from, to int) {
	t.Helper()
	found := false
	for i, line := range d.lines {
		found = found || strings.Contains(line, begin)
		if !found || !strings.HasPrefix(line, "|---") {
			continue
		}
		for from, to = i+1, i+1; strings.HasPrefix(d.lines[to], "|"); to++ {
			rows = append(rows, cells(d.lines[to]))
		}
		return rows, from, to
	}
	t.Fatalf("%s has no table below %q", d.path, begin)
	return nil, 0, 0
}

func cells(row string) []string {
	parts := strings.Split(strings.Trim(row, "|"), "|")
	for i, p := range parts {
		parts[i] = strings.TrimSpace(p)
	}
	return parts
}

var (
	headings = regexp.MustCompile(`(?m)^#+ (.+)$`)
	links    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	inline   = regexp.MustCompile("`([^`\n]+)`")
)

// anchors are the fragments under which the headings of a page are found.
func (d *document) anchors() map[string]bool {
	out := map[string]bool{}
	for _, m := range headings.FindAllStringSubmatch(d.prose(), -1) {
		slug := strings.ToLower(inline.ReplaceAllString(m[1], "$1"))
		slug = regexp.MustCompile(`[^\p{L}\p{N}\s_-]`).ReplaceAllString(slug, "")
		out[strings.ReplaceAll(slug, " ", "-")] = true
	}
	return out
}

func TestLinks(t *testing.T) {
	t.Parallel()
	root := testenv.Root(t)
	for _, path := range pages {
		d := load(t, path)
		for _, m := range links.FindAllStringSubmatch(d.prose(), -1) {
			file, fragment, _ := strings.Cut(m[1], "#")
			if strings.Contains(m[1], "://") {
				continue // not ours
			}
			target := path
			if file != "" {
				target = filepath.ToSlash(filepath.Join(filepath.Dir(path), filepath.FromSlash(file)))
			}
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(target))); err != nil {
				t.Errorf("%s links to %s, which is not there", path, m[1])
				continue
			}
			if fragment != "" && !load(t, target).anchors()[fragment] {
				t.Errorf("%s links to %s, which has no such heading", path, m[1])
			}
		}
	}
}

func TestREADMELength(t *testing.T) {
	t.Parallel()
	const limit = 150
	if n := len(load(t, "README.md").lines) - 1; n > limit {
		t.Errorf("README.md has %d lines, over %d: move details to a page in docs", n, limit)
	}
}

func TestExampleList(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir(filepath.Join(testenv.Root(t), "examples"))
	if err != nil {
		t.Fatal(err)
	}
	text := load(t, "examples/README.md").prose()
	for _, e := range entries {
		if e.Name() != "README.md" && !strings.Contains(text, "]("+e.Name()+")") {
			t.Errorf("examples/README.md does not list %s", e.Name())
		}
	}
}

package interop

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"schoolbell/internal/testenv"
)

// examples is the folder of the programs that docs/bullmq.md shows.
func examples(t testing.TB) string {
	t.Helper()
	return filepath.Join(testenv.Root(t), "examples", "bullmq")
}

func TestExample(t *testing.T) {
	t.Parallel()
	t.Run("jobs run in both directions", testExampleRuns)
	t.Run("the guide shows its code", testExampleInGuide)
}

func testExampleRuns(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		host, port, err := net.SplitHostPort(r.addr)
		r.ok(err)
		modules := r.TempDir() // where require finds this major as "bullmq"
		installed, err := filepath.Abs(filepath.Join("node_modules", fmt.Sprint("bullmq", r.major)))
		r.ok(err)
		r.ok(os.Symlink(installed, filepath.Join(modules, "bullmq")))
		env := testenv.ProgramOptions{Env: []string{"REDIS_HOST=" + host, "REDIS_PORT=" + port, "NODE_PATH=" + modules}}
		node, inGo := testenv.Node(r.T, "."), testenv.Build(r.T, "./examples/bullmq")
		js := func(file string) string { return filepath.Join(examples(r.T), file) }

		goWorker := testenv.StartProgram(r.T, env, inGo, "work", "welcome")
		goWorker.Await("the Go worker waits for jobs\n")
		says(r, testenv.StartProgram(r.T, env, node, js("producer.cjs"), "welcome", "ada@example.org"), "job 1: Go welcomes ada@example.org\n")

		nodeWorker := testenv.StartProgram(r.T, env, node, js("worker.cjs"), "farewell")
		nodeWorker.Await("the Node worker waits for jobs\n")
		says(r, testenv.StartProgram(r.T, env, inGo, "add", "farewell", "ada@example.org"), "job 1: Node says farewell to ada@example.org\n")

		for name, worker := range map[string]*testenv.Program{"Go": goWorker, "Node": nodeWorker} {
			worker.Stop()
			if status := worker.Exit(patience); status != 0 {
				r.Errorf("the %s worker ended with status %d:\n%s", name, status, worker.Output())
			}
		}
	})
}

// says waits for the good end of a program and compares what it printed.
func says(r *rig, p *testenv.Program, want string) {
	r.Helper()
	if status, got := p.Exit(patience), p.Output(); status != 0 || got != want {
		r.Errorf("status %d and %q, want 0 and %q", status, got, want)
	}
}

func testExampleInGuide(t *testing.T) {
	t.Parallel()
	files := map[string]string{"go": "main.go", "js": "producer.cjs worker.cjs"}
	guide, err := os.ReadFile(filepath.Join(testenv.Root(t), "docs", "bullmq.md"))
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for i, part := range strings.Split(string(guide), "```") {
		language, piece, _ := strings.Cut(part, "\n")
		if i%2 == 0 || files[language] == "" {
			continue
		}
		shown++
		found := false
		for _, file := range strings.Fields(files[language]) {
			text, err := os.ReadFile(filepath.Join(examples(t), file))
			if err != nil {
				t.Fatal(err)
			}
			found = found || strings.Contains(flat(string(text)), flat(piece))
		}
		if !found {
			t.Errorf("none of %s has\n%s", files[language], piece)
		}
	}
	if shown != 4 {
		t.Errorf("the guide shows %d pieces, want 4", shown)
	}
}

// flat is a text without its indentation.
func flat(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return strings.Join(lines, "\n")
}

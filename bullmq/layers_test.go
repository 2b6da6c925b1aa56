package bullmq_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// layers are the files of the package, from the bottom up. A file may use what its own layer
// and those below declare.
var layers = [][]string{
	{"doc", "errors", "unavailable", "wait"},
	{"options", "optionscodec", "dedup", "schedule", "validate"}, // what callers say
	{"job", "decode", "queue", "server", "call", "telemetry"},    // a queue, its jobs and its server
	{"read"}, // reading a job
	{"add", "addmany", "flow", "flowread", "flowtrace", "scheduler", "schedulers", "repeatable", // adding jobs
		"page", "all", "dependencies", "metrics", "events", "eventtypes", "waitfinished", // reading many
		"jobchange", "manage", "dedupkey", "orphans", "damage"}, // changing and removing them
	{"worker", "health", "slots", "inflight", "backoff"}, // what a worker consists of
	{"run", "keeplocks", "waker", "process", "runtrace", "outcome", "finish", "decision", "iteration", // what it does
		"running", "cancel", "fetch", "mux", "typed"}, // what a handler and its program see of it
}

// upward are the uses of a higher layer, with their reasons.
var upward = map[string]string{
	"job worker":         "a job that is being run knows its worker",
	"queue add":          "a queue combines the jobs that several callers add",
	"queue addmany":      "a queue combines the jobs that several callers add",
	"queue waitfinished": "the waiting callers of a queue share one reader of its events",
	"worker run":         "a worker cancels the jobs of its run",
}

func TestLayers(t *testing.T) {
	t.Parallel()
	rank := map[string]int{}
	for i, layer := range layers {
		for _, file := range layer {
			rank[file] = i
		}
	}
	files, uses := fileUses(t)
	for _, file := range files {
		if _, known := rank[file]; !known {
			t.Errorf("%s.go is in no layer", file)
		}
	}
	for file := range rank {
		if !slices.Contains(files, file) {
			t.Errorf("layers name %s.go, which does not exist", file)
		}
	}
	excused := maps.Clone(upward)
	for use, names := range uses {
		from, to, _ := strings.Cut(use, " ")
		if rank[to] <= rank[from] {
			continue
		}
		if excused[use] == "" {
			t.Errorf("%s.go uses %s of %s.go, which is in a higher layer: move the declaration, or say in upward why", from, strings.Join(names, ", "), to)
		}
		delete(excused, use)
	}
	for use := range excused {
		t.Errorf("upward excuses %q, which is not needed", use)
	}
}

// fileUses type-checks the package and returns its files, and what each uses of another one, by
// "from to". Names are without ".go".
func fileUses(t *testing.T) (names []string, uses map[string][]string) {
	t.Helper()
	fset := token.NewFileSet()
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files, names = append(files, file), append(names, strings.TrimSuffix(path, ".go"))
	}
	exports := exportData(t)
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })}
	info := types.Info{Uses: map[*ast.Ident]types.Object{}}
	pkg, err := config.Check("schoolbell/bullmq", fset, files, &info)
	if err != nil {
		t.Fatal(err)
	}
	fileOf := func(p token.Pos) string { return strings.TrimSuffix(filepath.Base(fset.Position(p).Filename), ".go") }
	uses = map[string][]string{}
	for ident, object := range info.Uses {
		if object.Pkg() != pkg || !object.Pos().IsValid() {
			continue
		}
		from, to := fileOf(ident.Pos()), fileOf(object.Pos())
		if key := from + " " + to; from != to && !slices.Contains(uses[key], object.Name()) {
			uses[key] = append(uses[key], object.Name())
		}
	}
	return names, uses
}

// exportData returns the files with the compiled declarations of all packages that this one
// imports.
func exportData(t *testing.T) map[string]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Export", ".").Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr(err))
	}
	exports := map[string]string{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct{ ImportPath, Export string }
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return exports
		} else if err != nil {
			t.Fatal(err)
		}
		exports[p.ImportPath] = p.Export
	}
}

package bullmq_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"schoolbell/bullmq/redistest"
)

// program is a program in a module of its own, outside this repository.
type program struct {
	t   *testing.T
	dir string
}

// newProgram writes the module: a program, and a go.mod that finds this module in its folder.
func newProgram(t *testing.T, source string) program {
	t.Helper()
	here, err := filepath.Abs(".")
	ok(t, err)
	sums, err := os.ReadFile("go.sum")
	ok(t, err)
	p := program{t, t.TempDir()}
	p.write("go.mod", "module example.org/school\n\ngo 1.26.0\n\nrequire schoolbell/bullmq v0.0.0\n\nreplace schoolbell/bullmq => "+here+"\n")
	p.write("go.sum", string(sums))
	p.write("main.go", source)
	return p
}

func (p program) write(name, text string) {
	p.t.Helper()
	ok(p.t, os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600))
}

// run runs a command in the module's folder, without a proxy: all that the program needs
// is what this module needs.
func (p program) run(env []string, name string, args ...string) string {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), name, args...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), append(env, "GOPROXY=off", "GOWORK=off", "GOFLAGS=-mod=mod")...)
	out, err := cmd.Output()
	if err != nil {
		p.t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, stderr(err))
	}
	return string(out)
}

func stderr(err error) string {
	if exit, is := err.(*exec.ExitError); is {
		return string(exit.Stderr)
	}
	return ""
}

// modules lists the modules from which packages are built, the standard library left out.
func (p program) modules(packages string) []string {
	p.t.Helper()
	list := strings.Fields(p.run(nil, "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", packages))
	slices.Sort(list)
	return slices.Compact(list)
}

// blocks are the code blocks of a language in this module's README.
func blocks(t *testing.T, language string) []string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	ok(t, err)
	var found []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		found = append(found, m[1])
	}
	return found
}

func TestModule(t *testing.T) {
	t.Parallel()
	t.Run("a program of another module needs go-redis only", testModuleNeedsGoRedisOnly)
}

func testModuleNeedsGoRedisOnly(t *testing.T) {
	t.Parallel()
	p := newProgram(t, blocks(t, "go")[0])
	p.run(nil, "go", "build", "-o", "school", ".")
	got := p.run([]string{"REDIS_ADDR=" + redistest.Addr(t)}, "./school")
	if diff := cmp.Diff(blocks(t, "text")[0], got); diff != "" {
		t.Errorf("the program of README.md (-README +printed):\n%s", diff)
	}

	want := append(p.modules("github.com/redis/go-redis/v9"), "example.org/school", "schoolbell/bullmq")
	slices.Sort(want)
	if diff := cmp.Diff(want, p.modules(".")); diff != "" {
		t.Errorf("modules of the program (-go-redis and ours +program):\n%s", diff)
	}
}

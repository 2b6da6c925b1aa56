package docs_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"schoolbell/internal/testenv"
)

const (
	patience = 5 * time.Minute // for all blocks of a page on a slow machine
	mark     = "\x1e"          // stands between the outputs of blocks

	shownAddr = "127.0.0.1:8080" // where the pages have the server
)

// playground is a folder as a reader has it after `make build`: bin and examples.
type playground struct {
	dir, addr string
	env       []string
}

func newPlayground(t *testing.T, env ...string) *playground {
	t.Helper()
	dir, root := t.TempDir(), testenv.Root(t)
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	for to, from := range map[string]string{"bin/schoolbell": testenv.Binary(t), "examples": filepath.Join(root, "examples")} {
		if err := os.Symlink(from, filepath.Join(dir, filepath.FromSlash(to))); err != nil {
			t.Fatal(err)
		}
	}
	p := &playground{dir: dir, addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(testenv.FreePort(t)))}
	p.env = append([]string{"PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + os.TempDir(),
		"HTTP_ADDR=" + p.addr, "SCHOOLBELL_URL=http://" + p.addr}, env...)
	return p
}

// here turns what the pages say into what is true of this playground, there does the reverse.
func (p *playground) here(text string) string  { return strings.ReplaceAll(text, shownAddr, p.addr) }
func (p *playground) there(text string) string { return strings.ReplaceAll(text, p.addr, shownAddr) }

// result is what one block did.
type result struct {
	output  string
	status  int      // exit status of its last command
	answers []string // the head of each answer that curl got
}

// shell lets curl note the heads of answers, shows no meter, and ends what
// was started when the last block is done.
const shell = `
curl() {
	local status
	: > .head
	command curl -s -D .head "$@"
	status=$?
	cat .head >> .heads
	return $status
}
trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT
`

// run runs the blocks in one shell.
func (p *playground) run(t *testing.T, blocks []block) []result {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Fatal("curl is needed to try the examples")
	}
	var script strings.Builder
	script.WriteString(shell)
	for i, b := range blocks {
		fmt.Fprintf(&script, ": > .heads\n%sprintf '%s%%d%s' $?; cp .heads .heads-%d\n", p.here(b.text), mark, mark, i)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", script.String())
	cmd.Dir, cmd.Env = p.dir, p.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) } // also what the shell started
	cmd.WaitDelay = 30 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	pieces := strings.Split(out.String(), mark) // output, status, output, status, …, rest
	if len(pieces) != 2*len(blocks)+1 {
		t.Fatalf("the shell ended after %d of %d blocks: %v\n%s", len(pieces)/2, len(blocks), err, out.String())
	}
	results := make([]result, len(blocks))
	for i := range blocks {
		results[i].output = p.there(pieces[2*i])
		results[i].status, _ = strconv.Atoi(pieces[2*i+1])
		heads, err := os.ReadFile(filepath.Join(p.dir, fmt.Sprintf(".heads-%d", i)))
		if err != nil {
			t.Fatal(err)
		}
		for head := range strings.SplitSeq(strings.ReplaceAll(string(heads), "\r\n", "\n"), "\n\n") {
			if strings.HasPrefix(head, "HTTP/") && !strings.Contains(head, " 100 ") {
				results[i].answers = append(results[i].answers, head)
			}
		}
	}
	return results
}

// headsShown are the headers that pages show.
var headsShown = regexp.MustCompile(`(?mi)^(HTTP/|(content-type|location|idempotency-replayed|retry-after|www-authenticate|allow): )`)

// asShown writes what a block did as its output block shows it.
func (r result) asShown(t *testing.T, kind string) string {
	t.Helper()
	switch kind {
	case "http output":
		if len(r.answers) != 1 {
			t.Fatalf("%d answers where the page shows one:\n%s", len(r.answers), r.output)
		}
		var head strings.Builder
		for line := range strings.Lines(r.answers[0] + "\n") {
			if headsShown.MatchString(line) {
				head.WriteString(line)
			}
		}
		if r.output == "" {
			return head.String()
		}
		return head.String() + "\n" + pretty(r.output)
	case "json output":
		return pretty(r.output)
	}
	return r.output
}

// pagesRun are the pages whose blocks are run.
var pagesRun = []string{"README.md", "docs/commands.md", "docs/api.md", "docs/preferences.md", "docs/calendar.md", "docs/operations.md"}

func TestPages(t *testing.T) {
	for _, path := range pagesRun {
		t.Run(filepath.Base(path), func(t *testing.T) {
			if !*update { // which writes README.md, as the demo does
				t.Parallel()
			}
			d := load(t, path)
			var run, outputs []block // an output's place is that of its run
			for _, b := range d.blocks() {
				switch {
				case b.info == "sh run":
					run, outputs = append(run, b), append(outputs, block{})
				case strings.HasSuffix(b.info, " output"):
					outputs[len(run)-1] = b
				}
			}
			if len(run) == 0 {
				t.Fatal("no block of this page is run")
			}
			results := newPlayground(t).run(t, run)
			differs := false
			for i, r := range results {
				differs = check(t, d, run[i], outputs[i], r) || differs
			}
			if *update && differs {
				for i := len(run) - 1; i >= 0; i-- { // from the end, so that lines above stay where they are
					results[i].show(t, d, outputs[i])
				}
				d.save(t)
			}
		})
	}
}

// check tells whether a page shows something else than what a block did, which is
// an error unless it is about to be rewritten.
func check(t *testing.T, d *document, b, output block, r result) (differs bool) {
	t.Helper()
	where := fmt.Sprintf("%s:%d", d.path, b.from+1)
	if cut := r.status == 28 && strings.Contains(b.text, "--max-time"); r.status != 0 && !cut {
		t.Errorf("%s: the last command ended with %d:\n%s", where, r.status, r.output)
	}
	if output.info != "http output" { // which shows the status
		for _, head := range r.answers {
			if !strings.HasPrefix(head, "HTTP/1.1 2") {
				t.Errorf("%s: an answer that the page does not show: %s\n%s", where, head, r.output)
			}
		}
	}
	if output.info == "" {
		return false
	}
	got := r.asShown(t, output.info)
	if stable(got) == stable(output.text) {
		return false
	}
	if !*update {
		t.Errorf("%s: the page shows\n%s\nthe program says\n%s\ncompared: %s\nwith:     %s", where, output.text, got, stable(output.text), stable(got))
	}
	return true
}

// show writes what a block did into its output block.
func (r result) show(t *testing.T, d *document, output block) {
	t.Helper()
	if output.info != "" {
		d.replace(output.from, output.to, r.asShown(t, output.info))
	}
}

func TestDemoOutput(t *testing.T) {
	d := load(t, "README.md")
	var shown block
	for _, b := range d.blocks() {
		if b.info == "text demo" {
			shown = b
		}
	}
	users := "300"
	if *update {
		users = "10000"
	} else {
		t.Parallel()
	}
	out, err := exec.CommandContext(t.Context(), testenv.Binary(t), "demo", "--users", users).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got, want := string(out), shown.text
	numbers := regexp.MustCompile(`[0-9][0-9,.]*`)
	shape := func(s string) string { return numbers.ReplaceAllString(stable(s), "N") }
	if shape(got) == shape(want) {
		return
	}
	if !*update {
		t.Errorf("README.md shows\n%s\nthe demo prints\n%s", want, got)
		return
	}
	d.replace(shown.from, shown.to, got)
	d.save(t)
}

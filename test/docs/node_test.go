package docs_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"schoolbell/internal/testenv"
)

const key = "a-key-of-the-documents"

// system is a server and a worker on a Redis of their own, with one event delivered.
type system struct {
	*playground
	redisHost, redisPort string
	event                string // its id
}

func newSystem(t *testing.T) *system {
	t.Helper()
	host, port, err := net.SplitHostPort(testenv.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	s := &system{redisHost: host, redisPort: port}
	s.playground = newPlayground(t, "REDIS_HOST="+host, "REDIS_PORT="+port, "SCHOOLBELL_API_KEY="+key, "MAIL_CATCHER_ADDR=127.0.0.1:0")
	bin := testenv.Binary(t)
	for command, word := range map[string]string{"serve": "serves http", "worker": "waits for jobs"} {
		testenv.StartProgram(t, testenv.ProgramOptions{Dir: s.dir, Env: s.env, Bare: true}, bin, command).Await(word)
	}
	s.do(t, "schoolbell user import examples/people.csv")
	line, _, _ := strings.Cut(s.do(t, "schoolbell event create --file examples/event.json --watch --json"), "\n")
	var created struct{ ID string }
	if err := json.Unmarshal([]byte(line), &created); err != nil {
		t.Fatal(err)
	}
	s.event = created.ID
	return s
}

// do runs a line of shell.
func (s *system) do(t *testing.T, line string, env ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-c", line)
	cmd.Dir, cmd.Env = s.dir, append(s.env, env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

// nodeEnv lets Node find BullMQ.
func nodeEnv(t *testing.T) (node string, env []string) {
	t.Helper()
	folder := filepath.Join(testenv.Root(t), "bench", "peer")
	return testenv.Node(t, folder), []string{"NODE_PATH=" + filepath.Join(folder, "node_modules")}
}

func TestNodeSnippets(t *testing.T) {
	t.Parallel()
	node, env := nodeEnv(t)
	d := load(t, "docs/migrating.md")
	var outputs []block
	var script strings.Builder
	s := newSystem(t)
	fmt.Fprintf(&script, "(async () => {\nconst event = { id: %q };\n", s.event)
	for _, b := range d.blocks() {
		switch {
		case b.info == "js run":
			outputs = append(outputs, block{})
			text := strings.ReplaceAll(b.text, "host: 'localhost', port: 6379", fmt.Sprintf("host: '%s', port: %s", s.redisHost, s.redisPort))
			fmt.Fprintf(&script, "%sprocess.stdout.write(%q);\n", text, mark)
		case strings.HasSuffix(b.info, " output"):
			outputs[len(outputs)-1] = b
		}
	}
	script.WriteString("})().catch((error) => { console.error(error); process.exitCode = 1; });\n")
	file := filepath.Join(s.dir, "snippets.cjs")
	if err := os.WriteFile(file, []byte(script.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	pieces := strings.Split(s.do(t, fmt.Sprintf("'%s' '%s'", node, file), env...), mark)
	if len(pieces) != len(outputs)+1 || len(outputs) < 5 {
		t.Fatalf("%d snippets said %q", len(outputs), pieces)
	}
	differs := false
	for i := range outputs {
		differs = check(t, d, block{from: outputs[i].from}, outputs[i], result{output: pieces[i]}) || differs
	}
	if *update && differs {
		for i := len(outputs) - 1; i >= 0; i-- {
			result{output: pieces[i]}.show(t, d, outputs[i])
		}
		d.save(t)
	}
}

func TestExamples(t *testing.T) {
	t.Parallel()
	node, env := nodeEnv(t)
	s := newSystem(t)
	for name, c := range map[string]struct {
		line string
		env  []string
		want string // a pattern
	}{
		"people as NDJSON": {line: "schoolbell user import examples/people.ndjson", want: `^3 imported, 0 updated, 0 rejected\n$`},
		"notify.sh": {line: `examples/notify.sh examples/people.csv 'Sports "day"' $'On Friday\nat nine.'`,
			want: `"updated":3,"rejected":0(?s).*"percent":100\n(?s).*"status":"completed","title":"Sports \\"day\\"","body":"On Friday\\nat nine\."`},
		"read-queues.cjs": {line: fmt.Sprintf("'%s' examples/read-queues.cjs %s", node, s.event), env: env,
			want: `^event-notifications \{(?s).*completed: [1-9](?s).*event-notifications-email \{(?s).*completed: 0(?s).*` + s.event + ` completed \{\s*percent: 100`},
	} {
		t.Run(name, func(t *testing.T) {
			if out := s.do(t, c.line, c.env...); !regexp.MustCompile(c.want).MatchString(out) {
				t.Errorf("it said\n%s\nwant %s", out, c.want)
			}
		})
	}
}

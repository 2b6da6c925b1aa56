package deploy

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/joho/godotenv"

	"schoolbell/internal/config"
	"schoolbell/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// composeOnly are names that compose.yaml itself reads; the program does not.
var composeOnly = []string{"POSTGRES_PASSWORD", "SCHOOLBELL_PORT", "SCHOOLBELL_VERSION"}

// read returns a file, named from the root of the repository.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testenv.Root(t), filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// settings returns every name the program reads from the environment, by name.
func settings() map[string]config.Setting {
	known := make(map[string]config.Setting)
	for _, s := range config.Settings() {
		for _, name := range append([]string{s.Env}, s.Aliases...) {
			known[name] = s
			if s.Secret {
				known[name+"_FILE"] = s
			}
		}
	}
	return known
}

// checkSetting fails the test unless the program reads name.
func checkSetting(t *testing.T, where, name string) {
	t.Helper()
	if _, ok := settings()[name]; !ok {
		t.Errorf("%s sets %s, which is no setting of the program", where, name)
	}
}

// grace is how long the program takes to stop at the default settings.
func grace(t *testing.T) time.Duration {
	t.Helper()
	d, err := config.ParseDuration(settings()["SHUTDOWN_GRACE"].Default, "s")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// checkCommand fails the test unless the program has this command with these flags.
func checkCommand(t *testing.T, where string, args ...string) {
	t.Helper()
	if len(args) == 0 {
		t.Errorf("%s runs the program without a command", where)
		return
	}
	if err := understands(testenv.Binary(t), args); err != nil {
		t.Errorf("%s runs schoolbell %s: %v", where, strings.Join(args, " "), err)
	}
}

// understands asks for the help of the command: it has to be about this command
// and name every flag used.
func understands(bin string, args []string) error {
	out, err := exec.Command(bin, args[0], "--help").CombinedOutput()
	if err != nil {
		return errors.New("no such command: " + strings.TrimSpace(string(out)))
	}
	if !strings.HasPrefix(string(out), "Usage: schoolbell "+args[0]+" ") {
		return errors.New("its help is about something else")
	}
	for _, arg := range args[1:] {
		if name, _, _ := strings.Cut(arg, "="); !regexp.MustCompile(`(^|\s)` + regexp.QuoteMeta(name) + `\b`).Match(out) {
			return errors.New("its help does not know " + name)
		}
	}
	return nil
}

func TestUnknownCommands(t *testing.T) {
	t.Parallel()
	bin := testenv.Binary(t)
	for _, args := range [][]string{{"sreve"}, {"serve", "--no-such-flag"}} {
		if err := understands(bin, args); err == nil {
			t.Errorf("schoolbell %v passes", args)
		}
	}
}

func TestEnvExample(t *testing.T) {
	t.Parallel()
	text := read(t, ".env.example")
	active, err := godotenv.Unmarshal(text)
	if err != nil {
		t.Fatal(err)
	}
	if len(active) > 0 {
		t.Errorf("copied as it is, the file changes something: %v", active)
	}
	// With the # taken away it has to be a valid file of defaults.
	named, err := godotenv.Unmarshal(regexp.MustCompile(`(?m)^#([A-Z])`).ReplaceAllString(text, "$1"))
	if err != nil {
		t.Fatal(err)
	}
	known := settings()
	for name, value := range named {
		s, ok := known[name]
		switch {
		case slices.Contains(composeOnly, name):
		case !ok:
			checkSetting(t, ".env.example", name)
		case value != s.Default:
			t.Errorf("%s=%s, but the default is %q", name, value, s.Default)
		}
	}
	for _, s := range config.Settings() {
		if _, ok := named[s.Env]; !ok {
			t.Errorf("%s (%s) is missing", s.Env, s.Help)
		}
		if s.Secret && !strings.Contains(text, s.Env+"_FILE") {
			t.Errorf("%s is a secret, and %s_FILE is not named", s.Env, s.Env)
		}
	}
}

func TestPM2(t *testing.T) {
	t.Parallel()
	node := testenv.Node(t, "")
	root := testenv.Root(t)
	file := filepath.Join(root, "deploy", "ecosystem.config.cjs")
	cmd := exec.Command(node, "-p", "JSON.stringify(require(process.argv[1]).apps)", file)
	cmd.Env = append(os.Environ(), "SCHOOLBELL_WORKERS=3")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node cannot read it: %v", err)
	}
	var apps []struct {
		Name, Cwd, Script, Args, Interpreter string
		Instances                            int
		KillTimeout                          int `json:"kill_timeout"` // ms
	}
	if err := json.Unmarshal(out, &apps); err != nil {
		t.Fatal(err)
	}
	names := map[string]int{}
	for _, app := range apps {
		names[app.Name] = app.Instances
		checkCommand(t, app.Name, strings.Fields(app.Args)...)
		if app.Cwd != root || app.Script != filepath.Join(root, "bin", "schoolbell") || app.Interpreter != "none" {
			t.Errorf("%s runs %q with %q in %q", app.Name, app.Script, app.Interpreter, app.Cwd)
		}
		if wait := time.Duration(app.KillTimeout) * time.Millisecond; wait <= grace(t) {
			t.Errorf("%s is killed after %v, before the %v it may take to stop", app.Name, wait, grace(t))
		}
	}
	if _, ok := names["schoolbell-serve"]; !ok || names["schoolbell-worker"] != 3 {
		t.Errorf("apps and instances: %v", names)
	}
}

// TestHealthCheck runs the command of the health checks, as
// Docker would, against a server that is there and one that is not.
func TestHealthCheck(t *testing.T) {
	t.Parallel()
	check := func(addr string) error {
		cmd := exec.Command(testenv.Binary(t), "doctor", "--live")
		cmd.Dir = t.TempDir()
		cmd.Env = []string{"HTTP_ADDR=" + addr}
		return cmd.Run()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var dead atomic.Bool
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/livez" || dead.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	if err := check(l.Addr().String()); err != nil {
		t.Errorf("a live server: %v", err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if err := check("0.0.0.0:" + port); err != nil {
		t.Errorf("a live server that listens on all addresses: %v", err)
	}
	dead.Store(true)
	if err := check(l.Addr().String()); err == nil {
		t.Error("a server that says 503 passes for alive")
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	<-served
	if err := check(l.Addr().String()); err == nil {
		t.Error("a server that is gone passes for alive")
	}
}

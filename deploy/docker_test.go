package deploy

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"schoolbell/internal/testenv"
)

// instruction is one of a Dockerfile: its name and the rest, continuation lines joined.
type instruction struct{ name, args string }

func dockerfile(t *testing.T) (out []instruction) {
	t.Helper()
	text := regexp.MustCompile(`(?m)^\s*#.*\n`).ReplaceAllString(read(t, "Dockerfile"), "")
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\\\n", " "), "\n") {
		name, args, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name != "" {
			out = append(out, instruction{name, strings.TrimSpace(args)})
		}
	}
	return out
}

// exec reads the JSON form of a command: the other one needs a shell, which the image lacks.
func (i instruction) exec(t *testing.T) []string {
	t.Helper()
	var args []string
	_, array, _ := strings.Cut(i.args, "[")
	if err := json.Unmarshal([]byte("["+array), &args); err != nil {
		t.Errorf("%s %s is not in the exec form: %v", i.name, i.args, err)
	}
	return args
}

func TestDockerfile(t *testing.T) {
	t.Parallel()
	known := []string{"FROM", "WORKDIR", "COPY", "RUN", "ARG", "ENV", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
	final := map[string]instruction{} // the last of each kind in the last stage
	stages := 0
	for _, i := range dockerfile(t) {
		if !slices.Contains(known, i.name) {
			t.Errorf("unknown instruction %q", i.name)
		}
		if i.name == "FROM" {
			stages++
			clear(final)
		}
		final[i.name] = i
	}
	if stages != 2 || final["FROM"].args != "scratch" {
		t.Errorf("%d stages, the last from %q; want a build stage and scratch", stages, final["FROM"].args)
	}
	if user := final["USER"].args; !regexp.MustCompile(`^[1-9][0-9]*:[1-9][0-9]*$`).MatchString(user) {
		t.Errorf("USER %q: want numbers other than root's, which Kubernetes can check", user)
	}
	if final["EXPOSE"].args != "8080" || final["VOLUME"].args != "/data" {
		t.Errorf("EXPOSE %s, VOLUME %s", final["EXPOSE"].args, final["VOLUME"].args)
	}
	for _, pair := range strings.Fields(final["ENV"].args) {
		if name, _, _ := strings.Cut(pair, "="); name != "PATH" {
			checkSetting(t, "Dockerfile", name)
		}
	}
	entry := final["ENTRYPOINT"].exec(t)
	checkCommand(t, "Dockerfile", append(entry[1:], final["CMD"].exec(t)...)...)
	health := final["HEALTHCHECK"].exec(t)
	if health[0] != entry[0] {
		t.Errorf("the health check runs %s, the entry point %s", health[0], entry[0])
	}
	checkCommand(t, "HEALTHCHECK", health[1:]...)
}

// The Dockerfile copies the whole folder: what must not get into an image, or would
// spoil its cache, is kept out by name.
func TestDockerignore(t *testing.T) {
	t.Parallel()
	lines := strings.Split(read(t, ".dockerignore"), "\n")
	for _, name := range []string{".env", ".git", "data", "bin", "**/node_modules"} {
		if !slices.Contains(lines, name) {
			t.Errorf(".dockerignore lacks %s", name)
		}
	}
}

type compose struct {
	Services map[string]service        `yaml:"services"`
	Volumes  map[string]map[string]any `yaml:"volumes"`
	X1       any                       `yaml:"x-schoolbell"`
	X2       any                       `yaml:"x-environment"`
}

type service struct {
	Image           string            `yaml:"image"`
	Build           map[string]any    `yaml:"build"`
	Command         []string          `yaml:"command"`
	Environment     map[string]string `yaml:"environment"`
	EnvFile         []map[string]any  `yaml:"env_file"`
	Ports           []string          `yaml:"ports"`
	Volumes         []string          `yaml:"volumes"`
	Restart         string            `yaml:"restart"`
	StopGracePeriod string            `yaml:"stop_grace_period"`
	MemLimit        string            `yaml:"mem_limit"`
	PidsLimit       int               `yaml:"pids_limit"`
	ReadOnly        bool              `yaml:"read_only"`
	Tmpfs           []string          `yaml:"tmpfs"`
	CapDrop         []string          `yaml:"cap_drop"`
	SecurityOpt     []string          `yaml:"security_opt"`
	Deploy          struct {
		Replicas int `yaml:"replicas"`
	} `yaml:"deploy"`
	Healthcheck struct {
		Test        []string `yaml:"test"`
		Interval    string   `yaml:"interval"`
		Timeout     string   `yaml:"timeout"`
		StartPeriod string   `yaml:"start_period"`
		Retries     int      `yaml:"retries"`
		Disable     bool     `yaml:"disable"`
	} `yaml:"healthcheck"`
	DependsOn map[string]struct {
		Condition string `yaml:"condition"`
	} `yaml:"depends_on"`
}

func readCompose(t *testing.T) compose {
	t.Helper()
	var c compose
	dec := yaml.NewDecoder(strings.NewReader(read(t, "compose.yaml")))
	dec.KnownFields(true) // a misspelt key is an error, not a silence
	if err := dec.Decode(&c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCompose(t *testing.T) {
	t.Parallel()
	t.Run("services run known commands with known settings", testComposeServices)
	t.Run("memory and tasks are limited", testComposeLimits)
	t.Run("services start in order of their dependencies", testComposeOrder)
	t.Run("the first API key is where the comment says", testComposeFirstKey)
	t.Run("variables are listed in .env.example", testComposeVariables)
}

func testComposeServices(t *testing.T) {
	t.Parallel()
	c := readCompose(t)
	if got, want := slices.Sorted(maps.Keys(c.Services)), []string{"migrate", "postgres", "redis", "serve", "worker"}; !slices.Equal(got, want) {
		t.Fatalf("services %v, want %v", got, want)
	}
	for _, name := range []string{"migrate", "serve", "worker"} {
		s := c.Services[name]
		checkCommand(t, name, s.Command...)
		for env := range s.Environment {
			checkSetting(t, "service "+name, env)
		}
		for _, env := range []string{"REDIS_HOST", "DATABASE_URL"} {
			if s.Environment[env] == "" {
				t.Errorf("%s has no %s", name, env)
			}
		}
		if stop, err := time.ParseDuration(s.StopGracePeriod); err != nil || stop <= grace(t) {
			t.Errorf("%s is killed after %q, before the %v it may take to stop", name, s.StopGracePeriod, grace(t))
		}
		if !s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") {
			t.Errorf("%s is not locked down", name)
		}
	}
	for _, name := range []string{"serve", "worker"} {
		health := c.Services[name].Healthcheck.Test
		if len(health) < 3 || health[0] != "CMD" {
			t.Errorf("health check of %s: %v; the image has no shell", name, health)
			continue
		}
		checkCommand(t, "health check of "+name, health[2:]...)
	}
	worker := c.Services["worker"]
	if worker.Deploy.Replicas != 2 || worker.Environment["METRICS_ADDR"] != worker.Environment["HTTP_ADDR"] {
		t.Errorf("worker: %d replicas, METRICS_ADDR %q, but the health check asks at %q", worker.Deploy.Replicas,
			worker.Environment["METRICS_ADDR"], worker.Environment["HTTP_ADDR"])
	}
	redis := strings.Join(c.Services["redis"].Command, " ")
	for _, part := range []string{"--appendonly yes", "--maxmemory-policy noeviction"} {
		if !strings.Contains(redis, part) {
			t.Errorf("redis runs without %s", part)
		}
	}
}

func testComposeLimits(t *testing.T) {
	t.Parallel()
	for name, s := range readCompose(t).Services {
		if !regexp.MustCompile(`^[1-9][0-9]*[mg]$`).MatchString(s.MemLimit) || s.PidsLimit < 100 || s.PidsLimit > 1000 {
			t.Errorf("%s: mem_limit %q, pids_limit %d", name, s.MemLimit, s.PidsLimit)
		}
	}
	redis := readCompose(t).Services["redis"]
	limit := regexp.MustCompile(`--maxmemory (\d+)mb`).FindStringSubmatch(strings.Join(redis.Command, " "))
	if limit == nil {
		t.Fatal("redis runs without --maxmemory: the system would end it instead of refusing writes")
	}
	most, err := strconv.Atoi(limit[1])
	if want := fmt.Sprintf("%dm", 2*most); err != nil || redis.MemLimit != want {
		t.Errorf("redis: mem_limit %s, want %s: twice maxmemory", redis.MemLimit, want)
	}
}

func testComposeOrder(t *testing.T) {
	t.Parallel()
	c := readCompose(t)
	for name, s := range c.Services {
		for on, d := range s.DependsOn {
			other, ok := c.Services[on]
			switch {
			case !ok:
				t.Errorf("%s depends on %s, which is not there", name, on)
			case d.Condition == "service_healthy" && len(other.Healthcheck.Test) == 0:
				t.Errorf("%s waits for the health of %s, which has no check", name, on)
			case d.Condition == "service_completed_successfully" && other.Restart != "no":
				t.Errorf("%s waits for the end of %s, which restarts", name, on)
			case d.Condition == "":
				t.Errorf("%s does not say what it waits for in %s", name, on)
			}
		}
		for _, mount := range s.Volumes {
			if volume, _, _ := strings.Cut(mount, ":"); c.Volumes[volume] == nil {
				t.Errorf("%s mounts %s, which is not declared", name, volume)
			}
		}
	}
	for _, name := range []string{"serve", "worker"} {
		for _, on := range []string{"migrate", "redis", "postgres"} {
			if _, ok := c.Services[name].DependsOn[on]; !ok {
				t.Errorf("%s does not wait for %s", name, on)
			}
		}
	}
}

// The first key is where the comment says: a server with the folder of compose.yaml
// writes it there under such a name.
func testComposeFirstKey(t *testing.T) {
	t.Parallel()
	folder := readCompose(t).Services["serve"].Environment["DATA_DIR"]
	dir := t.TempDir()
	serve := testenv.StartProgram(t, testenv.ProgramOptions{Bare: true, Env: []string{"DATA_DIR=" + dir, "HTTP_ADDR=127.0.0.1:0"}}, testenv.Binary(t), "serve")
	serve.Await("API key, written to " + dir + "/api-key-")
	serve.Stop()
	files, err := filepath.Glob(filepath.Join(dir, "api-key-*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("key files %v, %v", files, err)
	}
	digits := regexp.MustCompile(`[0-9a-f]`)
	want := digits.ReplaceAllString(strings.TrimPrefix(filepath.Base(files[0]), "api-key-"), "#")
	for _, name := range []string{"compose.yaml", "docs/operations.md"} {
		found := regexp.MustCompile(`docker compose cp serve:(\S+)/api-key-(\S+) - \| tar -xO`).FindStringSubmatch(read(t, name))
		if found == nil || found[1] != folder || digits.ReplaceAllString(found[2], "#") != want {
			t.Errorf("%s has %q, want the form of %s in %s", name, found, files[0], folder)
		}
	}
}

func testComposeVariables(t *testing.T) {
	t.Parallel()
	example := read(t, ".env.example")
	for _, match := range regexp.MustCompile(`\$\{([A-Z_]+)`).FindAllStringSubmatch(read(t, "compose.yaml"), -1) {
		if !slices.Contains(composeOnly, match[1]) || !strings.Contains(example, "\n#"+match[1]+"=") {
			t.Errorf("compose.yaml reads %s, which .env.example does not name", match[1])
		}
	}
}

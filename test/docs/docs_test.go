package docs_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"schoolbell/internal/config"
	"schoolbell/internal/testenv"
)

var update = flag.Bool("update", false, "rewrite the tables of settings and commands and the shown outputs")

func TestMain(m *testing.M) { testenv.Main(m) }

func settingsTable() string {
	var b strings.Builder
	for _, s := range config.Settings() {
		def := "–"
		if s.Default != "" {
			def = "`" + s.Default + "`"
		}
		meaning := strings.ReplaceAll(s.Help, "|", `\|`)
		if s.Secret {
			meaning += " *Secret.*"
		}
		if len(s.Aliases) > 0 {
			meaning += fmt.Sprintf(" Also `%s`.", strings.Join(s.Aliases, "`, `"))
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s.Env, def, meaning)
	}
	return b.String()
}

func TestSettingsTable(t *testing.T) {
	d := load(t, "docs/settings.md")
	rows, from, to := d.rows(t, "## All settings")
	want := settingsTable()
	if got := strings.Join(d.lines[from:to], "\n") + "\n"; got == want {
		return
	}
	if *update {
		d.replace(from, to, want)
		d.save(t)
		return
	}
	shown := map[string][]string{}
	for _, r := range rows {
		shown[r[0]] = r
	}
	for line := range strings.Lines(want) {
		r := cells(strings.TrimSpace(line))
		if !slices.Equal(shown[r[0]], r) {
			t.Errorf("docs/settings.md says %q, the program %q", shown[r[0]], r)
		}
		delete(shown, r[0])
	}
	for name := range shown {
		t.Errorf("docs/settings.md has %s, the program does not", name)
	}
	t.Error("the table differs, if only in order: go test ./test/docs -update")
}

// others are names in capitals that are no settings of a server: of the commands,
// of compose.yaml, of PM2's file, of make.
var others = []string{"SCHOOLBELL_URL", "POSTGRES_PASSWORD", "SCHOOLBELL_PORT", "SCHOOLBELL_VERSION", "SCHOOLBELL_WORKERS", "DEMO_USERS", "NODE_PATH",
	"BZPOPMIN", "PSYNC", "REDIS_ADDR", "SSL_CERT_FILE"}

func TestSettingNames(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, s := range config.Settings() {
		for _, name := range append([]string{s.Env}, s.Aliases...) {
			known[name] = true
			known[name+"_FILE"] = s.Secret
		}
	}
	for _, name := range others {
		known[name] = true
	}
	name := regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$`)
	for _, path := range pages {
		for _, m := range inline.FindAllStringSubmatch(load(t, path).prose(), -1) {
			word, _, _ := strings.Cut(m[1], "=")
			if name.MatchString(word) && !known[word] {
				t.Errorf("%s speaks of %s, which is no setting", path, word)
			}
		}
	}
}

// helps remembers the help of each command.
var helps sync.Map

func help(t *testing.T, path ...string) (string, bool) {
	t.Helper()
	key := strings.Join(path, " ")
	if text, ok := helps.Load(key); ok {
		return text.(string), strings.HasPrefix(text.(string), strings.TrimSpace("Usage: schoolbell "+key)+" ")
	}
	out, err := exec.Command(testenv.Binary(t), append(slices.Clone(path), "--help")...).CombinedOutput()
	if err != nil {
		out = nil
	}
	helps.Store(key, string(out))
	return help(t, path...)
}

// understands says why the program does not take this command line, or nothing.
func understands(t *testing.T, words []string) error {
	t.Helper()
	var path, args, flags []string
	for _, w := range words {
		switch {
		case strings.HasPrefix(w, "-") && w != "-":
			name, _, _ := strings.Cut(w, "=")
			flags = append(flags, name)
		case len(args) == 0 && len(flags) == 0 && len(path) < 2:
			if _, ok := help(t, append(slices.Clone(path), w)...); ok {
				path = append(path, w)
				continue
			}
			args = append(args, w)
		default:
			args = append(args, w)
		}
	}
	text, ok := help(t, path...)
	switch {
	case !ok:
		return fmt.Errorf("%q has no help of its own", path)
	case len(path) == 0 && len(args) > 0:
		return fmt.Errorf("there is no command %s", args[0])
	}
	usage, _, _ := strings.Cut(text, "\n")
	if len(args) > 0 && strings.Contains(usage, "<command>") {
		return fmt.Errorf("%s has no command %s", strings.Join(path, " "), args[0])
	}
	if need := strings.Count(usage, "<") - strings.Count(usage, "[<"); len(path) > 0 && !strings.Contains(usage, "<command>") && len(args) < need {
		return fmt.Errorf("it needs %d arguments: %s", need, usage)
	}
	for _, f := range flags {
		if !regexp.MustCompile(`(^|[\s,])` + regexp.QuoteMeta(f) + `\b`).MatchString(text) {
			return fmt.Errorf("its help does not know %s", f)
		}
	}
	return nil
}

// commandLine finds the program in a line of shell.
var commandLine = regexp.MustCompile(`(?:^|[\s(])(?:\./bin/|/usr/local/bin/)?schoolbell((?:\s+(?:'[^']*'|"[^"]*"|[^\s|;&<>()'"]+))+)`)

// commandsIn returns the command lines of the program in shell text.
func commandsIn(text string) [][]string {
	var out [][]string
	text = strings.ReplaceAll(text, "\\\n", " ")
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		// What $( ) holds is an argument, and is checked separately.
		line = regexp.MustCompile(`\$\([^)]*\)`).ReplaceAllString(line, "VALUE")
		for _, m := range commandLine.FindAllStringSubmatch(line, -1) {
			out = append(out, regexp.MustCompile(`'[^']*'|"[^"]*"|\S+`).FindAllString(m[1], -1))
		}
	}
	return out
}

func TestCommandLines(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, path := range pages {
		d := load(t, path)
		var texts []string
		for _, b := range d.blocks() {
			if strings.HasPrefix(b.info, "sh") {
				texts = append(texts, b.text)
			}
		}
		for _, m := range inline.FindAllStringSubmatch(d.prose(), -1) {
			if rest, ok := strings.CutPrefix(m[1], "schoolbell "); ok && !strings.Contains(rest, "<command>") && !mention(t, rest) {
				texts = append(texts, m[1])
			}
		}
		for _, text := range texts {
			for _, words := range commandsIn(text) {
				seen++
				if err := understands(t, words); err != nil {
					t.Errorf("%s: schoolbell %s: %v", path, strings.Join(words, " "), err)
				}
			}
		}
	}
	if seen < 30 {
		t.Errorf("only %d command lines were found: the test would show nothing", seen)
	}
}

// mention tells a command that is only named, without its arguments.
func mention(t *testing.T, text string) bool {
	_, ok := help(t, strings.Fields(text)...)
	return ok
}

func TestWrongCommandLines(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"schoolbell sreve", "schoolbell serve --no-such-flag", "./bin/schoolbell event make --title x", "schoolbell event show", "schoolbell queue job q"} {
		found := commandsIn(text)
		if len(found) != 1 || understands(t, found[0]) == nil {
			t.Errorf("%s passes (%q)", text, found)
		}
	}
}

// commandsTable has a row for each command of the program with the first sentence of its help.
func commandsTable(t *testing.T) string {
	t.Helper()
	list, _ := help(t)
	var b strings.Builder
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z]+(?: [a-z-]+)?) {2,}\S`).FindAllStringSubmatch(list, -1) {
		text, _ := help(t, strings.Fields(m[1])...)
		paragraphs := strings.Split(text, "\n\n") // usage, what it does, …
		if len(paragraphs) < 2 {
			t.Fatalf("schoolbell %s --help does not say what it does", m[1])
		}
		fmt.Fprintf(&b, "| `schoolbell %s` | %s |\n", m[1], strings.Join(strings.Fields(strings.TrimSuffix(paragraphs[1], ".")), " "))
	}
	return b.String()
}

func TestCommandsTable(t *testing.T) {
	d := load(t, "docs/commands.md")
	_, from, to := d.rows(t, "## All commands")
	want := commandsTable(t)
	switch got := strings.Join(d.lines[from:to], "\n") + "\n"; {
	case strings.Count(want, "\n") < 20:
		t.Fatalf("the program's help lists only\n%s", want)
	case got == want:
	case *update:
		d.replace(from, to, want)
		d.save(t)
	default:
		t.Errorf("docs/commands.md has\n%s\nthe program\n%s\ngo test ./test/docs -update", got, want)
	}
}

// sources is the text of the Go files of the program, test files left out.
func sources(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, dir := range []string{"internal", "bullmq", "cmd"} {
		err := filepath.WalkDir(filepath.Join(testenv.Root(t), dir), func(path string, e os.DirEntry, err error) error {
			if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			b.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func TestRunbookTables(t *testing.T) {
	t.Parallel()
	text, d := sources(t), load(t, "docs/operations.md")
	for _, table := range []string{"### Log lines", "### Metrics"} {
		rows, _, _ := d.rows(t, table)
		seen := 0
		for _, r := range rows {
			for _, m := range inline.FindAllStringSubmatch(r[0], -1) {
				seen++
				for part := range strings.SplitSeq(m[1], "…") { // what differs from line to line
					if part = strings.TrimSpace(part); !strings.Contains(text, part) {
						t.Errorf("%s: %q is in no source of the program", table, part)
					}
				}
			}
		}
		if seen < 5 {
			t.Errorf("%s: found %d names: the test would show nothing", table, seen)
		}
	}
}

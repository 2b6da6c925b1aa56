package script

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// caller is any [Script].
type caller interface{ Call() Call }

// scripts has each type of call, with one entry in each list that it can have, so that
// its arguments can be counted.
var scripts = []caller{
	Add{}, AddFlow{}, AddMany{}, ChangeDelay{}, ChangePriority{}, Clean{}, Delay{}, Drain{}, ExtendLocks{}, Fetch{}, Finish{},
	FreeDedup{}, HandBack{}, LeaveParent{}, LimitTTL{}, Log{}, MoveAll{}, NextIteration{}, NextRepeatable{}, Nudge{}, Obliterate{},
	Orphans{}, Pause{}, Progress{}, Promote{}, Reclaim{}, Refund{}, Remove{}, RemoveOpenChildren{}, RemoveScheduler{},
	RenameDamaged{}, Requeue{Attempt: Attempt{Context: "{}"}}, Resume{}, Retry{}, Stalled{}, State{}, UpdateData{},
	UpsertScheduler{}, WaitChildren{},
}

var capital = regexp.MustCompile(`[A-Z]+`)

// fileName is that of a call's script: LimitTTL is limit_ttl.
func fileName(c caller) string {
	name := capital.ReplaceAllStringFunc(reflect.TypeOf(c).Name(), func(s string) string { return "_" + strings.ToLower(s) })
	return strings.TrimPrefix(name, "_")
}

func read(t *testing.T, pattern string) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("%v, %v", paths, err)
	}
	texts := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[strings.TrimSuffix(filepath.Base(path), ".lua")] = string(text)
	}
	return texts
}

func TestScripts(t *testing.T) {
	t.Parallel()
	t.Run("each script has one type and states its contract", testScriptsContract)
	t.Run("each script names the arguments its type sends", testScriptsArguments)
	t.Run("no argument is read by index", testScriptsNoIndex)
}

func testScriptsContract(t *testing.T) {
	t.Parallel()
	texts := read(t, "lua/*.lua")
	var files, types []string
	for name, text := range texts {
		files = append(files, name)
		for _, part := range []string{"-- " + name + " ", "-- KEYS", "-- ARGV", "-- returns"} {
			if !strings.Contains(text, part) {
				t.Errorf("%s.lua has no %q", name, part)
			}
		}
		if src := compose(name); strings.Contains(src, "@include") || strings.Contains(src, "cmsgpack") {
			t.Errorf("%s.lua is not composed", name)
		}
	}
	for _, c := range scripts {
		types = append(types, fileName(c))
		if got := c.Call().Source.Name(); got != fileName(c) {
			t.Errorf("%T calls %s", c, got)
		}
	}
	slices.Sort(files)
	slices.Sort(types)
	if !slices.Equal(files, types) {
		t.Errorf("files %v\ntypes %v", files, types)
	}
}

// The first statement of a script names its arguments.
var named = regexp.MustCompile(`(?m)^local ([\w, ]+) = unpack\(ARGV(?:, 1, (\d+))?\)$`)

func testScriptsArguments(t *testing.T) {
	t.Parallel()
	texts := read(t, "lua/*.lua")
	for _, c := range scripts {
		name := fileName(c)
		m := named.FindStringSubmatch(texts[name])
		if m == nil {
			t.Errorf("%s.lua does not name its arguments", name)
			continue
		}
		if got, want := len(c.Call().Args), len(strings.Split(m[1], ",")); got != want {
			t.Errorf("%T sends %d arguments, %s.lua names %d: %s", c, got, name, want, m[1])
		}
	}
}

// numbered is an argument that is read by its number.
var numbered = regexp.MustCompile(`ARGV\[\d`)

func testScriptsNoIndex(t *testing.T) {
	t.Parallel()
	for name, text := range read(t, "lua/*.lua") {
		for line := range strings.Lines(text) {
			if numbered.MatchString(line) {
				t.Errorf("%s.lua: %s", name, strings.TrimSpace(line))
			}
		}
	}
	for name, text := range read(t, "lua/include/*.lua") {
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(strings.TrimSpace(line), "--") && strings.Contains(line, "ARGV") {
				t.Errorf("include/%s.lua depends on the arguments of a script: %s", name, strings.TrimSpace(line))
			}
		}
	}
}

package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"schoolbell/test/system"
)

func TestDemo(t *testing.T) {
	t.Parallel()
	t.Run("ten thousand people are reached", testDemoReachesEveryone)
	t.Run("the output explains what was done", testDemoOutput)
}

func testDemoReachesEveryone(t *testing.T) {
	t.Parallel()
	r := system.Command(t, t.TempDir(), nil, "demo", "--users", "10000", "--json")
	if r.Code != 0 || strings.Count(r.Out, "\n") != 1 || !strings.HasSuffix(r.Out, "\n") || r.Err != "" {
		t.Fatalf("exit code %d, want 0, one line and no word besides:\n%s%s", r.Code, r.Out, r.Err)
	}
	var facts map[string]float64
	if err := json.Unmarshal([]byte(r.Out), &facts); err != nil {
		t.Fatalf("%v: %s", err, r.Out)
	}
	for name, want := range map[string]float64{
		"users": 10_000, "in_app": 10_000, "emails_accepted": 10_000, "emails_distinct": 10_000, "sms": 200, "push": 200, "duplicates": 0, "missing": 0,
	} {
		if got, ok := facts[name]; !ok || got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	for _, name := range []string{"create_ms", "seconds", "emails_per_second", "max_rss_mb"} {
		if facts[name] <= 0 {
			t.Errorf("%s is %v", name, facts[name])
		}
	}
	t.Log(strings.TrimSpace(r.Out))
}

func testDemoOutput(t *testing.T) {
	t.Parallel()
	r := system.Command(t, t.TempDir(), nil, "demo", "--users", "1200")
	if r.Code != 0 {
		t.Fatalf("exit code %d:\n%s%s", r.Code, r.Out, r.Err)
	}
	for _, want := range []string{
		"Made 1,200 people (960 students, 60 teachers, 180 parents)",
		"Created one event for all of them over HTTP",
		"Everyone was reached, nobody twice.",
	} {
		if !strings.Contains(r.Out, want) {
			t.Errorf("it does not say %q:\n%s", want, r.Out)
		}
	}
	for fact, want := range map[string]string{"People": "1,200", "In-app messages": "1,200", "Emails accepted": "1,200", "Emails distinct": "1,200", "Text messages": "200", "Push messages": "200", "Duplicates": "0", "Missing": "0"} {
		if got := value(r.Out, fact); got != want {
			t.Errorf("%s is %q, want %s:\n%s", fact, got, want, r.Out)
		}
	}
}

// value is the word after a name at the beginning of a line.
func value(text, name string) string {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), name); ok {
			word, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
			return word
		}
	}
	return ""
}

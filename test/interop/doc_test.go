package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestScenarioList(t *testing.T) {
	t.Parallel()
	const scenarios = 34
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var tests strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tests.Write(text)
	}
	lines := regexp.MustCompile(`(?m)^//\t *(\d+) .*?((?: Test\w+)+)$`).FindAllStringSubmatch(string(doc), -1)
	for i, line := range lines {
		if line[1] != fmt.Sprint(i+1) {
			t.Errorf("scenario %s stands in place %d", line[1], i+1)
		}
		for _, name := range strings.Fields(line[2]) {
			if !strings.Contains(tests.String(), "func "+name+"(t *testing.T)") {
				t.Errorf("scenario %s: there is no %s", line[1], name)
			}
		}
	}
	if len(lines) != scenarios {
		t.Errorf("%d scenarios name their tests, want %d", len(lines), scenarios)
	}
}

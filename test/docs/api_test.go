package docs_test

import (
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"schoolbell/internal/testenv"
)

// serving starts a server and returns where it is.
func serving(t *testing.T) string {
	t.Helper()
	p := newPlayground(t, "SCHOOLBELL_API_KEY="+key)
	testenv.StartProgram(t, testenv.ProgramOptions{Dir: p.dir, Env: p.env, Bare: true}, testenv.Binary(t), "serve").Await("serves http")
	return "http://" + p.addr
}

func get(t *testing.T, url string) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, resp.Status, err)
	}
	return string(body)
}

func TestAPITables(t *testing.T) {
	t.Parallel()
	base, d := serving(t), load(t, "docs/api.md")
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal([]byte(get(t, base+"/openapi.json")), &doc); err != nil {
		t.Fatal(err)
	}
	var calls []string
	for path, methods := range doc.Paths {
		for method := range methods {
			calls = append(calls, strings.ToUpper(method)+" "+path)
		}
	}
	same(t, "calls", firstCells(t, d, "## All calls", 0), calls)

	var codes []string
	for _, m := range regexp.MustCompile(`id="problem-([a-z_]+)"`).FindAllStringSubmatch(get(t, base+"/docs"), -1) {
		codes = append(codes, m[1])
	}
	same(t, "error codes", firstCells(t, d, "## Errors", 1), codes)
}

// firstCells returns what stands in a column of the table below a heading.
func firstCells(t *testing.T, d *document, heading string, column int) (out []string) {
	t.Helper()
	rows, _, _ := d.rows(t, heading)
	for _, r := range rows {
		out = append(out, strings.Trim(r[column], "`"))
	}
	return out
}

// same compares what a page lists with what there is, in any order.
func same(t *testing.T, what string, shown, real []string) {
	t.Helper()
	slices.Sort(shown)
	slices.Sort(real)
	if len(real) == 0 || !slices.Equal(shown, real) {
		t.Errorf("%s: the page has\n%s\nthe program\n%s", what, strings.Join(shown, "\n"), strings.Join(real, "\n"))
	}
}

package docs_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"schoolbell/internal/testenv"
)

// snippet surrounds the Go code of docs/bullmq.md that is marked "go build".
const snippet = `package main

import (
	"context"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq"
)

func program(ctx context.Context, rdb redis.UniversalClient, send func(context.Context, []byte) error) error {
%s
	_, _ = queue, job
	return err
}

func main() { _ = program }
`

// The compiler gets the code as a package that is in no folder.
func TestGoSnippet(t *testing.T) {
	t.Parallel()
	var code string
	for _, b := range load(t, "docs/bullmq.md").blocks() {
		if b.info == "go build" {
			code += b.text
		}
	}
	if code == "" {
		t.Fatal("docs/bullmq.md has no block marked \"go build\"")
	}
	root, dir := testenv.Root(t), t.TempDir()
	file, overlay := filepath.Join(dir, "main.go"), filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, fmt.Appendf(nil, snippet, code), 0o644); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, "examples", "snippet", "main.go"): file}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(overlay, text, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-overlay", overlay, "-o", filepath.Join(dir, "snippet"), "./examples/snippet")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s\n%s", err, out, code)
	}
}

package docs_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"schoolbell/internal/testenv"
	"schoolbell/wire"
)

// The receivers of docs/webhooks.md accept what a server sends, and nothing else.
func TestWebhookReceivers(t *testing.T) {
	t.Parallel()
	p := newPlayground(t, "SCHOOLBELL_API_KEY="+key, "OUTBOUND_ALLOW=127.0.0.1/32")
	testenv.StartProgram(t, testenv.ProgramOptions{Dir: p.dir, Env: p.env, Bare: true}, testenv.Binary(t), "serve").Await("serves http")
	s := &system{playground: p}
	node, _ := nodeEnv(t)
	programs := map[string]func(t *testing.T, code string) []string{
		"go receiver": func(t *testing.T, code string) []string {
			source, binary := filepath.Join(t.TempDir(), "main.go"), filepath.Join(t.TempDir(), "receiver")
			write(t, source, code)
			if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, source).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			return []string{binary}
		},
		"js receiver": func(t *testing.T, code string) []string {
			source := filepath.Join(t.TempDir(), "receiver.cjs")
			write(t, source, code)
			return []string{node, source}
		},
	}
	for _, b := range load(t, "docs/webhooks.md").blocks() {
		build := programs[b.info]
		if build == nil {
			continue
		}
		delete(programs, b.info)
		t.Run(b.info, func(t *testing.T) { s.tryReceiver(t, build(t, b.text)) })
	}
	if len(programs) != 0 {
		t.Errorf("docs/webhooks.md lacks %v", programs)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s *system) tryReceiver(t *testing.T, command []string) {
	addr := fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(t))
	var made wire.Webhook
	if err := json.Unmarshal([]byte(s.do(t, "schoolbell webhook add http://"+addr+"/hooks --json")), &made); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "WEBHOOK_KEY="+made.Secret, "RECEIVER_ADDR="+addr)
	receiver := testenv.StartProgram(t, testenv.ProgramOptions{Dir: s.dir, Env: env, Bare: true}, command[0], command[1:]...)
	post := func(signature string) (int, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+"/hooks", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("webhook-id", "msg_x")
		req.Header.Set("webhook-timestamp", "1795600000")
		req.Header.Set("webhook-signature", signature)
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		if err != nil {
			return 0, err
		}
		return resp.StatusCode, resp.Body.Close()
	}
	testenv.Eventually(t, patience, func() error { _, err := post(""); return err }, "the receiver listens")
	if out := s.do(t, "schoolbell webhook test "+made.ID); !strings.HasPrefix(out, "The receiver replied 204") {
		t.Errorf("it said %s", out)
	}
	receiver.Await(`webhook.test`)
	for _, forged := range []string{"", "v1,", "v1,AAAA", "v1,Otpm68YNomXDJV1HbaBTPtfykHlWBUKBsdLUui/+g1Y="} {
		if status, err := post(forged); err != nil || status != http.StatusUnauthorized {
			t.Errorf("signature %q: %d, %v", forged, status, err)
		}
	}
	if out := s.do(t, "schoolbell webhook attempts "+made.ID); !strings.Contains(out, "204") {
		t.Errorf("attempts: %s", out)
	}
	s.do(t, "schoolbell webhook remove "+made.ID)
}

package testenv

import (
	"bufio"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const doomed = "SCHOOLBELL_TESTENV_DOOMED"

// TestDoomed is the other half of the test below, in a process of its own.
func TestDoomed(t *testing.T) {
	if os.Getenv(doomed) == "" {
		return
	}
	t.Logf("redis %s", Redis(t))
	dsn, err := url.Parse(Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("postgres %s", dsn.Host)
	t.Logf("smtp %s", SMTPSink(t).Addr)
	t.Log("ready")
	<-t.Context().Done() // until it is killed
}

func TestServerCleanup(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run=^TestDoomed$", "-test.v")
	tmp := t.TempDir()
	for _, dir := range []string{tmp, filepath.Dir(tmp)} { // the servers' accounts must get in
		if err := os.Chmod(dir, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	cmd.Env = append(os.Environ(), doomed+"=1", "TMPDIR="+tmp)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	var servers []string
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.HasSuffix(lines.Text(), "ready") {
		if words := strings.Fields(lines.Text()); len(words) == 3 && strings.HasPrefix(words[2], "127.0.0.1:") {
			servers = append(servers, words[2])
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if len(servers) != 3 {
		t.Fatalf("servers that started: %v, want three", servers)
	}
	for _, addr := range servers {
		Eventually(t, 30*time.Second, func() bool {
			conn, err := net.Dial("tcp", addr)
			if err == nil {
				conn.Close()
			}
			return err != nil
		}, "the server at %s ends with the process that started it", addr)
	}
	Eventually(t, 30*time.Second, func() bool {
		sweep(tmp)
		left, err := filepath.Glob(filepath.Join(tmp, scratchPrefix+"*"))
		return err == nil && len(left) == 0
	}, "the next run sweeps its folder")
}

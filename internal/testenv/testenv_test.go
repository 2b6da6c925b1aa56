package testenv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"schoolbell/bullmq/testproc"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

func TestMain(m *testing.M) { Main(m) }

func dialRedis(t *testing.T, addr string) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1, ReadTimeout: 300 * time.Millisecond})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	t.Run("each call creates its own database", testPostgresOwnDatabase)
	t.Run("committed data survives a crash", testPostgresCrash)
}

func testPostgresOwnDatabase(t *testing.T) {
	t.Parallel()
	for i := range 3 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			conn, err := pgx.Connect(t.Context(), Postgres(t))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(context.Background())
			if _, err := conn.Exec(t.Context(), "CREATE TABLE only_once (name text)"); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Exec(t.Context(), "INSERT INTO only_once VALUES ('Žofie 学校')"); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func testPostgresCrash(t *testing.T) {
	t.Parallel()
	p := PostgresServer(t, PostgresOptions{Durable: true, Args: []string{"-c", "max_connections=20"}})
	dsn := p.Database()
	query := func(sql string) error {
		conn, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			return err
		}
		_, err = conn.Exec(t.Context(), sql)
		return errors.Join(err, conn.Close(context.Background()))
	}
	if err := query("CREATE TABLE kept (n int)"); err != nil {
		t.Fatal(err)
	}
	p.Kill()
	if err := query("SELECT 1"); err == nil {
		t.Fatal("it answers after Kill")
	}
	p.Restart()
	if err := query("SELECT * FROM kept"); err != nil {
		t.Error(err)
	}
}

func TestSMTPSink(t *testing.T) {
	t.Parallel()
	t.Run("messages are counted and kept", testSMTPSinkMessages)
	t.Run("each sink has its own port", testSMTPSinkPorts)
}

func testSMTPSinkMessages(t *testing.T) {
	t.Parallel()
	s := SMTPSinkServer(t, SinkOptions{Keep: true})
	if n := s.Count(); n != 0 {
		t.Errorf("count before the first message: %d", n)
	}
	for i := range 3 {
		to := fmt.Sprintf("parent%d@example.org", i)
		if err := smtp.SendMail(s.Addr, nil, "school@example.org", []string{to}, []byte("Subject: Sports day\r\n\r\nFriday\r\n.\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	Eventually(t, 10*time.Second, func() bool { return s.Count() == 3 }, "three messages counted")
	got := s.Messages()
	if len(got) != 3 {
		t.Fatalf("%d messages kept, want 3", len(got))
	}
	for _, m := range got {
		if m.From != "<school@example.org>" || len(m.To) != 1 || m.Header.Get("Subject") != "Sports day" || !bytes.HasPrefix(m.Body, []byte("Friday\n.\n")) {
			t.Errorf("kept %+v with body %q", m, m.Body)
		}
	}
}

func testSMTPSinkPorts(t *testing.T) {
	t.Parallel()
	a, b := SMTPSink(t), SMTPSink(t)
	if err := smtp.SendMail(a.Addr, nil, "school@example.org", []string{"x@example.org"}, []byte("Subject: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	Eventually(t, 10*time.Second, func() bool { return a.Count() == 1 }, "the message counted")
	if n := b.Count(); a.Port == b.Port || n != 0 {
		t.Errorf("ports %d and %d, the other sink counted %d", a.Port, b.Port, n)
	}
}

func TestMissingPrograms(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("CI", "true")
	t.Setenv("CHROMIUM", "")
	for name, f := range map[string]func(testing.TB){
		"redis-server": func(t testing.TB) { Redis(t) },
		"chromium":     func(t testing.TB) { Chromium(t) },
		"node":         func(t testing.TB) { Node(t, ".") },
	} {
		if r := testproc.Record(f); !strings.Contains(r.FailText, name+" is missing") {
			t.Errorf("%s with CI=true: failed with %q", name, r.FailText)
		}
	}
}

func TestNode(t *testing.T) {
	t.Setenv("CI", "true")
	write := func(name string, age time.Duration) {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte("{}"), 0o644)); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	lock, done := filepath.Join(dir, "package-lock.json"), filepath.Join(dir, "node_modules", ".package-lock.json")
	write(lock, time.Hour)
	if r := testproc.Record(func(t testing.TB) { Node(t, dir) }); !strings.Contains(r.FailText, "not installed") {
		t.Errorf("without node_modules: failed with %q", r.FailText)
	}
	write(done, 2*time.Hour)
	if r := testproc.Record(func(t testing.TB) { Node(t, dir) }); !strings.Contains(r.FailText, "older than") {
		t.Errorf("with old node_modules: failed with %q", r.FailText)
	}
	write(done, 0)
	if out, err := exec.Command(Node(t, dir), "-p", "6*7").Output(); err != nil || strings.TrimSpace(string(out)) != "42" {
		t.Errorf("node says %q, %v", out, err)
	}
}

func TestChromium(t *testing.T) {
	t.Parallel()
	out, err := exec.Command(Chromium(t), "--version").Output()
	if err != nil || !strings.Contains(string(out), "Chrom") {
		t.Errorf("chromium --version: %q, %v", out, err)
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	dead, alive := filepath.Join(root, scratchPrefix+"dead"), filepath.Join(root, scratchPrefix+"alive")
	for _, dir := range []string{dead, alive} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		held, err := lockFolder(dir, scratchLock, os.O_CREATE)
		if err != nil {
			t.Fatal(err)
		}
		if dir == dead {
			held.Close()
		} else {
			defer held.Close()
		}
	}
	sweep(root)
	if _, err := os.Stat(dead); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the dead run's folder: %v", err)
	}
	if _, err := os.Stat(alive); err != nil {
		t.Errorf("the living run's folder: %v", err)
	}
}

package testenv

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell/bullmq/testproc"
)

// Postgres returns the URL of a fresh empty database, UTF-8, C collation, which is
// dropped when the test ends. The databases of one test process share a server
// that does not sync to disk. The server's time zone is far from UTC, so that
// times which lean on it show up.
func Postgres(t testing.TB) string {
	t.Helper()
	return ofAllTests(t).database(t)
}

// PostgresFilled returns the URL of a fresh database with what fill puts into an empty one. fill runs once in a
// test process and leaves no connection open: the other databases are copies, which takes less time.
func PostgresFilled(t testing.TB, fill func(ctx context.Context, url string) error) string {
	t.Helper()
	s := ofAllTests(t)
	s.filling.Do(func() {
		s.filled = s.exec("CREATE DATABASE filled TEMPLATE template0")
		if s.filled == nil {
			s.filled = fill(context.Background(), s.url("filled"))
		}
	})
	if s.filled != nil {
		t.Fatalf("fill a database: %v", s.filled)
	}
	return s.databaseLike(t, "filled")
}

// ofAllTests returns the server that the tests of this process share.
func ofAllTests(t testing.TB) *postgres {
	t.Helper()
	postgresTools(t)
	s, err := sharedPostgres()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// PostgresOptions says how a server of its own differs from the shared one.
type PostgresOptions struct {
	Durable bool     // sync to disk: committed data survives Kill
	Args    []string // further arguments of postgres, as {"-c", "max_connections=20"}
	Cert    string   // PEM file of the certificate with which it also speaks TLS; empty for no TLS
	Key     string   // PEM file of the key of Cert
}

// PostgresProc is a server that a test may stop, kill and restart on the same
// port. Its methods are for the goroutine of the test.
type PostgresProc struct {
	t testing.TB
	s *postgres
}

// PostgresServer starts a server for this test alone; it stops when the test ends.
func PostgresServer(t testing.TB, o PostgresOptions) *PostgresProc {
	t.Helper()
	postgresTools(t)
	s, err := newPostgres(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.remove)
	return &PostgresProc{t: t, s: s}
}

// Database returns the URL of a fresh empty database on the server.
func (p *PostgresProc) Database() string { p.t.Helper(); return p.s.database(p.t) }

// PID is the id of the server's first process, the parent of all others.
func (p *PostgresProc) PID() int { return p.s.proc.PID() }

// Log returns what the server has logged so far.
func (p *PostgresProc) Log() string {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.s.dir, "log"))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

// Stop ends the server in good order, cutting its connections.
func (p *PostgresProc) Stop() { p.s.end(syscall.SIGINT) }

// Kill ends the server as a crash would.
func (p *PostgresProc) Kill() { p.s.end(syscall.SIGKILL) }

// Restart stops the server if it runs and starts it again on the same port and
// data. It returns when the server answers.
func (p *PostgresProc) Restart() {
	p.t.Helper()
	p.Stop()
	// After a crash the old server's children may hold its memory for a moment.
	if err := testproc.Poll(testproc.StartTimeout, func() (bool, error) { err := p.s.start(); return err == nil, err }); err != nil {
		p.t.Fatalf("restart postgres: %v", err)
	}
}

// postgresTools ends the test if PostgreSQL is not installed.
func postgresTools(t testing.TB) {
	t.Helper()
	for _, name := range []string{"initdb", "postgres"} {
		if _, err := findPostgres(name); err != nil {
			testproc.Missing(t, "PostgreSQL ("+name+")", makeDeps)
		}
	}
}

func findPostgres(name string) (string, error) {
	return testproc.Find([]string{name}, []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin"})
}

// postgres is one server: a folder with data and log, and a port; no socket, whose path would be short of room.
type postgres struct {
	bin     string
	dir     string
	port    int
	args    []string
	cred    *syscall.Credential
	proc    *testproc.Process
	release func()
	made    atomic.Int64 // databases made, for their names

	filling sync.Once
	filled  error // why the database named filled cannot be copied
}

var sharedPostgres = sync.OnceValues(func() (*postgres, error) {
	s, err := newPostgres(PostgresOptions{})
	if err != nil {
		return nil, err
	}
	testproc.AtExit(s.remove)
	return s, nil
})

func newPostgres(o PostgresOptions) (*postgres, error) {
	root, err := scratch()
	if err != nil {
		return nil, err
	}
	s := &postgres{release: func() {}}
	if s.cred, err = testproc.Unprivileged("postgres", "nobody"); err != nil {
		return nil, err
	}
	if s.bin, err = findPostgres("postgres"); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp(root, "pg"); err != nil {
		return nil, err
	}
	if err := s.init(); err != nil {
		s.remove()
		return nil, err
	}
	if err := s.installCert(o); err != nil {
		s.remove()
		return nil, err
	}
	for range 5 {
		if s.port, s.release, err = testproc.ReservePort(); err != nil {
			break
		}
		s.args = s.serverArgs(o)
		if err = s.start(); err == nil {
			return s, nil
		}
		s.release()
	}
	s.remove()
	return nil, err
}

// init makes an empty cluster in the folder, as the account that will serve it.
func (s *postgres) init() error {
	if s.cred != nil {
		if err := os.Chown(s.dir, int(s.cred.Uid), int(s.cred.Gid)); err != nil {
			return err
		}
	}
	bin, err := findPostgres("initdb")
	if err != nil {
		return err
	}
	cmd := exec.Command(bin, "-D", s.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	cmd.Dir, cmd.SysProcAttr = s.dir, &syscall.SysProcAttr{Credential: s.cred}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// installCert copies certificate and key to where the server looks for them, as files
// of its account: it takes no key that others may read.
func (s *postgres) installCert(o PostgresOptions) error {
	if o.Cert == "" {
		return nil
	}
	for name, from := range map[string]string{"server.crt": o.Cert, "server.key": o.Key} {
		text, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		to := filepath.Join(s.data(), name)
		if err := os.WriteFile(to, text, 0o600); err != nil {
			return err
		}
		if s.cred == nil {
			continue
		}
		if err := os.Chown(to, int(s.cred.Uid), int(s.cred.Gid)); err != nil {
			return err
		}
	}
	return nil
}

func (s *postgres) data() string { return filepath.Join(s.dir, "data") }

func (s *postgres) serverArgs(o PostgresOptions) []string {
	args := []string{
		"-D", s.data(), "-k", "", "-h", "127.0.0.1", "-p", strconv.Itoa(s.port),
		"-c", "max_connections=200", "-c", "shared_buffers=64MB", "-c", "timezone=Pacific/Auckland",
	}
	if !o.Durable {
		args = append(args, "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
	}
	if o.Cert != "" {
		args = append(args, "-c", "ssl=on") // server.crt and server.key in the data folder
	}
	return append(args, o.Args...)
}

func (s *postgres) start() error {
	p, err := testproc.Start(s.bin, s.args, testproc.Options{Dir: s.dir, Log: filepath.Join(s.dir, "log"), Death: syscall.SIGQUIT, Credential: s.cred})
	if err != nil {
		return err
	}
	if err := p.Await(func() error { return s.answers(p.PID()) }); err != nil {
		p.Stop(syscall.SIGKILL)
		return err
	}
	s.proc = p
	return nil
}

// answers checks that the server that answers is ours and not another on the port.
func (s *postgres) answers(pid int) error {
	text, err := os.ReadFile(filepath.Join(s.data(), "postmaster.pid"))
	if err != nil {
		return err
	}
	if first, _, _ := strings.Cut(string(text), "\n"); first != strconv.Itoa(pid) {
		return fmt.Errorf("the data folder is served by process %s", first)
	}
	return s.exec("SELECT 1")
}

func (s *postgres) url(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: testproc.Loopback(s.port), Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

func (s *postgres) exec(sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(ctx))
}

func (s *postgres) database(t testing.TB) string { t.Helper(); return s.databaseLike(t, "template0") }

// databaseLike makes a database from a template, to which nobody is connected.
func (s *postgres) databaseLike(t testing.TB, template string) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", s.made.Add(1))
	if err := s.exec("CREATE DATABASE " + name + " TEMPLATE " + template); err != nil {
		t.Fatalf("create database: %v", err)
	}
	t.Cleanup(func() {
		if s.proc == nil {
			return
		}
		if err := s.exec("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)"); err != nil {
			t.Errorf("drop database: %v", err)
		}
	})
	return s.url(name)
}

func (s *postgres) end(sig syscall.Signal) {
	if s.proc != nil {
		s.proc.Stop(sig)
		s.proc = nil
	}
}

// remove ends the server without ceremony and removes its files.
func (s *postgres) remove() {
	s.end(syscall.SIGQUIT)
	s.release()
	_ = os.RemoveAll(s.dir)
}

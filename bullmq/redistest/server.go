package redistest

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"schoolbell/bullmq/testproc"
)

// Start starts a redis-server for this test only and stops it when the test ends. It keeps
// nothing on disk, unless o.AOF is set. If no redis-server (or valkey-server) is installed, the test is skipped, or
// fails with CI=true.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	bin, err := testproc.Find([]string{"redis-server", "valkey-server"}, nil)
	if err != nil {
		testproc.Missing(t, "redis-server", "install it (Debian: apt-get install redis-server)")
	}
	r := &Server{t: t, bin: bin, dir: t.TempDir()}
	t.Cleanup(r.Stop)
	for range 5 {
		port, release, errPort := testproc.ReservePort()
		if errPort != nil {
			t.Fatal(errPort)
		}
		r.Addr, r.args = testproc.Loopback(port), arguments(o, port, r.dir)
		if err = r.start(); err == nil {
			t.Cleanup(release)
			return r
		}
		release()
	}
	t.Fatalf("redis-server: %v", err)
	return nil
}

// Addr starts a redis-server as [Start] does with no options, and returns its address,
// "127.0.0.1:port".
func Addr(t testing.TB) string {
	t.Helper()
	return Start(t, Options{}).Addr
}

// Options are the settings of a server. The zero value has no persistence and no further
// arguments.
type Options struct {
	AOF  bool     // append-only file, synced at every write: data survives Kill and Restart
	Args []string // further arguments of redis-server, as {"--maxmemory", "10mb"}
}

// Server is a redis-server that a test may stop, kill, pause and restart on the same
// port. Its methods are for the goroutine of the test.
type Server struct {
	Addr string // "127.0.0.1:port"

	t    testing.TB
	bin  string
	args []string
	dir  string
	proc *testproc.Process
}

func arguments(o Options, port int, dir string) []string {
	args := []string{"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "no"}
	if o.AOF {
		args = append(args, "--appendonly", "yes", "--appendfsync", "always")
	}
	return append(args, o.Args...)
}

func (r *Server) start() error {
	p, err := testproc.Start(r.bin, r.args, testproc.Options{Dir: r.dir, Log: filepath.Join(r.dir, "redis.log"), Death: syscall.SIGKILL})
	if err != nil {
		return err
	}
	pid := p.PID()
	if err := p.Await(func() error { return Answers(r.Addr, pid) }); err != nil {
		p.Stop(syscall.SIGKILL)
		return err
	}
	r.proc = p
	return nil
}

// Answers returns the reason why the server at an address cannot be used yet: it does not
// accept connections, it is still loading its data, or it is not the process with that id.
func Answers(addr string, pid int) error {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := fmt.Fprint(conn, "INFO\r\nPING\r\n"); err != nil {
		return err
	}
	ours, lines := false, bufio.NewScanner(conn)
	for lines.Scan() {
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "-NOAUTH"): // a password was asked for in Args
			return nil
		case strings.HasPrefix(line, "-"), line == "loading:1":
			return errors.New(line)
		case line == "process_id:"+strconv.Itoa(pid):
			ours = true
		case line == "+PONG" && !ours:
			return fmt.Errorf("the server at %s is not process %d", addr, pid)
		case line == "+PONG":
			return nil
		}
	}
	return errors.Join(lines.Err(), errors.New("no PONG"))
}

// Path returns the path of the program.
func (r *Server) Path() string { return r.bin }

// Stop shuts the server down and waits until it has ended. Stopping a server that has ended
// does nothing.
func (r *Server) Stop() { r.end(syscall.SIGTERM) }

// Kill ends the server as a crash would, and waits until it has ended.
func (r *Server) Kill() { r.end(syscall.SIGKILL) }

func (r *Server) end(sig syscall.Signal) {
	if r.proc != nil {
		r.proc.Stop(sig)
		r.proc = nil
	}
}

// Restart stops the server if it is running and starts it again with the same port and
// folder. It returns when the server answers.
func (r *Server) Restart() {
	r.t.Helper()
	r.Stop()
	if err := testproc.Poll(testproc.StartTimeout, func() (bool, error) { err := r.start(); return err == nil, err }); err != nil {
		r.t.Fatalf("restart redis-server: %v", err)
	}
}

// Pause freezes the server: connections stay open, and nothing answers.
func (r *Server) Pause() { r.t.Helper(); r.signal(syscall.SIGSTOP) }

// Continue ends a Pause.
func (r *Server) Continue() { r.t.Helper(); r.signal(syscall.SIGCONT) }

func (r *Server) signal(sig syscall.Signal) {
	r.t.Helper()
	if r.proc == nil {
		r.t.Fatalf("redis-server at %s is not running", r.Addr)
	}
	if err := r.proc.Signal(sig); err != nil {
		r.t.Fatalf("%v to redis-server: %v", sig, err)
	}
}

package testenv

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
)

// Redis starts a redis-server that keeps nothing on disk and returns its address,
// "127.0.0.1:port". It stops when the test ends.
func Redis(t testing.TB) string {
	t.Helper()
	return RedisServer(t, RedisOptions{}).Addr
}

// RedisOptions says how a Redis differs from the plain one.
type RedisOptions struct {
	AOF  bool     // append-only file, synced at every write: data survives Kill and Restart
	Args []string // further arguments of redis-server, as {"--maxmemory", "10mb"}
}

// RedisProc is a redis-server that a test may stop, kill, freeze and restart on
// the same port. Its methods are for the goroutine of the test.
type RedisProc struct {
	Addr string // "127.0.0.1:port"

	t    testing.TB
	bin  string
	args []string
	dir  string
	proc *proc
}

// RedisServer starts a redis-server and stops it when the test ends.
func RedisServer(t testing.TB, o RedisOptions) *RedisProc {
	t.Helper()
	bin, err := find([]string{"redis-server", "valkey-server"}, nil)
	if err != nil {
		missing(t, "redis-server", makeDeps)
	}
	r := &RedisProc{t: t, bin: bin, dir: t.TempDir()}
	t.Cleanup(r.Stop)
	for range 5 {
		port, release, errPort := reservePort()
		if errPort != nil {
			t.Fatal(errPort)
		}
		r.Addr, r.args = loopback(port), redisArgs(o, port, r.dir)
		if err = r.start(); err == nil {
			t.Cleanup(release)
			return r
		}
		release()
	}
	t.Fatalf("redis-server: %v", err)
	return nil
}

func redisArgs(o RedisOptions, port int, dir string) []string {
	args := []string{"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "no"}
	if o.AOF {
		args = append(args, "--appendonly", "yes", "--appendfsync", "always")
	}
	return append(args, o.Args...)
}

func (r *RedisProc) start() error {
	p, err := startProc(r.bin, r.args, r.dir, filepath.Join(r.dir, "redis.log"), syscall.SIGKILL, nil)
	if err != nil {
		return err
	}
	pid := strconv.Itoa(p.cmd.Process.Pid)
	if err := p.wait(func() error { return redisAnswers(r.Addr, pid) }); err != nil {
		p.stop(syscall.SIGKILL)
		return err
	}
	r.proc = p
	return nil
}

// redisAnswers asks the server for its process id, so that another Redis on the
// port is not taken for ours, and for data that is still being loaded.
func redisAnswers(addr, pid string) error {
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
		case line == "process_id:"+pid:
			ours = true
		case line == "+PONG" && !ours:
			return fmt.Errorf("the server at %s is not process %s", addr, pid)
		case line == "+PONG":
			return nil
		}
	}
	return errors.Join(lines.Err(), errors.New("no PONG"))
}

// Stop ends the server in good order and waits until it has. Stopping a server
// that has ended does nothing.
func (r *RedisProc) Stop() { r.end(syscall.SIGTERM) }

// Kill ends the server as a crash would, and waits until it has ended.
func (r *RedisProc) Kill() { r.end(syscall.SIGKILL) }

func (r *RedisProc) end(sig syscall.Signal) {
	if r.proc != nil {
		r.proc.stop(sig)
		r.proc = nil
	}
}

// Restart stops the server if it runs and starts it again on the same port and
// folder. It returns when the server answers.
func (r *RedisProc) Restart() {
	r.t.Helper()
	r.Stop()
	if err := poll(startTimeout, func() (bool, error) { err := r.start(); return err == nil, err }); err != nil {
		r.t.Fatalf("restart redis-server: %v", err)
	}
}

// Pause freezes the server: connections stay open, nothing answers.
func (r *RedisProc) Pause() { r.t.Helper(); r.signal(syscall.SIGSTOP) }

// Continue ends a Pause.
func (r *RedisProc) Continue() { r.t.Helper(); r.signal(syscall.SIGCONT) }

func (r *RedisProc) signal(sig syscall.Signal) {
	r.t.Helper()
	if r.proc == nil {
		r.t.Fatalf("redis-server at %s is not running", r.Addr)
	}
	if err := r.proc.signal(sig); err != nil {
		r.t.Fatalf("%v to redis-server: %v", sig, err)
	}
}

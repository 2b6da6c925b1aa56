package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/redis/go-redis/v9"

	"schoolbell/internal/testenv"
)

// library is a queue library in a program of its own; see queue/subject.
type library struct {
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Scanner
}

// result is what a program answers when it has done a task.
type result struct {
	Ready   bool      `json:"ready"`
	Seconds float64   `json:"seconds"`
	Micros  []float64 `json:"micros"`
	None    bool      `json:"none"` // the library cannot do that
}

// startLibrary runs a program until the test ends, or earlier if this process does:
// the program stops when nobody can tell it anything any more.
func startLibrary(b testing.TB, name, folder, bin string, args ...string) *library {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &library{name: name, cmd: exec.CommandContext(ctx, bin, args...)}
	l.cmd.Dir, l.cmd.Stderr = folder, os.Stderr
	in, err := l.cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := l.cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	l.in, l.out = in, bufio.NewScanner(out)
	l.out.Buffer(nil, 1<<20)
	if err := l.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		cancel()
		_ = l.in.Close()
		_ = l.cmd.Wait() // it was killed
	})
	if !l.answer(b).Ready {
		b.Fatalf("%s did not say that it is ready", name)
	}
	return l
}

func (l *library) answer(b testing.TB) (r result) {
	b.Helper()
	if !l.out.Scan() {
		b.Fatalf("%s has ended: %v", l.name, errors.Join(l.out.Err(), io.ErrUnexpectedEOF))
	}
	if err := json.Unmarshal(l.out.Bytes(), &r); err != nil {
		b.Fatalf("%s said %q: %v", l.name, l.out.Text(), err)
	}
	return r
}

// do has the program do a task.
func (l *library) do(b testing.TB, task string, n, k int) result {
	b.Helper()
	if _, err := fmt.Fprintln(l.in, task, n, k); err != nil {
		b.Fatalf("tell %s: %v", l.name, err)
	}
	return l.answer(b)
}

// startLibraries starts the three programs that are compared, ours last.
func startLibraries(b testing.TB, addr string) []*library {
	b.Helper()
	bench := filepath.Join(testenv.Root(b), "bench")
	node := testenv.Node(b, filepath.Join(bench, "peer"))
	return []*library{
		startLibrary(b, "BullMQ 6, Node", filepath.Join(bench, "peer"), node, "queue.mjs", addr),
		startLibrary(b, "asynq", "", buildLibrary(b, "asynq"), addr),
		startLibrary(b, "bullmq, Go", "", buildLibrary(b, "bullmq"), addr),
	}
}

// buildLibrary builds a program of the module in the folder queue, which is one of
// its own so that nobody who uses our packages has to download asynq.
func buildLibrary(b testing.TB, name string) string {
	b.Helper()
	bin := filepath.Join(b.TempDir(), name)
	cmd := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-o", bin, "./"+name)
	cmd.Dir = filepath.Join(testenv.Root(b), "bench", "queue")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("go build %s: %v\n%s", name, err, out)
	}
	return bin
}

// redisUsage is the CPU time of the Redis so far and how many scripts it has run.
func redisUsage(b testing.TB, rdb *redis.Client) (seconds float64, scripts scriptCost) {
	b.Helper()
	text, err := rdb.Info(b.Context(), "cpu", "commandstats").Result()
	if err != nil {
		b.Fatal(err)
	}
	info := parseInfo(text)
	var user, system float64
	for name, to := range map[string]*float64{"used_cpu_user": &user, "used_cpu_sys": &system} {
		if _, err := fmt.Sscan(info[name], to); err != nil {
			b.Fatalf("Redis does not say its %s: %v", name, err)
		}
	}
	for _, command := range []string{"evalsha", "eval"} {
		var calls, micros float64
		if _, err := fmt.Sscanf(info["cmdstat_"+command], "calls=%f,usec=%f", &calls, &micros); err == nil {
			scripts.calls += calls
			scripts.micros += micros
		}
	}
	return user + system, scripts
}

type scriptCost struct{ calls, micros float64 }

package cli_test

import (
	"context"
	"math"
	"runtime/debug"
	"strings"
	"testing"
	"testing/fstest"

	"schoolbell/internal/cli"
)

// Only this test sets the limit: commands that other tests run in this process have no
// files of the system.
func TestMemoryLimit(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	system := fstest.MapFS{
		"proc/self/cgroup":         {Data: []byte("0::/\n")},
		"sys/fs/cgroup/memory.max": {Data: []byte("8589934592\n")},
	}
	const share = 8589934592 / 100 * 90
	for _, c := range []struct {
		name, explicit, says string
		want                 int64
	}{
		{"from the cgroup", "", "memory limit taken from the cgroup", share},
		{"an explicit GOMEMLIMIT wins", "6GiB", "memory limit taken from GOMEMLIMIT", math.MaxInt64},
	} {
		t.Run(c.name, func(t *testing.T) {
			debug.SetMemoryLimit(math.MaxInt64)
			ctx, cancel := context.WithCancel(t.Context())
			r := &running{t: t, stop: cancel, exited: make(chan struct{})}
			env := bare("DATA_DIR="+t.TempDir(), "HTTP_ADDR=127.0.0.1:0", "GOMEMLIMIT="+c.explicit)
			go func() {
				r.code = cli.Run(ctx, cli.Process{Args: []string{"serve"}, Env: env, System: system, In: strings.NewReader(""), Out: &r.out, Err: &r.err})
				close(r.exited)
			}()
			r.says("Schoolbell .* serves")
			r.says(c.says)
			if got := debug.SetMemoryLimit(-1); got != c.want {
				t.Errorf("limit %d, want %d", got, c.want)
			}
			r.ends()
		})
	}
}

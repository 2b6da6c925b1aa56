package testenv

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"schoolbell/bullmq/redistest"
	"schoolbell/bullmq/testproc"
)

// Main runs the tests of a package, see [testproc.Main].
func Main(m *testing.M, opts ...goleak.Option) { testproc.Main(m, opts...) }

// Eventually waits until cond holds, see [testproc.Eventually].
func Eventually[F func() bool | func() error](t testing.TB, timeout time.Duration, cond F, msg string, args ...any) {
	t.Helper()
	testproc.Eventually(t, timeout, cond, msg, args...)
}

// FreePort returns a loopback port of this test's own, see [testproc.FreePort].
func FreePort(t testing.TB) int { t.Helper(); return testproc.FreePort(t) }

// RedisProc is a redis-server that a test may stop, kill, pause and restart.
type RedisProc = redistest.Server

// RedisOptions say how a Redis differs from the plain one.
type RedisOptions = redistest.Options

// Redis starts a redis-server that keeps nothing on disk and returns its address,
// "127.0.0.1:port". It stops when the test ends.
func Redis(t testing.TB) string { t.Helper(); return redistest.Addr(t) }

// RedisServer starts a redis-server and stops it when the test ends.
func RedisServer(t testing.TB, o RedisOptions) *RedisProc { t.Helper(); return redistest.Start(t, o) }

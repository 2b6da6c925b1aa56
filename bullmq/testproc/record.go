package testproc

import (
	"fmt"
	"runtime"
	"testing"
)

// Recorder is a test that is expected to skip or to fail.
type Recorder struct {
	testing.TB
	SkipText, FailText string // what Skip and Fatalf were called with
}

// Record runs f as a test and returns how it ended.
func Record(f func(t testing.TB)) *Recorder {
	r, done := &Recorder{}, make(chan struct{})
	go func() { defer close(done); f(r) }()
	<-done
	return r
}

// Helper implements [testing.TB].
func (r *Recorder) Helper() {}

// Name implements [testing.TB].
func (r *Recorder) Name() string { return "TestOfSomething" }

// Skip records its arguments and ends the test.
func (r *Recorder) Skip(args ...any) {
	r.SkipText = fmt.Sprint(args...)
	runtime.Goexit()
}

// Fatalf records its message and ends the test.
func (r *Recorder) Fatalf(format string, args ...any) {
	r.FailText = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

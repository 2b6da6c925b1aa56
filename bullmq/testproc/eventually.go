package testproc

import (
	"fmt"
	"testing"
	"time"
)

// slack is how many times longer than on an idle machine a condition may take: tests share processors with each other.
const slack = 3

// Eventually calls cond until it returns true, or nil, and fails the test at once when it has not after a wait of three
// times timeout, which is how long an idle machine takes at most. The message says what was waited for. cond runs in the
// calling goroutine, at least once, and again after the wait.
func Eventually[F func() bool | func() error](t testing.TB, timeout time.Duration, cond F, msg string, args ...any) {
	t.Helper()
	try := func() (bool, error) {
		switch cond := any(cond).(type) {
		case func() error:
			err := cond()
			return err == nil, err
		case func() bool:
			return cond(), nil
		}
		panic("unreachable: the constraint allows no other type")
	}
	if err := Poll(slack*timeout, try); err != nil {
		t.Fatalf("%s: %v", fmt.Sprintf(msg, args...), err)
	}
}

// Poll calls try until it reports done, with pauses that grow to 50 ms. It fails when
// timeout has passed; try is called at least once after that.
func Poll(timeout time.Duration, try func() (done bool, err error)) error {
	deadline := time.Now().Add(timeout)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		late := time.Now().After(deadline)
		done, err := try()
		switch {
		case done:
			return nil
		case late && err != nil:
			return fmt.Errorf("not within %v: %w", timeout, err)
		case late:
			return fmt.Errorf("not within %v", timeout)
		}
		<-time.After(pause)
	}
}

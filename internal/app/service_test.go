package app

import (
	"context"
	"errors"
	"testing"
)

func TestRun(t *testing.T) {
	t.Parallel()
	t.Run("the infrastructure stops last", testRunInfrastructureLast)
	t.Run("one failure ends all services", testRunFailure)
}

func testRunInfrastructureLast(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	upperStopped := make(chan struct{})
	upper := func(ctx context.Context) error {
		cancel() // as a signal would
		<-ctx.Done()
		close(upperStopped)
		return nil
	}
	infra := func(ctx context.Context) error {
		<-ctx.Done()
		select {
		case <-upperStopped:
		default:
			t.Error("the infrastructure stopped before a service that was still running")
		}
		return nil
	}
	if err := Run(ctx, []Service{upper}, []Service{infra}); err != nil {
		t.Error(err)
	}
}

func testRunFailure(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	fail := func(context.Context) error { return broken }
	wait := func(ctx context.Context) error { <-ctx.Done(); return nil }
	if err := Run(t.Context(), []Service{wait, fail}, []Service{wait}); !errors.Is(err, broken) {
		t.Errorf("a service fails: %v", err)
	}
	if err := Run(t.Context(), []Service{wait}, []Service{wait, fail}); !errors.Is(err, broken) {
		t.Errorf("the infrastructure fails: %v", err)
	}
}

package e2e

import (
	"context"
	"testing"
)

// play runs a fake until the test ends.
func play(t *testing.T, f interface {
	Run(ctx context.Context) error
	Close() error
}) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- f.Run(context.Background()) }()
	t.Cleanup(func() {
		_ = f.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

package bullmq

import (
	"context"
	"time"
)

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// retryDelay is a delay that doubles from 25 ms to 2 s.
type retryDelay struct{ n int }

func (r *retryDelay) next() time.Duration {
	d := min(25*time.Millisecond<<r.n, 2*time.Second)
	r.n = min(r.n+1, 10)
	return d
}

func (r *retryDelay) reset() { r.n = 0 }

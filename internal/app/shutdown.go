package app

import (
	"context"
	"fmt"
	"time"

	"schoolbell/internal/config"
)

// settleTime is the part of the grace time in which outcomes are still recorded and
// claims handed back, after the work itself was cut off.
const settleTime = 5 * time.Second

// WorkGrace is how long work may go on after SIGTERM, so that the whole process ends
// within SHUTDOWN_GRACE.
func WorkGrace(cfg *config.Config) time.Duration {
	grace := cfg.Queue.ShutdownGrace
	return grace - min(settleTime, grace/2)
}

// EndsInTime runs a long-running command and returns at the latest grace after ctx ended,
// whatever delays it: a server that does not answer must not keep a process from
// ending, because the system would kill it at a moment of its own choice. What was not
// handed back by then is taken over by others when its lease has run out.
func EndsInTime(ctx context.Context, grace time.Duration, run func() error) error {
	ended := make(chan error, 1)
	go func() { ended <- run() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(grace):
		return fmt.Errorf("not everything stopped within %v; other workers take over the rest when its lease expires", grace)
	}
}

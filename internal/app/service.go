package app

import (
	"context"
	"runtime/debug"

	"golang.org/x/sync/errgroup"
)

// Service is something that runs until its context ends and returns when all that it
// started has stopped.
type Service func(ctx context.Context) error

// Run runs services until ctx ends or one of them fails, and returns when all have
// stopped. The infrastructure that they use, servers in this process, runs until the
// last of them has stopped.
func Run(ctx context.Context, services, infra []Service) error {
	debug.FreeOSMemory() // what only starting needed, such as the buffers of migrations: 12 MiB
	infraCtx, stopInfra := context.WithCancel(context.WithoutCancel(ctx))
	defer stopInfra()
	lower, lowerCtx := errgroup.WithContext(infraCtx)
	for _, run := range infra {
		lower.Go(func() error { return run(lowerCtx) })
	}
	upper, upperCtx := errgroup.WithContext(ctx)
	upper.Go(func() error { // without the infrastructure nothing can go on
		select {
		case <-lowerCtx.Done():
			return context.Cause(lowerCtx)
		case <-upperCtx.Done():
			return nil
		}
	})
	for _, run := range services {
		upper.Go(func() error { return run(upperCtx) })
	}
	err := upper.Wait()
	stopInfra()
	if errLower := lower.Wait(); err == nil {
		err = errLower
	}
	return err
}

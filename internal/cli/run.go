package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

// part is something that runs until its context ends and returns when all it
// started has stopped.
type part func(ctx context.Context) error

// runParts runs parts until ctx ends or one of them fails, and returns when all
// have stopped. What they stand on, servers in this process, goes on until the
// last of them has.
func runParts(ctx context.Context, parts, ground []part) error {
	groundCtx, stopGround := context.WithCancel(context.WithoutCancel(ctx))
	defer stopGround()
	lower, lowerCtx := errgroup.WithContext(groundCtx)
	for _, run := range ground {
		lower.Go(func() error { return run(lowerCtx) })
	}
	upper, upperCtx := errgroup.WithContext(ctx)
	upper.Go(func() error { // without ground nothing can go on
		select {
		case <-lowerCtx.Done():
			return context.Cause(lowerCtx)
		case <-upperCtx.Done():
			return nil
		}
	})
	for _, run := range parts {
		upper.Go(func() error { return run(upperCtx) })
	}
	err := upper.Wait()
	stopGround()
	if errLower := lower.Wait(); err == nil {
		err = errLower
	}
	return err
}

// listen opens the address that a setting names, so that a taken port is an
// error before anything else has begun.
func listen(ctx context.Context, setting, addr string) (net.Listener, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, advise(fmt.Errorf("cannot listen on %s: %w", addr, err), "stop the program that uses it, or set %s to another address", setting)
	}
	return ln, nil
}

// The limits on the exchanges of the health page, which are small.
const (
	exchangeTimeout = 10 * time.Second
	idleTimeout     = 2 * time.Minute
	maxHeaderBytes  = 16 << 10
)

// serveHTTP answers on ln until ctx ends, then lets requests in hand finish
// within grace.
func serveHTTP(ln net.Listener, h http.Handler, grace time.Duration, log *slog.Logger) part {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: exchangeTimeout,
		ReadTimeout:       exchangeTimeout,
		WriteTimeout:      exchangeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return func(ctx context.Context) error {
		stopped := make(chan error, 1)
		go func() {
			<-ctx.Done()
			limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
			defer cancel()
			stopped <- srv.Shutdown(limit)
		}()
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve HTTP: %w", err)
		}
		if err := <-stopped; err != nil {
			log.Warn("requests cut off", "error", err)
			_ = srv.Close() // what is left of connections; nothing can be done about them
		}
		return nil
	}
}

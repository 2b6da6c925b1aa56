package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"schoolbell/internal/advice"
)

// Listen opens the address that a setting names, so that a port in use is an
// error before anything else has begun.
func Listen(ctx context.Context, setting, addr string) (net.Listener, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, advice.Add(fmt.Errorf("cannot listen on %s: %w", addr, err), "stop the program that uses it, or set %s to another address", setting)
	}
	return ln, nil
}

// The limits on the exchanges of the health page, which are small.
const (
	exchangeTimeout = 10 * time.Second
	idleTimeout     = 2 * time.Minute
	maxHeaderBytes  = 16 << 10
)

// ServeHTTP answers on ln until ctx ends, then lets requests in flight finish
// within grace. It speaks TLS if conf is not nil.
func ServeHTTP(ln net.Listener, h http.Handler, conf *tls.Config, grace time.Duration, log *slog.Logger) Service {
	srv := &http.Server{
		Handler:           h,
		TLSConfig:         conf,
		ReadHeaderTimeout: exchangeTimeout,
		ReadTimeout:       exchangeTimeout,
		WriteTimeout:      exchangeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return func(ctx context.Context) error { return serveUntil(ctx, srv, ln, grace, log) }
}

// serveUntil answers on ln until ctx ends, then lets requests in flight finish within grace.
func serveUntil(ctx context.Context, srv *http.Server, ln net.Listener, grace time.Duration, log *slog.Logger) error {
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		stopped <- srv.Shutdown(limit)
	}()
	serve := srv.Serve
	if srv.TLSConfig != nil {
		serve = func(ln net.Listener) error { return srv.ServeTLS(ln, "", "") }
	}
	if err := serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve HTTP: %w", err)
	}
	if err := <-stopped; err != nil {
		log.Warn("requests were cut off by the shutdown", "error", err)
		_ = srv.Close() // what is left of connections; nothing can be done about them
	}
	return nil
}

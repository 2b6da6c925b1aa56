package app

import (
	"context"
	"crypto/tls"
	"net"

	"schoolbell/internal/bounceserver"
	"schoolbell/internal/receipt"
)

// OpenBounces opens the address where emails come back by SMTP, if the settings name one.
func (r *Runtime) OpenBounces(ctx context.Context) error {
	addr := r.Config.Receipts.BounceAddr
	if addr == "" {
		return nil
	}
	ln, err := Listen(ctx, "BOUNCE_ADDR", addr)
	if err != nil {
		return err
	}
	r.bounces = ln
	r.closers = append(r.closers, func() error {
		_ = ln.Close() // for the starts that end early; serving closes it too
		return nil
	})
	return nil
}

// BounceAddr returns where emails come back by SMTP; nil if they do not.
func (r *Runtime) BounceAddr() net.Addr {
	if r.bounces == nil {
		return nil
	}
	return r.bounces.Addr()
}

// serveBounces returns the service that takes emails that come back by SMTP.
func (r *Runtime) serveBounces(receipts *receipt.Service, conf *tls.Config) Service {
	take := func(ctx context.Context, address string, email []byte) error {
		return receipts.Take(ctx, receipt.Mail, receipt.Request{Body: email, Recipient: address})
	}
	s := bounceserver.New(bounceserver.Config{Domain: r.Config.Receipts.BounceDomain, TLS: conf, Known: receipts.Known, Take: take, Logger: r.Log})
	return func(ctx context.Context) error { return s.Serve(ctx, r.bounces) }
}

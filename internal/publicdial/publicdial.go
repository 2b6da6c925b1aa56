// Package publicdial connects to addresses that strangers have chosen, such as those of push services and webhooks. It
// refuses every address that is not public, so that nobody can use this program to reach the network behind it
// (server-side request forgery).
//
// The address that is really dialled is checked, after the look-up of its name and at each connection. A name that leads to a
// public address now and to a private one later gains nothing.
package publicdial

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
	"time"
)

// ErrRefused is in the errors of requests and connections that a [Guard] refuses. Nothing was sent.
var ErrRefused = errors.New("refused")

var errPlain = fmt.Errorf("%w: http:// is for allowed networks only; use https://", ErrRefused)

const (
	dialTimeout = 5 * time.Second
	tlsTimeout  = 10 * time.Second
	idleTimeout = 20 * time.Second // shorter than that of most servers: a request on a connection they have closed would be uncertain
	maxHeader   = 64 << 10         // bytes of a reply's header
)

// Guard decides which addresses may be dialled. It is safe for concurrent use.
type Guard struct {
	allow  []netip.Prefix
	dialer *net.Dialer
}

// New returns a guard that allows public addresses, and those of some networks beside them.
func New(allow []netip.Prefix) *Guard {
	g := &Guard{allow: slices.Clone(allow)}
	g.dialer = &net.Dialer{Timeout: dialTimeout, ControlContext: g.control}
	return g
}

// control is called with each address that is about to be dialled.
func (g *Guard) control(ctx context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: the address of the host cannot be read", ErrRefused)
	}
	if ctx.Value(plainKey{}) != nil && !g.listed(to.Addr()) {
		return errPlain
	}
	return g.Check(to.Addr())
}

// Check reports why an address may not be dialled. The error has [ErrRefused], and not the address: who gave the name of the
// host must not learn it.
func (g *Guard) Check(addr netip.Addr) error {
	if g.listed(addr) || public(addr) {
		return nil
	}
	return fmt.Errorf("%w: the host has no public address", ErrRefused)
}

// listed reports whether an address is in the networks that are allowed beside public ones.
func (g *Guard) listed(addr netip.Addr) bool {
	addr = plain(addr)
	return slices.ContainsFunc(g.allow, func(network netip.Prefix) bool { return network.Contains(addr) })
}

// DialContext connects to the first allowed address of a host. network is that of net.Dial.
func (g *Guard) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return g.dialer.DialContext(ctx, network, address)
}

// NewClient returns an HTTP client for at most so many requests at once. Its URLs must be https without a user name; http is
// only for the networks that the guard allows beside public addresses. It uses no proxy, because a proxy would dial for us,
// and follows no redirects. Callers limit the time of a request by its context, and what they read of a reply.
func (g *Guard) NewClient(connections int) *http.Client {
	return &http.Client{
		Transport: &transport{&http.Transport{
			DialContext:            g.DialContext,
			TLSHandshakeTimeout:    tlsTimeout,
			ForceAttemptHTTP2:      true,
			DisableCompression:     true,
			MaxIdleConns:           connections,
			MaxIdleConnsPerHost:    connections,
			IdleConnTimeout:        idleTimeout,
			MaxResponseHeaderBytes: maxHeader,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// transport is a transport that checks URLs first.
type transport struct{ *http.Transport }

// plainKey marks the context of requests without TLS, also while their connections are dialled.
type plainKey struct{}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := checkURL(req.URL); err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	if req.URL.Scheme == "http" {
		req = req.WithContext(context.WithValue(req.Context(), plainKey{}, true))
	}
	return t.Transport.RoundTrip(req)
}

// CheckURL reports why no request to a URL could be sent, as far as it can be told without the look-up of its name.
func (g *Guard) CheckURL(u *url.URL) error {
	if err := checkURL(u); err != nil {
		return err
	}
	addr, err := netip.ParseAddr(u.Hostname())
	isName := err != nil
	if u.Scheme == "http" && (len(g.allow) == 0 || !isName && !g.listed(addr)) {
		return errPlain
	}
	if isName {
		return nil
	}
	return g.Check(addr)
}

func checkURL(u *url.URL) error {
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("%w: the URL must begin with https://", ErrRefused)
	case u.User != nil:
		return fmt.Errorf("%w: the URL must have no user name", ErrRefused)
	case u.Hostname() == "":
		return fmt.Errorf("%w: the URL must have a host", ErrRefused)
	}
	return nil
}

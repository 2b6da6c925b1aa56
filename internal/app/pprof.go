package app

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"

	"schoolbell"
)

// Profiles opens PPROF_ADDR and returns its address and the service that answers there,
// nil if the setting is empty. A profile in progress when the service ends is cut short,
// and the client gets what was measured so far.
func (r *Runtime) Profiles(ctx context.Context) (net.Addr, Service, error) {
	h := r.Config.HTTP
	if h.PprofAddr == "" {
		return nil, nil, nil
	}
	ln, err := Listen(ctx, "PPROF_ADDR", h.PprofAddr)
	if err != nil {
		return nil, nil, err
	}
	r.closers = append(r.closers, func() error { _ = ln.Close(); return nil }) // for starts that end early
	handler := profileHandler()
	if !h.PprofRemote {
		handler = onlyLoopbackHosts(handler)
	}
	return ln.Addr(), func(ctx context.Context) error {
		srv := &http.Server{
			Handler:           handler,
			BaseContext:       func(net.Listener) context.Context { return ctx }, // ends profiles in progress
			ReadHeaderTimeout: exchangeTimeout,
			ReadTimeout:       exchangeTimeout, // no WriteTimeout: a profile may take as long as the client asks
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    maxHeaderBytes,
			ErrorLog:          slog.NewLogLogger(r.Log.Handler(), slog.LevelDebug),
		}
		return serveUntil(ctx, srv, ln, settleTime, r.Log)
	}, nil
}

// profileHandler leaves out the command line, which may contain secrets.
func profileHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// onlyLoopbackHosts refuses requests for names of other machines: a web page on such a name
// may have been redirected to this machine.
func onlyLoopbackHosts(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		host, _, err := net.SplitHostPort(req.Host)
		if err != nil {
			host = req.Host
		}
		if !schoolbell.Loopback(host) {
			http.Error(w, "Profiles are served for this machine only.", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, req)
	})
}

package certificate

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// Look is how often the files are compared with what was read before. They are small, and
	// reading them notices every way of replacing them, also that of links to other folders.
	Look = 2 * time.Second

	// Soon is how long before its end a certificate is reported.
	Soon = 14 * 24 * time.Hour

	reportEvery = 24 * time.Hour
)

// Server is the certificate of a server. It is safe for concurrent use.
type Server struct {
	files Files
	log   *slog.Logger

	current atomic.Pointer[tls.Certificate]

	// Of Run's goroutine.
	used     [sha256.Size]byte // digest of the files in use
	refused  string            // why the files could not be used at the last look
	reported string            // the reason that was logged
	warned   time.Time         // when the end of the certificate was last reported
}

// Open reads the files. A certificate that is out of date is still used, and
// reported: a server that clients can choose to trust is better than none.
func Open(files Files, log *slog.Logger) (*Server, error) {
	s := &Server{files: files, log: log}
	c, err := files.read()
	if err != nil {
		return nil, err
	}
	pair, err := c.parse()
	if err != nil {
		return nil, err
	}
	s.current.Store(pair)
	s.used = c.digest()
	if info, err := os.Stat(files.Key); err == nil && OpenToAll(info.Mode()) {
		log.Warn("other users of this machine can read the key of the TLS certificate", "file", files.Key, "fix", "chmod o-rwx "+files.Key)
	}
	s.reportEnd(time.Now())
	return s, nil
}

// OpenToAll reports whether every user of the machine may read a file. A group may: that is
// how a server without the rights of root gets at its key.
func OpenToAll(mode os.FileMode) bool { return mode.Perm()&0o007 != 0 }

// NotAfter is when the certificate in use ends.
func (s *Server) NotAfter() time.Time { return s.current.Load().Leaf.NotAfter }

// Config returns a configuration for servers. Each new connection gets the certificate that
// is in use by then; those that are open go on with theirs.
func (s *Server) Config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.current.Load(), nil },
	}
}

// Run replaces the certificate when the files have changed, until ctx ends. Files that
// cannot be used leave the one before in place.
func (s *Server) Run(ctx context.Context) error {
	tick := time.NewTicker(Look)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			s.look(now)
		}
	}
}

// look compares the files with those in use. They are replaced one after the other, so only
// what is wrong at two looks in a row is reported.
func (s *Server) look(now time.Time) {
	defer s.reportEnd(now)
	c, err := s.files.read()
	digest := c.digest()
	if err == nil && digest == s.used {
		s.refused, s.reported = "", ""
		return
	}
	var pair *tls.Certificate
	if err == nil {
		pair, err = c.parse()
	}
	if err == nil {
		err = CheckTime(pair.Leaf, now)
	}
	if err != nil {
		reason := err.Error()
		if reason == s.refused && reason != s.reported {
			s.log.Warn("TLS certificate cannot be replaced, the previous one stays in use", "error", err, "file", s.files.Cert, "not_after", s.NotAfter())
			s.reported = reason
		}
		s.refused = reason
		return
	}
	s.current.Store(pair)
	s.used, s.refused, s.reported, s.warned = digest, "", "", time.Time{}
	s.log.Info("TLS certificate replaced", "names", strings.Join(Names(pair.Leaf), ","), "not_after", pair.Leaf.NotAfter)
}

// reportEnd warns once a day of a certificate that ends soon.
func (s *Server) reportEnd(now time.Time) {
	if end := s.NotAfter(); end.Sub(now) < Soon && now.Sub(s.warned) >= reportEvery {
		s.log.Warn("TLS certificate expires soon or has expired", "not_after", end, "file", s.files.Cert)
		s.warned = now
	}
}

package doctor

import (
	"context"
	"crypto/tls"
	"net/url"
	"os"
	"strings"
	"time"

	"schoolbell/internal/certificate"
	"schoolbell/internal/config"
)

// checkTLS looks at the certificate in the files, which is not yet the one that a running
// server has.
func checkTLS(_ context.Context, cfg *config.Config) Finding {
	h := cfg.HTTP
	pair, err := certificate.Files{Cert: h.TLSCert, Key: h.TLSKey}.Load()
	if err != nil {
		return broken("set TLS_CERT and TLS_KEY to a certificate and its key in PEM form; a running server still uses the previous pair", "%v", err)
	}
	leaf, now := pair.Leaf, time.Now()
	until := leaf.NotAfter.UTC().Format(time.DateOnly)
	names := strings.Join(certificate.Names(leaf), ", ")
	if err := certificate.CheckTime(leaf, now); err != nil {
		return broken("renew the certificate; a running server reads the new files", "%v", err)
	}
	if leaf.NotAfter.Sub(now) < certificate.Soon {
		return doubtful("renew the certificate; a running server reads the new files", "the certificate for %s expires on %s", names, until)
	}
	if info, err := os.Stat(h.TLSKey); err == nil && certificate.OpenToAll(info.Mode()) {
		return doubtful("chmod o-rwx "+h.TLSKey, "other users of this machine can read %s", h.TLSKey)
	}
	if u, err := url.Parse(h.PublicURL); err == nil && cfg.Set("PUBLIC_URL") && u.Scheme == "https" && leaf.VerifyHostname(u.Hostname()) != nil {
		return doubtful("get a certificate for "+u.Hostname()+", unless a proxy has one", "the certificate is for %s, and PUBLIC_URL is %s", names, h.PublicURL)
	}
	return fine("certificate for %s until %s", names, until)
}

// ownCertificate recognizes the server of this machine by its certificate. It is nil without
// TLS, or if the certificate cannot be read: then checkTLS says so.
func ownCertificate(cfg *config.Config) *tls.Config {
	if !cfg.HTTP.TLS() {
		return nil
	}
	conf, err := certificate.Pinned(cfg.HTTP.TLSCert)
	if err != nil {
		return nil
	}
	return conf
}

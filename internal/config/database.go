package config

import (
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"schoolbell"
)

// DSN is DATABASE_URL as the driver gets it. Without an sslmode, the driver would go on
// in clear, password included, with a server that refuses TLS; off this machine TLS with
// a certificate that is good for the host is then required. An sslmode in the URL,
// PGSSLMODE and a service file count as the operator's choice.
func (l *Ledger) DSN() (string, error) {
	dsn := l.DatabaseURL.Reveal()
	conf, err := pgconn.ParseConfig(dsn)
	if err != nil {
		// The driver's own error may quote the password.
		return "", fmt.Errorf("must be an address such as postgres://user:password@host/name")
	}
	if !inClear(conf) || os.Getenv("PGSSLMODE") != "" || os.Getenv("PGSERVICE") != "" || strings.Contains(dsn, "sslmode=") || strings.Contains(dsn, "service=") {
		return dsn, nil
	}
	if !strings.Contains(dsn, "://") {
		return dsn + " sslmode=verify-full", nil
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return "", fmt.Errorf("must be an address such as postgres://user:password@host/name")
	}
	q := u.Query()
	q.Set("sslmode", "verify-full")
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// inClear reports whether conf allows a connection in clear to another machine.
func inClear(conf *pgconn.Config) bool {
	off := func(host string) bool {
		return !strings.HasPrefix(host, "/") && !strings.HasPrefix(host, "@") && !schoolbell.Loopback(host)
	}
	if conf.TLSConfig == nil && off(conf.Host) {
		return true
	}
	for _, f := range conf.Fallbacks {
		if f.TLSConfig == nil && off(f.Host) {
			return true
		}
	}
	return false
}

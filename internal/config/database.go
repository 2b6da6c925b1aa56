package config

import (
	"errors"
	"net/url"
	"os"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"schoolbell"
)

// errDatabaseURL says nothing of the URL itself, because it has a password in it.
var errDatabaseURL = errors.New("must be an address such as postgres://user:password@host:5432/name, or empty for SQLite")

// DSN is DATABASE_URL as the driver gets it. Without an sslmode, the driver would connect
// unencrypted, password included, to a server that refuses TLS. For another machine, DSN then
// requires TLS with a valid certificate of the host. An sslmode in the URL and
// PGSSLMODE count as the operator's choice, a service file does not: what it leaves out cannot be seen here.
func (l *Ledger) DSN() (string, error) {
	dsn := l.DatabaseURL.Reveal()
	u, err := url.Parse(dsn)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return "", errDatabaseURL
	}
	conf, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return "", errDatabaseURL // the driver's own error may quote the password
	}
	q := u.Query()
	if !inClear(conf) || q.Get("sslmode") != "" || !q.Has("sslmode") && os.Getenv("PGSSLMODE") != "" {
		return dsn, nil
	}
	q.Set("sslmode", "verify-full")
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// inClear reports whether conf allows an unencrypted connection to another machine.
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

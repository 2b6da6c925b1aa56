package config

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"schoolbell"
	"schoolbell/internal/channel/email/smtpconn"
)

func (c *Core) filled(origins map[string]Origin, _ Sources) { c.origins = origins }

func (c *Staff) filled(origins map[string]Origin, _ Sources) {
	c.origins = origins
	c.HTTP.derive()
}

// derive fills the URL that follows from where the server listens.
func (a *Address) derive() {
	if a.PublicURL == "" {
		a.PublicURL = a.LocalURL(a.Addr)
	}
}

func (c *Config) filled(origins map[string]Origin, _ Sources) {
	c.origins = origins
	c.HTTP.derive()
	if c.Redis.Host == "" && c.Redis.URL == "" && !c.Redis.cluster() && !c.Redis.sentinel() && c.origins["REDIS_PORT"] != FromDefault {
		c.Redis.Host = "localhost"
	}
	if c.origins["REDIS_TLS"] == FromDefault {
		c.Redis.TLS = !c.Redis.local()
	} else {
		c.Redis.insecure = !c.Redis.TLS
	}
	if c.Queue.WorkerName == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "worker"
		}
		c.Queue.WorkerName = fmt.Sprintf("%s:%d", host, os.Getpid())
	}
	e := &c.Email
	e.TLS, e.Port = smtpconn.WithDefaults(e.Host, e.TLS, e.Port)
}

// filled finds the server of this machine when no other is named. Permission to send
// the key unencrypted is not taken from a .env file found in the working folder: it may be a stranger's.
func (c *Client) filled(origins map[string]Origin, src Sources) {
	c.origins, c.envNamed = origins, src.Must
	c.urlFrom = "SCHOOLBELL_URL"
	if c.URL == "" {
		c.URL, c.urlFrom = localURL(c.Addr, c.TLSCert != ""), "HTTP_ADDR"
	}
	if c.fromFoundFile("SCHOOLBELL_INSECURE") {
		c.Insecure = false
	}
}

// PinnedCertificate is the file of the certificate by which to recognize the server of this
// machine; empty if the server's name counts, as for every other server. A certificate that
// a stranger's .env file may have named is good for an address on loopback only.
func (c *Client) PinnedCertificate() string {
	u, err := url.Parse(c.URL)
	if err != nil || c.urlFrom != "HTTP_ADDR" {
		return ""
	}
	if c.fromFoundFile("TLS_CERT") && !c.fromFoundFile("SCHOOLBELL_API_KEY") && !schoolbell.Loopback(u.Hostname()) {
		return ""
	}
	return c.TLSCert
}

// TLS reports whether the listeners of a process speak TLS.
func (a *Address) TLS() bool { return a.TLSCert != "" }

// LocalURL is the URL under which this machine reaches a listener of a process at addr.
func (a *Address) LocalURL(addr string) string { return localURL(addr, a.TLS()) }

func localURL(addr string, secure bool) string {
	scheme := "http://"
	if secure {
		scheme = "https://"
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return scheme + addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return scheme + net.JoinHostPort(host, port)
}

// SQLitePath is the file of the ledger when DATABASE_URL is empty.
func (c *Core) SQLitePath() string { return filepath.Join(c.General.DataDir, "schoolbell.db") }

// LedgerName names the ledger for people: its engine and place, without credentials.
func (c *Core) LedgerName() string {
	if c.Ledger.DatabaseURL == "" {
		return "SQLite " + c.SQLitePath()
	}
	return strings.TrimSpace("PostgreSQL " + place(c.Ledger.DatabaseURL))
}

// place is what of an address may be shown: host and path, and nothing of what
// is no address at all, because it may be a password in the wrong place.
func place(address Secret) string {
	u, err := url.Parse(address.Reveal())
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Host + u.Path
}

// Name names the Redis for people: its kind and place, without credentials.
func (r *Redis) Name() string {
	switch {
	case r.cluster():
		return "Cluster " + strings.Join(r.ClusterNodes, ",")
	case r.sentinel():
		return r.SentinelMaster + " of Sentinel " + strings.Join(r.SentinelAddrs, ",")
	case r.URL != "":
		return place(r.URL)
	case r.Host != "":
		return net.JoinHostPort(r.Host, strconv.Itoa(r.Port))
	}
	return "in this process"
}

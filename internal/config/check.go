package config

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/internal/address"
	"schoolbell/internal/channel/email/smtpconn"
)

// maxSchoolName is in bytes.
const maxSchoolName = 200

// Check implements [Target].
func (c *Core) Check() error {
	var f schoolbell.Faults
	c.check(&f)
	return f.Err()
}

// Check implements [Target].
func (c *Staff) Check() error {
	var f schoolbell.Faults
	c.Core.check(&f)
	c.HTTP.check(&f)
	return f.Err()
}

// Check implements [Target].
func (c *Config) Check() error {
	var f schoolbell.Faults
	c.Core.check(&f)
	c.School.check(&f)
	c.HTTP.check(&f)
	c.OIDC.check(&f, c.Set("PUBLIC_URL"))
	c.Redis.check(&f)
	c.Queue.check(&f)
	c.Email.check(&f)
	c.DKIM.check(&f)
	c.checkProviders(&f)
	c.SMS.check(&f)
	c.Push.check(&f)
	c.Receipts.check(&f)
	c.Retention.check(&f)
	return f.Err()
}

func (c *Core) check(f *schoolbell.Faults) {
	c.General.check(f)
	c.Ledger.check(f)
}

func (g *General) check(f *schoolbell.Faults) {
	if strings.TrimSpace(g.DataDir) == "" {
		f.Add("DATA_DIR", "must name a folder")
	}
	oneOf(f, "LOG_LEVEL", g.LogLevel, "debug", "info", "warn", "error")
	oneOf(f, "LOG_FORMAT", g.LogFormat, "text", "json")
}

func (l *Ledger) check(f *schoolbell.Faults) {
	between(f, "DATABASE_CONNECTIONS", l.Connections, 2, 1000)
	between(f, "RESTORE_HOLD_AGE", l.HoldAge, 0, 5*365*24*time.Hour)
	if l.DatabaseURL == "" {
		return
	}
	if _, err := l.DSN(); err != nil {
		f.Add("DATABASE_URL", "%v", err)
	}
}

func (s *School) check(f *schoolbell.Faults) {
	if len(s.Name) > maxSchoolName || schoolbell.CheckLine("SCHOOL_NAME", s.Name, maxSchoolName) != nil {
		f.Add("SCHOOL_NAME", "must be one line of at most %d bytes with a visible character", maxSchoolName)
	}
	if err := schoolbell.ValidateLanguage(s.Language); err != nil {
		f.Add("SCHOOL_LANGUAGE", "%v", err)
	}
	if !schoolbell.ValidTimezone(s.Timezone) {
		f.Add("SCHOOL_TIMEZONE", "must be an IANA time zone such as Europe/London")
	}
}

func (a *Address) check(f *schoolbell.Faults) {
	listenAddr(f, "HTTP_ADDR", a.Addr)
	if u, err := url.Parse(a.PublicURL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || !isPlainURL(a.PublicURL) {
		f.Add("PUBLIC_URL", "must be an address such as https://bell.school.example")
	}
}

func (h *HTTP) check(f *schoolbell.Faults) {
	h.Address.check(f)
	if h.MetricsAddr != "" {
		listenAddr(f, "METRICS_ADDR", h.MetricsAddr)
	}
	h.checkPprof(f)
	if err := checkMessageURL(h.MessageURL); h.MessageURL != "" && err != nil {
		f.Add("MESSAGE_URL", "%v", err)
	}
	between(f, "API_RATE_PER_KEY", h.RatePerKey, 0, 1_000_000)
	between(f, "API_RATE_PER_ADDRESS", h.RatePerAddress, 0, 1_000_000)
	between(f, "STREAMS_PER_USER", h.StreamsPerUser, 0, 1_000_000)
	between(f, "STREAMS_PER_KEY", h.StreamsPerKey, 0, 1_000_000)
	between(f, "STREAMS_MAX", h.StreamsMax, 0, 1_000_000)
	if _, err := h.Proxies(); err != nil {
		f.Add("TRUSTED_PROXIES", "must be addresses or networks such as 10.0.0.7,192.0.2.0/24")
	}
	if _, err := h.Outbound(); err != nil {
		f.Add("OUTBOUND_ALLOW", "must be addresses or networks such as 127.0.0.1/32,10.1.2.0/24")
	}
	if (h.TLSCert == "") != (h.TLSKey == "") { // what is in the files, the server checks: they may change
		f.Add("TLS_KEY", "must be set together with TLS_CERT")
	}
	checkOrigins(f, h.CORSOrigins)
	if k := h.APIKey.Reveal(); k != "" && strings.ContainsAny(k, " \t\r\n") {
		f.Add("SCHOOLBELL_API_KEY", "must not have spaces; try: openssl rand -hex 24")
	} else if err := schoolbell.CheckKeyStrength(k); k != "" && err != nil {
		f.Add("SCHOOLBELL_API_KEY", "%v; try: openssl rand -hex 24", err)
	}
}

// checkPprof keeps profiles from other machines: they tell much about the program, and
// anybody who can read them can slow it down.
func (h *HTTP) checkPprof(f *schoolbell.Faults) {
	if h.PprofAddr == "" {
		return
	}
	listenAddr(f, "PPROF_ADDR", h.PprofAddr)
	if host, _, err := net.SplitHostPort(h.PprofAddr); err == nil && !schoolbell.Loopback(host) && !h.PprofRemote {
		f.Add("PPROF_ADDR", "can be reached from other machines: use an address such as 127.0.0.1:6060, or set PPROF_REMOTE=true if the network is private")
	}
}

func (r *Redis) check(f *schoolbell.Faults) {
	var ways []string
	for name, set := range map[string]bool{"REDIS_URL": r.URL != "", "REDIS_HOST": r.Host != "", "REDIS_CLUSTER_NODES": r.cluster(), "REDIS_SENTINEL_ADDRS": r.sentinel()} {
		if set {
			ways = append(ways, name)
		}
	}
	if len(ways) > 1 {
		for _, name := range sorted(ways) {
			f.Add(name, "only one of %s may be set", strings.Join(sorted(ways), ", "))
		}
	}
	port(f, "REDIS_PORT", r.Port)
	hostPorts(f, "REDIS_CLUSTER_NODES", r.ClusterNodes)
	hostPorts(f, "REDIS_SENTINEL_ADDRS", r.SentinelAddrs)
	if r.sentinel() != (r.SentinelMaster != "") {
		f.Add("REDIS_SENTINEL_MASTER", "must be set together with REDIS_SENTINEL_ADDRS")
	}
	between(f, "REDIS_DB", r.DB, 0, 1_000_000)
	if r.cluster() && r.DB != 0 {
		f.Add("REDIS_DB", "must be 0 in a Redis Cluster")
	}
	r.checkURL(f)
	if _, err := r.tls(); err != nil {
		f.Add("REDIS_TLS_CA", "%v", err)
	}
}

func (q *Queue) check(f *schoolbell.Faults) {
	if q.Prefix == "" || strings.ContainsAny(q.Prefix, " \t\r\n") {
		f.Add("QUEUE_PREFIX", "must be a word")
	}
	if q.Name == "" || strings.ContainsAny(q.Name, ": \t\r\n{}") {
		f.Add("QUEUE_NAME", "must be a word without colons and braces")
	}
	between(f, "BATCH_SIZE", q.BatchSize, 1, 10_000)
	between(f, "WORKER_CONCURRENCY", q.Concurrency, 1, 1000)
	between(f, "URGENT_SHARE", q.UrgentShare, 0, schoolbell.MaxUrgentShare)
	if !schoolbell.IsLine(q.WorkerName) || len(q.WorkerName) > 200 {
		f.Add("WORKER_NAME", "must be one line of at most 200 bytes")
	}
	between(f, "JOB_RETRIES", q.Retries, 0, 20)
	between(f, "JOB_BACKOFF", q.Backoff, 0, time.Hour)
	between(f, "RATE_LIMIT_MAX", q.RateMax, 0, 1_000_000)
	between(f, "RATE_LIMIT_DURATION", q.RateDuration, 0, time.Hour)
	between(f, "KEEP_COMPLETED", q.KeepCompleted, 0, 10*365*24*time.Hour)
	between(f, "KEEP_FAILED", q.KeepFailed, 0, 10*365*24*time.Hour)
	between(f, "SHUTDOWN_GRACE", q.ShutdownGrace, time.Second, time.Hour)
}

func (e *Email) check(f *schoolbell.Faults) {
	if strings.ContainsAny(e.Host, " :/\t\r\n") && net.ParseIP(e.Host) == nil {
		f.Add("SMTP_HOST", "must be a host name; the port belongs in SMTP_PORT")
	}
	port(f, "SMTP_PORT", e.Port)
	oneOf(f, "SMTP_TLS", e.TLS, smtpconn.Modes()...)
	switch {
	case e.From != "":
		mailbox(f, "EMAIL_FROM", e.From)
	case e.Host != "":
		f.Add("EMAIL_FROM", "is required with SMTP_HOST: the From address of all email")
	}
	if e.ReplyTo != "" {
		mailbox(f, "EMAIL_REPLY_TO", e.ReplyTo)
	}
	if e.Username != "" && e.Password == "" {
		f.Add("SMTP_PASSWORD", "is required with SMTP_USERNAME")
	}
	between(f, "EMAIL_CONNECTIONS", e.Connections, 1, 1000)
	between(f, "EMAIL_RATE", e.Rate, 0, 100_000)
	between(f, "EMAIL_DAILY_LIMIT", e.DailyLimit, 0, 1_000_000_000)
	between(f, "SMTP_TIMEOUT", e.Timeout, 100*time.Millisecond, time.Hour)
	listenAddr(f, "MAIL_CATCHER_ADDR", e.CatcherAddr)
}

// Check implements [Target].
func (c *Client) Check() error {
	var f schoolbell.Faults
	if u, err := url.Parse(c.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		f.Add("SCHOOLBELL_URL", "must be an address such as http://127.0.0.1:8080")
	} else {
		c.checkWhoGetsTheKey(&f, u)
	}
	return f.Err()
}

// checkWhoGetsTheKey refuses to send a key where its owner may not want it: to a server
// that a .env file in the current folder names while the key comes from elsewhere, and
// unencrypted over a network. Such a file may be a stranger's, so it may not name a file to
// send as the key either.
func (c *Client) checkWhoGetsTheKey(f *schoolbell.Faults, u *url.URL) {
	if c.APIKey == "" {
		return
	}
	shown := u.Scheme + "://" + u.Host // a user name or password in the URL is not for messages
	if c.fromFoundFile("SCHOOLBELL_API_KEY") && c.origins["SCHOOLBELL_API_KEY"] != FromDotEnv {
		f.Add("SCHOOLBELL_API_KEY", "a .env file found in the working folder may not name a file with the key: set SCHOOLBELL_API_KEY_FILE in the environment, or name the .env file with --env-file")
	}
	if c.fromFoundFile(c.urlFrom) && !c.fromFoundFile("SCHOOLBELL_API_KEY") {
		f.Add(c.urlFrom, "%s comes from a .env file and the key does not, so the key is not sent there; to send it, set --url", shown)
	}
	if u.Scheme == "http" && !schoolbell.Loopback(u.Hostname()) && !c.Insecure {
		f.Add("SCHOOLBELL_URL", "%s would receive the key unencrypted: use https://, or add --insecure if the network is private", shown)
	}
}

// fromFoundFile reports whether a setting comes from a .env file that nobody named.
func (c *Client) fromFoundFile(name string) bool {
	return !c.envNamed && strings.HasPrefix(string(c.origins[name]), string(FromDotEnv))
}

func oneOf(f *schoolbell.Faults, name, v string, known ...string) {
	for _, k := range known {
		if v == k {
			return
		}
	}
	f.Add(name, "must be one of %s", strings.Join(known, ", "))
}

func between[T int | time.Duration](f *schoolbell.Faults, name string, v, low, high T) {
	if v < low || v > high {
		f.Add(name, "must be between %s and %s", show(low), show(high))
	}
}

func show(v any) string {
	if d, ok := v.(time.Duration); ok {
		return formatDuration(d)
	}
	return fmt.Sprint(v)
}

func port(f *schoolbell.Faults, name string, p int) { between(f, name, p, 1, 65535) }

// listenAddr allows an empty host, which is every interface, and port 0, which is any.
func listenAddr(f *schoolbell.Faults, name, addr string) {
	_, p, err := net.SplitHostPort(addr)
	if n, errPort := strconv.Atoi(p); err != nil || errPort != nil || n < 0 || n > 65535 {
		f.Add(name, "must be an address such as 127.0.0.1:8080")
	}
}

func hostPorts(f *schoolbell.Faults, name string, addrs []string) {
	for _, a := range addrs {
		host, p, err := net.SplitHostPort(a)
		if n, errPort := strconv.Atoi(p); err != nil || host == "" || errPort != nil || n < 1 || n > 65535 {
			f.Add(name, "must be addresses such as 10.0.0.1:6379,10.0.0.2:6379")
			return
		}
	}
}

func mailbox(f *schoolbell.Faults, name, text string) {
	a, err := mail.ParseAddress(text)
	if err == nil {
		_, errDomain := address.Wire(a.Address)
		err = errors.Join(schoolbell.ValidateSender(a.Address), errDomain)
	}
	if err != nil || strings.ContainsAny(text, "\r\n") || !schoolbell.IsLine(a.Name) {
		f.Add(name, `must be an address such as office@hill.example or "Hill School <office@hill.example>"`)
	}
}

// readable reports why a file that a setting names cannot be read.
func readable(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	return b, nil
}

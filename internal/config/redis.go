package config

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"schoolbell"
	"schoolbell/internal/redisdial"
)

// External reports whether the settings name a Redis outside this process.
func (r *Redis) External() bool {
	return r.URL != "" || r.Host != "" || r.cluster() || r.sentinel()
}

func (r *Redis) cluster() bool  { return len(r.ClusterNodes) > 0 }
func (r *Redis) sentinel() bool { return len(r.SentinelAddrs) > 0 }

// local reports whether every server that the single settings name is this machine.
// What REDIS_URL names, its scheme protects or not.
func (r *Redis) local() bool {
	if r.URL != "" {
		return true
	}
	for _, addr := range append(append([]string{}, r.ClusterNodes...), r.SentinelAddrs...) {
		if host, _, err := net.SplitHostPort(addr); err != nil || !schoolbell.Loopback(host) {
			return false
		}
	}
	return r.cluster() || r.sentinel() || r.Host == "" || schoolbell.Loopback(r.Host)
}

// Client returns a client for the Redis that the settings name: single,
// Sentinel or Cluster. It connects when it is first used; the caller closes it.
func (r *Redis) Client() (redis.UniversalClient, error) {
	if !r.External() {
		return nil, fmt.Errorf("no Redis is configured")
	}
	o, err := r.options()
	if err != nil {
		return nil, err
	}
	o.Dialer = redisdial.Dialer(o.TLSConfig)
	if o.TLSConfig == nil && !r.insecure { // TLS is off because the settings name this machine
		o.Dialer = redisdial.LocalDialer(schoolbell.Loopback)
	}
	if r.cluster() {
		return clusterClient(o), nil
	}
	return redis.NewUniversalClient(o), nil
}

// clusterClient returns a client that finds a new master soon. go-redis asks where the
// masters are when a node redirects it, but one that is gone does not, and else every
// minute. To ask is one small command, and only while the client is in use.
func clusterClient(o *redis.UniversalOptions) *redis.ClusterClient {
	c := o.Cluster()
	c.ClusterStateReloadInterval = 2 * time.Second
	// A machine that vanished answers nothing: go-redis would try five times, five seconds each.
	c.DialTimeout, c.DialerRetries = 3*time.Second, 1
	return redis.NewClusterClient(c)
}

// LocalClient returns a client for the Redis in this process, to which dial connects.
func LocalClient(dial func(ctx context.Context, network, addr string) (net.Conn, error)) redis.UniversalClient {
	o := common()
	o.Addrs, o.Dialer = []string{"in-process:0"}, dial
	return redis.NewUniversalClient(o)
}

// common are the options that do not depend on where Redis is: deadlines of
// contexts are kept, and servers are not asked to announce their maintenance,
// which only managed ones understand.
func common() *redis.UniversalOptions {
	return &redis.UniversalOptions{
		ClientName:               "schoolbell",
		ContextTimeoutEnabled:    true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
}

func (r *Redis) options() (*redis.UniversalOptions, error) {
	t, err := r.tls()
	if err != nil {
		return nil, err
	}
	o := common()
	o.Username, o.Password, o.DB, o.TLSConfig = r.Username, r.Password.Reveal(), r.DB, t
	switch {
	case r.cluster():
		o.Addrs, o.IsClusterMode = r.ClusterNodes, true
	case r.sentinel():
		o.Addrs, o.MasterName = r.SentinelAddrs, r.SentinelMaster
		o.SentinelUsername, o.SentinelPassword = r.SentinelUsername, r.SentinelPassword.Reveal()
	case r.URL != "":
		return o, r.addURL(o)
	default:
		o.Addrs = []string{net.JoinHostPort(r.Host, strconv.Itoa(r.Port))}
	}
	return o, nil
}

// addURL puts what REDIS_URL says into o. What it does not say, the single
// settings may.
func (r *Redis) addURL(o *redis.UniversalOptions) error {
	u, err := redis.ParseURL(r.URL.Reveal())
	if err != nil {
		return fmt.Errorf("must be an address such as redis://user:password@host:6379/0")
	}
	if u.Network == "unix" {
		return fmt.Errorf("must be a redis:// or rediss:// address; sockets are not supported")
	}
	host, _, err := net.SplitHostPort(u.Addr)
	if u.TLSConfig == nil && !r.TLS && !r.insecure && (err != nil || !schoolbell.Loopback(host)) {
		return fmt.Errorf("would send everything unencrypted to another machine: use rediss:// for TLS, or set REDIS_TLS=false if the network is private")
	}
	o.Addrs = []string{u.Addr}
	if u.Username != "" {
		o.Username = u.Username
	}
	if u.Password != "" {
		o.Password = u.Password
	}
	if u.DB != 0 {
		o.DB = u.DB
	}
	if u.TLSConfig != nil && o.TLSConfig == nil {
		o.TLSConfig = u.TLSConfig
		roots, err := r.roots()
		if err != nil {
			return err
		}
		o.TLSConfig.RootCAs = roots
	}
	return nil
}

func (r *Redis) checkURL(f *schoolbell.Faults) {
	if r.URL == "" {
		return
	}
	if err := r.addURL(common()); err != nil {
		f.Add("REDIS_URL", "%v", err)
	}
}

// tls returns nil when TLS was not asked for.
func (r *Redis) tls() (*tls.Config, error) {
	roots, err := r.roots()
	if err != nil || !r.TLS {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}, nil
}

// roots returns the authorities of REDIS_TLS_CA, nil for the system's.
func (r *Redis) roots() (*x509.CertPool, error) {
	if r.TLSCA == "" {
		return nil, nil
	}
	pem, err := readable(r.TLSCA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("contains no PEM certificate")
	}
	return pool, nil
}

// KeyPrefix is the prefix of every key: QUEUE_PREFIX, with the hash tag without
// which a Redis Cluster would spread the keys of one queue over its nodes.
func (c *Config) KeyPrefix() string {
	p := c.Queue.Prefix
	if open := strings.IndexByte(p, '{'); c.Redis.cluster() && (open < 0 || strings.IndexByte(p[open:], '}') < 2) {
		return "{" + p + "}"
	}
	return p
}

func sorted(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
}

package schoolbell

import (
	"net"
	"strings"
)

// Loopback reports whether a host name or address is this machine: 127.0.0.0/8, ::1
// or localhost. Names below localhost do not count: resolvers and proxies may send them
// elsewhere.
func Loopback(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

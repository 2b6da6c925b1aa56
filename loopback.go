package schoolbell

import (
	"net"
	"strings"
)

// Loopback reports whether a host name or address is this machine: 127.0.0.0/8, ::1,
// localhost and names below it (RFC 6761 §6.3).
func Loopback(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

package push

import (
	"net"
	"net/url"
	"slices"
	"strings"
)

// Services are the push services that may be used: names of hosts, with a port or for all of them, such as push.example and
// 127.0.0.1:8443. *.push.example is every name below push.example, and * is every host.
type Services []string

// Has reports whether the push service of an origin is among them.
func (s Services) Has(origin string) bool {
	u, err := url.Parse(origin)
	return err == nil && slices.ContainsFunc(s, func(service string) bool { return matches(service, u) })
}

func matches(service string, u *url.URL) bool {
	service = strings.ToLower(service)
	if service == "*" || service == u.Host {
		return true
	}
	below, wild := strings.CutPrefix(service, "*.")
	if wild {
		return strings.HasSuffix(u.Hostname(), "."+below)
	}
	return service == u.Hostname()
}

// exact returns the addresses of those with a name of their own, in the form host:port.
func (s Services) exact() (addresses []string) {
	for _, service := range s {
		if strings.Contains(service, "*") {
			continue
		}
		if _, _, err := net.SplitHostPort(service); err != nil {
			service = net.JoinHostPort(service, "443")
		}
		addresses = append(addresses, service)
	}
	return addresses
}
